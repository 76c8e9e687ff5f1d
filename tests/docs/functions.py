"""The list of functions in docs/arrays.md; ``python -m tests.docs.functions`` writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyvm import np as xp

PAGE = Path(__file__).resolve().parents[2] / "docs" / "arrays.md"
BEGIN, END = "<!-- functions: begin -->", "<!-- functions: end -->"
# Modules, types and C-level machinery of NumPy's namespace, which are no functions on arrays.
NOT_FUNCTIONS = ("test", "info", "show_config", "show_runtime", "get_include")


def functions_of_numpy() -> list[str]:
    """The public functions on arrays of NumPy's main namespace."""
    names = []
    for name in dir(np):
        thing = getattr(np, name)
        if not name.startswith("_") and name not in NOT_FUNCTIONS and callable(thing):
            names += [] if isinstance(thing, type) else [name]
    return names


def table() -> str:
    """Say which of them polyvm.np has, and which not."""
    names = functions_of_numpy()
    there = [name for name in names if hasattr(xp, name)]
    missing = [name for name in names if not hasattr(xp, name)]
    lines = [
        f"Of the {len(names)} functions in NumPy's main namespace, {len(there)} are there:",
        "",
    ]
    lines += [", ".join(f"`{name}`" for name in there) + ".", ""]
    lines += ["Not there: " + ", ".join(f"`{name}`" for name in missing) + "."]
    return "\n".join(lines)


def main() -> None:
    """Write the table between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n{table()}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
