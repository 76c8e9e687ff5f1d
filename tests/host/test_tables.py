"""Tables of features: what authors and operators write, and what a host makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host import operators, table_ttls
from polyvm.host.errors import ManifestError, MissingError, StateFileError, TableError
from polyvm.host.features import FeatureTables, Given
from polyvm.host.manifest import parse
from polyvm.host.tables import Bounds
from polyvm.vm import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from polyvm.host.manifest import Manifest

HEAD = 'name = "{}"\nversion = "1"\nentry = "main:run"\n'


def manifest(text: str, name: str = "t") -> Manifest:
    return parse((HEAD.format(name) + text).encode(), "task.toml")


@pytest.fixture
def tables() -> Iterator[FeatureTables]:
    made = FeatureTables()
    yield made
    made.close()


def test_a_manifest_declares_tables(tables: FeatureTables) -> None:
    made = manifest(
        '[[tables]]\nname = "ipv"\nversions = 3\nttl = "7d"\nmax_keys = 10\nmax_bytes = "1MB"\n'
        '[[tables]]\nname = "plain"\n'
    )
    assert made.tables[0].amounts == {
        "versions": 3,
        "ttl_ns": 7 * 86400 * 10**9,
        "max_keys": 10,
        "max_bytes": 10**6,
    }
    tables.check(made)
    tables.deploy(made)
    assert [each.name for each in tables.stats()] == ["ipv", "plain"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[tables]]\nname = ""', "1 to 54 bytes"),
        (f'[[tables]]\nname = "{"ü" * 28}"', "1 to 54 bytes"),
        ('[[tables]]\nname = "a"\n[[tables]]\nname = "a"', "two tables are named 'a'"),
        ('[[tables]]\nname = "a"\nversions = 0', ">= 1"),
        ('[[tables]]\nname = "a"\nversions = 5000', "<= 4096"),
        ('[[tables]]\nname = "a"\nttl = "soon"', "table 'a': ttl 'soon' must be a number"),
        ('[[tables]]\nname = "a"\nttl = "0s"', "table 'a': ttl must be more than 0"),
        ('[[tables]]\nname = "a"\nmax_bytes = "many"', "table 'a': max_bytes 'many' must be"),
        ('[[tables]]\nname = "a"\nsize = 1', "size"),
    ],
)
def test_what_a_manifest_must_not_say(text: str, why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        manifest(text)


def test_the_operators_file(tables: FeatureTables, tmp_path: Path) -> None:
    path = tmp_path / "flows.toml"
    path.write_text('[tables.ipv]\nversions = 2\n[tables."of all"]\nttl = "1h"\n')
    made = operators.read(path)
    assert made.tables == {"ipv": Bounds(versions=2), "of all": Bounds(ttl="1h")}
    tables.declare(made.tables)
    tables.deploy(manifest('[[tables]]\nname = "ipv"\nversions = 1'))  # the operators' word counts
    tables.put("ipv", [Given(key="k", time_ns=n, values={"n": n}) for n in range(3)])
    assert [row.time_ns for row in tables.history("ipv", "k")] == [1, 2]
    path.write_text('[tables.x]\nttl = "never"\n')
    with pytest.raises(ManifestError, match=r"flows\.toml: table 'x': ttl 'never' must be"):
        operators.read(path)


def test_two_tasks_must_agree(tables: FeatureTables) -> None:
    two = '[[tables]]\nname = "a"\nversions = 2'
    tables.deploy(manifest(two, "first"))
    tables.check(manifest(two, "second"))
    tables.deploy(manifest(two, "second"))
    three = manifest(two.replace("2", "3"), "second")
    with pytest.raises(
        TableError, match="declared otherwise by the task first; give both the same"
    ):
        tables.check(three)
    tables.withdraw("first")
    tables.check(three)
    tables.deploy(three)
    assert [each.name for each in tables.stats()] == ["a"]


def test_rows_in_and_out(tables: FeatureTables) -> None:
    tables.declare({"t": Bounds(versions=2)})
    rows: list[Any] = [
        Given(key="ada", time_ns=1, values={"a": 1}),
        Given(key=7, time_ns=1, values={"deep": {"x": [1.5, None, "é"]}}),
        Given(key="ada", time_ns=2, values={"b": 2}),
        Given(key="ada", time_ns=3, values=None),
    ]
    assert tables.put("t", rows[:3], merge=True).put == 3
    assert tables.get("t", "ada") == ("ada", 2, 3, {"a": 1, "b": 2})
    assert tables.get("t", "ada", 1) == ("ada", 1, 1, {"a": 1})
    assert tables.get("t", "ada", 0) is None
    assert tables.get_many("t", ["7", "none"])[1] is None
    assert {row.key for row in tables.scan("t")} == {"ada", "7"}
    assert len(tables.scan("t", most=1)) == 1
    tables.put("t", rows[3:])
    assert tables.get("t", "ada") is None
    assert tables.get("t", "ada", 2) is not None
    report = tables.put("t", [Given(key="k" * 2000, values={})])
    assert report.put == 0
    assert "a key takes at most 1024 bytes" in str(report.error)
    with pytest.raises(MissingError, match="no table of features 'other'; there are: t"):
        tables.get("other", "k")
    with pytest.raises(TypeError):
        tables.put("t", [Given(key="k", values={"a": object()})])


def test_how_long_keys_live_is_noted_beside_the_store(tmp_path: Path) -> None:
    store = EventStore(tmp_path)
    made = FeatureTables(store, tmp_path)
    made.deploy(manifest('[[tables]]\nname = "a"\nttl = "7d"\n[[tables]]\nname = "b"\n'))
    made.declare({"c": Bounds(ttl="1h")})
    day = 86400 * 10**9
    assert made.ttls() == {"a": 7 * day, "b": 0, "c": day // 24}
    assert table_ttls.read(tmp_path) == {"a": 7 * day, "c": day // 24}
    made.deploy(manifest('[[tables]]\nname = "a"\n'))
    assert table_ttls.read(tmp_path) == {"c": day // 24}
    (tmp_path / table_ttls.NAME).write_text("torn")
    with pytest.raises(StateFileError, match="remove it"):
        table_ttls.read(tmp_path)
    made.deploy(manifest('[[tables]]\nname = "d"\nttl = "1s"\n'))  # said, and gone on without
    made.close()
    store.close()
