"""A run in words: lines for the terminal, and docs/onnx-conformance.md."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from .cases import KINDS, NEWEST_OPSET
from .runner import PASSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cases import Case
    from .expected import Comparison, Expected
    from .runner import Result

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "onnx-conformance.md"
SCOPES = {
    "opset": f"they need operators of an opset newer than {NEWEST_OPSET}",
    "domain": "they need operators of another domain than ONNX's own",
    "sequences": "values are sequences or optional",
    "strings": "values are strings",
    "types": "values are of types of fewer than 8 bits, or of 8-bit floats",
}
"""Why tests are left out: what a model for arrays has no use for."""


def counts(pairs: Sequence[tuple[Case, Result]]) -> dict[str, dict[str, list[int]]]:
    """[passed, all] by kind and scope."""
    found: dict[str, dict[str, list[int]]] = {}
    for case, result in pairs:
        one = found.setdefault(case.kind, {}).setdefault(case.scope, [0, 0])
        one[0] += result.status == PASSED
        one[1] += 1
    return found


def summary(engine: str, pairs: Sequence[tuple[Case, Result]]) -> str:
    """Some lines for the terminal."""
    lines = []
    for kind, by_scope in counts(pairs).items():
        passed, total = by_scope.get("", [0, 0])
        others = ", ".join(
            f"{scope} {p} of {t}" for scope, (p, t) in sorted(by_scope.items()) if scope
        )
        every = [sum(column) for column in zip(*by_scope.values(), strict=True)]
        lines.append(
            f"{kind:18} {passed:4} of {total:4} passed"
            f"{f'; left out: {others}' if others else ''}; of all {every[0]} of {every[1]}"
        )
    status = Counter(result.status for case, result in pairs if not case.scope)
    lines.append(f"{engine}: {', '.join(f'{n} {word}' for word, n in status.most_common())}")
    return "\n".join(lines)


def surprises(comparison: Comparison) -> str:
    """What is not as expected.toml says, a line each."""
    lines = [f"unexplained: {r.name}: {r.status}: {r.text}" for r in comparison.unexplained]
    lines += [
        f"explained, yet passes or is not there: [{one.kind}] {one.pattern}"
        for one in comparison.stale
    ]
    return "\n".join(lines)


def document(
    version: str,
    pairs: Sequence[tuple[Case, Result]],
    comparison: Comparison,
    expected: Expected,
    peer: tuple[str, Mapping[str, Mapping[str, Sequence[int]]]] | None,
) -> str:
    """The text of docs/onnx-conformance.md. peer: a name, and its `counts`."""
    ours = counts(pairs)
    theirs = peer[1] if peer else {}
    head = ["tests of kind", "asked", "passed"] + ([f"passed by {peer[0]}"] if peer else [])
    rows = []
    for kind in KINDS:
        passed, total = ours.get(kind, {}).get("", (0, 0))
        row = [kind, str(total), str(passed)]
        rows.append(row + ([str(theirs.get(kind, {}).get("", [0])[0])] if peer else []))
    left = Counter(case.scope for case, _ in pairs if case.scope)
    parts = [
        f"""# ONNX conformance

<!-- Written by `python -m tests.onnx_backend --write-docs`: do not edit. -->

The tests of the ONNX standard (package onnx {version}), run through the engine in ordinary
Python with exact precision. A test is a model with inputs and outputs; outputs must agree in type
and shape, and in value to the test's own tolerance. `make conformance` runs them, each in a process
that may crash without harm to the others. Nineteen whole networks, those of the literature and
those of the demo, are held to ONNX Runtime's outputs as well, to 1e-4 (`test_networks.py`).
""",
        _table(head, rows),
        "\nTests that are left out, though many of them pass:\n",
        _table(
            ["tests", "because"],
            [[str(left[scope]), why] for scope, why in SCOPES.items() if left[scope]],
        ),
        _node_total(ours, peer),
        "\n## What does not pass\n",
        _failures(comparison, expected),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _node_total(
    ours: Mapping[str, Mapping[str, Sequence[int]]],
    peer: tuple[str, Mapping[str, Mapping[str, Sequence[int]]]] | None,
) -> str:
    def total(of: Mapping[str, Mapping[str, Sequence[int]]]) -> list[int]:
        return [sum(column) for column in zip(*of["node"].values(), strict=True)]

    passed, every = total(ours)
    text = f"\nOf all {every:,} tests of kind `node`, those left out among them, {passed:,} pass"
    return f"{text}; {total(peer[1])[0]:,} with {peer[0]}." if peer else f"{text}."


def _failures(comparison: Comparison, expected: Expected) -> str:
    if not comparison.explained and not comparison.unexplained:
        return "Nothing.\n"
    count = Counter(one.reason for one in comparison.explained.values())
    rows = [[reason, str(n), expected.reasons[reason]] for reason, n in count.most_common()]
    lines = [_table(["reason", "tests", ""], rows), ""]
    for (kind, name), one in sorted(comparison.explained.items()):
        lines.append(f"- `{name}` ({kind}): {one.reason}{f': {one.words}' if one.words else ''}")
    lines += [f"- `{result.name}`: **unexplained**" for result in comparison.unexplained]
    return "\n".join(lines)


def _table(head: list[str], rows: list[list[str]]) -> str:
    first = (rows or [head])[0]
    rule = ["---:" if cell[:1].isdigit() and at else "---" for at, cell in enumerate(first)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *rows])
