"""Tests that are known not to pass, each with its reason: what `expected.toml` says.

    [reasons]
    random = "one sentence"

    [node]
    "test_bernoulli*" = "random"                       # a reason,
    "test_maxunpool_export" = "indices: what it does"  # or a reason and words on this test

A pattern stands for tests none of which passes.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from .cases import KINDS
from .runner import PASSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .cases import Case
    from .runner import Result

FILE = Path(__file__).with_name("expected.toml")


class ExpectedError(Exception):
    """expected.toml cannot be used; the text says what is wrong with it."""


@dataclass(frozen=True)
class Explanation:
    """reason: a key of `reasons`. words: "" or more detail."""

    kind: str
    pattern: str
    reason: str
    words: str

    def covers(self, case: Case) -> bool:
        """Whether it is about this test."""
        return case.kind == self.kind and fnmatchcase(case.name, self.pattern)


@dataclass(frozen=True)
class Comparison:
    """explained: (kind, test) -> why it does not pass. unexplained: what does not, without a why.
    stale: explanations that cover a test that passes, or none.
    """

    explained: Mapping[tuple[str, str], Explanation]
    unexplained: tuple[Result, ...]
    stale: tuple[Explanation, ...]

    @property
    def good(self) -> bool:
        """Whether everything is as expected."""
        return not self.unexplained and not self.stale


class Expected:
    """The contents of expected.toml. reasons: key -> sentence."""

    def __init__(self, file: Path = FILE) -> None:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        self.reasons: Mapping[str, str] = tables.pop("reasons", {})
        self.explanations: list[Explanation] = []
        for kind, entries in tables.items():
            if kind not in KINDS:
                raise ExpectedError(f"{file.name}: [{kind}] is none of {', '.join(KINDS)}")
            for pattern, text in entries.items():
                reason, _, words = text.partition(":")
                if reason not in self.reasons:
                    raise ExpectedError(
                        f"{file.name}: [{kind}] {pattern!r}: {reason!r} is none of [reasons]"
                    )
                self.explanations.append(Explanation(kind, pattern, reason, words.strip()))

    def compare(self, pairs: Iterable[tuple[Case, Result]], partial: bool = False) -> Comparison:
        """How results compare with the explanations. partial: not all tests were run."""
        explained: dict[tuple[str, str], Explanation] = {}
        unexplained: list[Result] = []
        used: set[Explanation] = set()
        wrong: set[Explanation] = set()
        for case, result in pairs:
            known = [one for one in self.explanations if one.covers(case)]
            used.update(known)
            if result.status == PASSED:
                wrong.update(known)
            elif known:
                explained[case.kind, case.name] = known[0]
            else:
                unexplained.append(result)
        if not partial:
            wrong.update(one for one in self.explanations if one not in used)
        stale = tuple(one for one in self.explanations if one in wrong)
        return Comparison(explained, tuple(unexplained), stale)
