"""Failures that are known, each with its reason: what `expected.toml` says, and how a run
compares with it.

    [reasons]
    compiler = "one sentence"

    [test_int]
    "IntTestCases.test_underscores" = "compiler"          # a reason,
    "OtherTestCase.*" = "thread: what it does with them"  # or a reason and words on this case

`Class.*` stands for a class none of whose tests passes.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE = Path(__file__).with_name("expected.toml")


class ExpectedError(Exception):
    """expected.toml cannot be used; the text says what is wrong with it."""


@dataclass(frozen=True)
class Explanation:
    """test: an id, or "Class.*". reason: a key of `reasons`. words: "" or more detail."""

    test: str
    reason: str
    words: str


@dataclass(frozen=True)
class Comparison:
    """explained: failing test -> its explanation. unexplained: failing tests without one.
    stale: explanations of what does not fail, or no longer as described."""

    explained: Mapping[str, Explanation]
    unexplained: tuple[str, ...]
    stale: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.unexplained and not self.stale


class Expected:
    """The contents of expected.toml. reasons: key -> sentence."""

    def __init__(self, file: Path = FILE) -> None:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        self.reasons: Mapping[str, str] = tables.pop("reasons", {})
        self._modules: dict[str, dict[str, Explanation]] = {}
        for module, entries in tables.items():
            for test, text in entries.items():
                reason, _, words = text.partition(":")
                if reason not in self.reasons:
                    raise ExpectedError(
                        f"{file.name}: [{module}] {test!r}: {reason!r} is none of [reasons]"
                    )
                found = Explanation(test, reason, words.strip())
                self._modules.setdefault(module, {})[test] = found

    def modules(self) -> Iterable[str]:
        """The test modules that have explained failures."""
        return self._modules.keys()

    def compare(self, module: str, failed: Iterable[str], passed: Iterable[str]) -> Comparison:
        """How the failures of one module's run compare with the explanations for it."""
        known = self._modules.get(module, {})
        explained: dict[str, Explanation] = {}
        unexplained: list[str] = []
        for test in failed:
            found = known.get(test) or known.get(_class_of(test))
            if found is None:
                unexplained.append(test)
            else:
                explained[test] = found
        used = {item.test for item in explained.values()}
        still_passing = {_class_of(test) for test in passed}
        stale = [test for test in known if test not in used or test in still_passing]
        return Comparison(explained, tuple(unexplained), tuple(stale))


def _class_of(test: str) -> str:
    return test.rpartition(".")[0] + ".*"
