"""What needs no Python under the sanitizers, briefly; `make sanitize` does all."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.vm import sanitize

if TYPE_CHECKING:
    from pathlib import Path

QUICK = [program for program in sanitize.PROGRAM_LIST if not program.needs_python]


def supported(sanitizer: str, tmp_path: Path) -> bool:
    """Can this machine's compiler link the sanitizer, and the kernel run it?"""
    source = tmp_path / "empty.c"
    source.write_text("int main(void) { return 0; }\n")
    try:
        sanitize.run(
            ["gcc", *sanitize.SANITIZERS[sanitizer], str(source), "-o", str(tmp_path / "empty")]
        )
        sanitize.execute(tmp_path / "empty", [], sanitizer, 60)
    except sanitize.Failure:
        return False
    return True


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("sanitizer", sanitize.SANITIZERS)
@pytest.mark.parametrize("program", QUICK, ids=lambda program: program.name)
def test_quick_form(program: sanitize.Program, sanitizer: str, tmp_path: Path) -> None:
    if not supported(sanitizer, tmp_path):
        pytest.skip(f"no {sanitizer} sanitizer here")
    executable = sanitize.build(program, sanitizer, None, tmp_path, os.cpu_count() or 1)
    out = sanitize.execute(executable, ["20000"], sanitizer, 120)
    assert out == f"{program.name}: ok\n"
