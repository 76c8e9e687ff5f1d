"""What became of one test module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .expected import Comparison, Expected

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Outcome:
    """broken: "" or why there is no result (a crash, a time-out); all counts are then 0.

    run: tests begun, skipped ones too. tracebacks: failing test -> its last lines.
    skips: (test, reason).
    """

    module: str
    broken: str
    run: int
    passed: int
    failures: int
    errors: int
    skips: tuple[tuple[str, str], ...]
    tracebacks: Mapping[str, str]
    comparison: Comparison

    @property
    def good(self) -> bool:
        return not self.broken and self.comparison.good


def judge(module: str, answer: Mapping[str, Any], expected: Expected) -> Outcome:
    """Compare what a child process answered with what is expected of the module."""
    broken = answer.get("broken", "")
    details = answer.get("details", [])
    failed = [] if broken else [test for test, _, _ in details]
    passed = answer.get("passed", [])
    comparison = Comparison({}, (), ()) if broken else expected.compare(module, failed, passed)
    return Outcome(
        module,
        broken,
        answer.get("run", 0),
        len(passed),
        answer.get("failures", 0),
        answer.get("errors", 0),
        tuple((test, reason) for test, reason in answer.get("skips", [])),
        {test: text for test, _, text in details},
        comparison,
    )
