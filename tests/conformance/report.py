"""A run in words: lines for the terminal, and docs/conformance.md."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from polyvm import vm

from .runner import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .expected import Expected
    from .outcome import Outcome

DOCUMENT = ROOT / "docs" / "conformance.md"


def line(outcome: Outcome, verbose: bool = False) -> str:
    """One module's line, and what is surprising about it below."""
    if outcome.broken:
        return f"{outcome.module:28} BROKEN: {outcome.broken}"
    c = outcome.comparison
    text = (
        f"{outcome.module:28} run {outcome.run:4}  passed {outcome.passed:4}  "
        f"failed {outcome.failures:3}  errors {outcome.errors:3}  skipped {len(outcome.skips):3}  "
        f"{'ok' if outcome.good else 'UNEXPECTED'}"
    )
    for test in c.unexplained:
        traceback = outcome.tracebacks[test].strip()
        shown = traceback if verbose else (traceback.splitlines() or [""])[-1][:160]
        text += f"\n    unexplained: {test}\n        " + shown.replace("\n", "\n        ")
    for test in c.stale:
        text += f"\n    explained, yet does not fail: {test}"
    return text


def summary(outcomes: Sequence[Outcome]) -> str:
    broken = [outcome for outcome in outcomes if outcome.broken]
    unexplained = sum(len(outcome.comparison.unexplained) for outcome in outcomes)
    stale = sum(len(outcome.comparison.stale) for outcome in outcomes)
    return (
        f"\n{len(outcomes)} modules, {sum(o.run for o in outcomes)} tests: "
        f"{sum(o.passed for o in outcomes)} passed, "
        f"{sum(len(o.comparison.explained) for o in outcomes)} failed for known reasons, "
        f"{sum(len(o.skips) for o in outcomes)} skipped; "
        f"{unexplained} failures unexplained, {stale} explanations stale, "
        f"{len(broken)} modules without a result"
    )


def document(outcomes: Sequence[Outcome], expected: Expected) -> str:
    """The text of docs/conformance.md."""
    parts = [_head(outcomes), _reasons(outcomes, expected), _skips(outcomes)]
    parts += [_table(outcomes), _failures(outcomes)]
    return "\n".join(parts)


def _head(outcomes: Sequence[Outcome]) -> str:
    run = sum(o.run for o in outcomes)
    passed = sum(o.passed for o in outcomes)
    skipped = sum(len(o.skips) for o in outcomes)
    failed = sum(len(o.comparison.explained) for o in outcomes)
    unexplained = sum(len(o.comparison.unexplained) for o in outcomes)
    share = 100 * passed / max(1, passed + failed + unexplained)
    return f"""# Conformance

<!-- Written by `python -m tests.conformance --write-docs`: do not edit. -->

CPython {vm.info().release}'s own regression tests, from the source tree that the library is
built from, run inside VMs by `make conformance`. A test module and the test support that it
imports are compiled by the toolchain library, loaded as a task's program, and run with
`unittest` by an executor's worker, in a process of its own. The library under test is the one
that tasks run in.

| | |
| --- | ---: |
| test modules | {len(outcomes)} |
| tests begun | {run} |
| passed | {passed} |
| skipped | {skipped} |
| failed, each with a known reason | {failed} |
| failed without one | {unexplained} |
| passed, of those not skipped | {share:.1f} % |

A test with several failing subtests counts once; a skipped subtest counts as a skip. Tests that
CPython expects to fail, and that do, count as passed. Doctests are source text and do not run.
A failure without a reason in `tests/conformance/expected.toml` fails the run, and so does a
reason whose test passes.
"""


def _reasons(outcomes: Sequence[Outcome], expected: Expected) -> str:
    count = Counter(
        item.reason for outcome in outcomes for item in outcome.comparison.explained.values()
    )
    rows = [
        f"| {reason} | {number} | {expected.reasons[reason]} |"
        for reason, number in count.most_common()
    ]
    return "\n".join(
        ["## Failures by reason\n", "| reason | tests | |", "| --- | ---: | --- |", *rows, ""]
    )


def _skips(outcomes: Sequence[Outcome]) -> str:
    count = Counter(_short(reason) for outcome in outcomes for _, reason in outcome.skips)
    common = [(reason, number) for reason, number in count.most_common() if number >= 5]
    rows = [f"| {_cell(reason)} | {number} |" for reason, number in common]
    rest = count.total() - sum(number for _, number in common)
    rows.append(f"| {len(count) - len(common)} reasons with fewer than 5 tests each | {rest} |")
    return "\n".join(["## Skips by reason\n", "| reason | tests |", "| --- | ---: |", *rows, ""])


def _short(reason: str) -> str:
    """Reasons that differ only in the name of what is missing count as one."""
    match = re.match(r"needs ([\w.]+?)\.\w+, which VMs leave out", reason)
    if match:
        return f"needs {match[1]}, which VMs leave out"
    return reason.strip() or "no reason given"


def _table(outcomes: Sequence[Outcome]) -> str:
    rows = [
        f"| {o.module} | {o.run} | {o.passed} | {o.failures} | {o.errors} | {len(o.skips)} |"
        if not o.broken
        else f"| {o.module} | {_cell(o.broken)} | | | | |"
        for o in outcomes
    ]
    head = [
        "| module | run | passed | failures | errors | skipped |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join(["## Modules\n", *head, *rows, ""])


def _failures(outcomes: Sequence[Outcome]) -> str:
    lines = ["## Failures one by one\n"]
    for outcome in outcomes:
        if not outcome.tracebacks:
            continue
        lines.append(f"### {outcome.module}\n")
        for test in outcome.tracebacks:
            found = outcome.comparison.explained.get(test)
            if found is None:
                lines.append(f"- `{test}`: **unexplained**")
            else:
                words = f": {found.words}" if found.words else ""
                lines.append(f"- `{test}`: {found.reason}{words}")
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
