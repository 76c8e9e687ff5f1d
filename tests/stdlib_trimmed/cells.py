"""Reads the snippets: Python files cut into cells by lines of the form ``# %% name``.

A cell is a program of its own. It prints what it finds: the same under ordinary Python and
in a VM, or, where ordinary Python has no say, the lines that end the cell as ``#> text``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SNIPPETS = Path(__file__).resolve().parent / "snippets"
_HEAD = re.compile(r"^# %% (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """One program; ``name`` is FILE:CELL, ``expected`` the output in a VM if it is given."""

    name: str
    source: str
    expected: str | None


def read_cells(folder: Path = SNIPPETS) -> list[Cell]:
    """All cells of all files, in order. Raises ValueError if two have the same name."""
    cells: list[Cell] = []
    for path in sorted(folder.glob("*.py")):
        parts = _HEAD.split(path.read_text())
        if parts[0].strip():
            raise ValueError(f"{path.name}: text before the first '# %%' line")
        for name, source in zip(parts[1::2], parts[2::2], strict=True):
            lines = [line[3:] for line in source.splitlines() if line.startswith("#>")]
            expected = "".join(f"{line}\n" for line in lines) if lines else None
            cells.append(Cell(f"{path.stem}:{name}", source.lstrip("\n"), expected))
    if len({cell.name for cell in cells}) != len(cells):
        raise ValueError("two cells have the same name")
    return cells
