"""Every snippet behaves in a VM as it does under ordinary Python of the same release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .cells import Cell, read_cells
from .conftest import call

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Shell


@pytest.mark.parametrize("cell", read_cells(), ids=lambda cell: cell.name)
def test_same_output(cell: Cell, shell: Shell, tmp_path: Path) -> None:
    in_vm = shell.run(cell.source, tmp_path)
    expected = cell.expected
    if expected is None:
        ordinary = call([shell.sdk.python, "-I", "-X", "utf8", tmp_path / "cell.py"])
        assert ordinary.stderr == ""
        expected = ordinary.stdout
    assert (in_vm.stdout, in_vm.stderr, in_vm.returncode) == (expected, "", 0)


def test_snippets_print_something() -> None:
    silent = [
        cell.name for cell in read_cells() if "print(" not in cell.source and cell.expected is None
    ]
    assert silent == []
