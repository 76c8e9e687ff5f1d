"""Tables of features against a naive model, in memory and kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from polyvm.vm import LATEST, EventStore, Features
from tests.vm.programs import pack, unpack
from tests.vm.tables import rows_of, value_at

KEYS = ["ada", "bob", "", "ключ", "x" * 1024]
NAMES = ["a", "b", "long name of a feature that takes more than 31 bytes"]


class Model(RuleBasedStateMachine):
    """Rows as dicts by time; a removal is None."""

    def __init__(self) -> None:
        super().__init__()
        self.features = Features()
        self.rows: dict[str, dict[int, dict[str, Any] | None]] = {}
        self.order: list[str] = []  # keys, the least recently written first
        self.versions = 1
        self.max_keys = 0

    @initialize(versions=st.integers(1, 4), max_keys=st.sampled_from([0, 1, 2, 4]))
    def open(self, versions: int, max_keys: int) -> None:
        self.versions, self.max_keys = versions, max_keys
        self.features.open("t", versions=versions, max_keys=max_keys)

    def _at(self, key: str, at: int) -> dict[str, Any] | None:
        times = [each for each in self.rows.get(key, {}) if each <= at]
        return self.rows[key][max(times)] if times else None

    def _write(self, key: str, at: int, row: dict[str, Any] | None) -> None:
        rows = dict(self.rows.get(key, {}))
        if sum(each > at for each in rows) >= self.versions:
            return
        rows[at] = row
        while len(rows) > self.versions:
            del rows[min(rows)]
        self.rows[key] = rows
        self.order = [each for each in self.order if each != key] + [key]
        while self.max_keys and len(self.order) > self.max_keys:
            del self.rows[self.order.pop(0)]

    @rule(
        key=st.sampled_from(KEYS),
        at=st.integers(-3, 12),
        values=st.dictionaries(st.sampled_from(NAMES), st.integers() | st.none(), max_size=3),
        merge=st.booleans(),
    )
    def put(self, key: str, at: int, values: dict[str, Any], merge: bool) -> None:
        values = {name: value for name, value in values.items() if value is None or -9 < value < 9}
        report = self.features.put("t", pack([[key, at, values]]), merge=merge)
        assert report.put == 1
        assert report.error is None
        before = self._at(key, at) if merge else None
        self._write(key, at, {**(before or {}), **values})

    @rule(key=st.sampled_from(KEYS), at=st.integers(-3, 12))
    def remove(self, key: str, at: int) -> None:
        assert self.features.put("t", pack([[key, at, None]])).error is None
        self._write(key, at, None)

    @rule(versions=st.integers(1, 4))
    def keep_fewer(self, versions: int) -> None:
        self.versions = versions
        self.features.open("t", versions=versions, max_keys=self.max_keys)
        for rows in self.rows.values():
            while len(rows) > versions:
                del rows[min(rows)]

    @rule(key=st.sampled_from(KEYS), at=st.integers(-4, 14) | st.just(LATEST))
    def get(self, key: str, at: int) -> None:
        assert value_at(self.features, "t", key, at) == self._at(key, at)

    @rule(key=st.sampled_from(KEYS))
    def history(self, key: str) -> None:
        expected = sorted(self.rows.get(key, {}).items())
        seen = rows_of(self.features, "t", key)
        assert seen == [(at, row) for at, row in expected if row is not None]

    @rule(at=st.integers(-4, 14) | st.just(LATEST))
    def scan(self, at: int) -> None:
        seen = {key.decode(): values for key, _, _, values in unpack(self.features.scan("t", at))}
        every = {key: self._at(key, at) for key in self.rows}
        assert seen == {key: row for key, row in every.items() if row is not None}

    @invariant()
    def counts(self) -> None:
        if self.features.stats():
            stats = self.features.stats()[0]
            assert stats.keys == len(self.rows)
            rows = [row for each in self.rows.values() for row in each.values()]
            assert stats.rows == sum(row is not None for row in rows)

    def teardown(self) -> None:
        self.features.close()


class KeptModel(Model):
    """The same with a store, in small segments, that is closed and opened again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.features.close()
        self.folder = tempfile.TemporaryDirectory()
        self._open_store()

    def _open_store(self) -> None:
        self.store = EventStore(Path(self.folder.name) / "kept", segment_bytes=65536)
        self.features = Features(self.store)

    @initialize(versions=st.integers(1, 4))
    def open(self, versions: int) -> None:  # type: ignore[override]
        super().open(versions, 0)

    @rule(versions=st.integers(1, 4))
    def keep_fewer(self, versions: int) -> None:
        """Never more: what is still in a file would come back."""
        super().keep_fewer(min(versions, self.versions))

    @rule(key=st.sampled_from(KEYS[:2]), start=st.integers(-3, 12), count=st.integers(1, 400))
    def put_many(self, key: str, start: int, count: int) -> None:
        """So many that rows are carried on from segment to segment."""
        rows = [[key, start + n % 3, {"n": n, "pad": "x" * 500}] for n in range(count)]
        assert self.features.put("t", pack(rows)).error is None
        for _, at, row in rows:
            self._write(key, at, row)

    @rule()
    def reopen(self) -> None:
        self.features.close()
        self.store.close()
        self._open_store()
        self.features.open("t", versions=self.versions)

    def teardown(self) -> None:
        super().teardown()
        self.store.close()
        self.folder.cleanup()


KeptModel.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestKeptModel = KeptModel.TestCase
Model.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestModel = Model.TestCase
