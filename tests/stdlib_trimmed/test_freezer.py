"""The freezer: the same bytes every time, and a clear refusal of what does not fit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from .conftest import CUT, ROOT, Sdk, Shell, call, freeze

if TYPE_CHECKING:
    from pathlib import Path

COMPILER_MEMBERS = {
    "_ast.o", "action_helpers.o", "assemble.o", "ast.o", "ast_opt.o", "ast_unparse.o", "buffer.o",
    "codegen.o", "compile.o", "file_tokenizer.o", "flowgraph.o", "future.o", "helpers.o",
    "instruction_sequence.o", "lexer.o", "myreadline.o", "parser.o", "peg_api.o", "pegen.o",
    "pegen_errors.o", "Python-ast.o", "Python-tokenize.o", "readline_tokenizer.o", "state.o",
    "string_parser.o", "string_tokenizer.o", "symtable.o", "symtablemodule.o",
    "utf8_tokenizer.o",
    # and the parts that leftout.c replaces
    "config.o", "dynload_shlib.o", "faulthandler.o", "frozen.o", "frozenmain.o", "getopt.o",
    "getpath.o", "main.o", "perf_jit_trampoline.o", "perf_trampoline.o",
}  # fmt: skip


def test_same_input_same_bytes(sdk: Sdk, tmp_path: Path) -> None:
    for name in ("one", "two"):
        freeze(sdk, tmp_path / name, "--api", ROOT / "vm/api")
    for file in ("frozen.c", "inittab.c", "dropped.c"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_no_path_of_this_machine_is_frozen(sdk: Sdk, tmp_path: Path) -> None:
    freeze(sdk, tmp_path, "--api", ROOT / "vm/api")
    text = (tmp_path / "frozen.c").read_text()
    joined = re.sub(r'"\n"', "", text)
    assert str(sdk.path) not in joined
    assert str(ROOT) not in joined


def test_no_part_of_the_compiler_is_linked(shell: Shell) -> None:
    """By the linker's own list of the archive members that it took."""
    listing = shell.link_map.read_text()
    taken, _, _ = listing.partition("Memory Configuration")
    members = set(re.findall(r"libpython\.a\(([^)]+)\)", taken))
    assert "pylifecycle.o" in members
    assert members & COMPILER_MEMBERS == set()


def test_the_archive_has_the_members_that_are_watched_for(shell: Shell) -> None:
    """Names that no release has would make the test above mean less than it says."""
    members = set(call(["ar", "t", shell.sdk.path / "lib/libpython.a"]).stdout.split())
    assert len(COMPILER_MEMBERS & members) >= 35


def refuse(sdk: Sdk, tmp_path: Path, overrides: Path) -> str:
    """Freeze with other overrides, which must fail; the sentence that it gives."""
    done = freeze(sdk, tmp_path / "out", "--overrides", overrides, check=False)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ("why = 'x'\n[[replace]]\nold = 'no such text'\nnew = ''", "'no such text' occurs 0 times"),
        ("why = 'x'\n[[replace]]\nold = 'self'\nnew = ''\ncount = 1", "'self' occurs"),
        ("why = 'x'\n[[define]]\nname = 'fill'\nwas = ['00000000']\nnew = ''", "fill reads diff"),
        ("why = 'x'\n[[define]]\nname = 'nope'\nwas = []\nnew = ''", "nope is not defined"),
        ("why = 'x'\n[[remove]]\nnames = ['TextWrapper.nope']", "TextWrapper.nope is not defined"),
        ("[[replace]]\nold = ''\nnew = ''", "needs `why`"),
        ("why = 'x'\nwhat = 'y'", "needs `why`"),
        ("why = 'x'\n[[append]]\nnew = 'def ('", "textwrap: line"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(
    sdk: Sdk, tmp_path: Path, patch: str, message: str
) -> None:
    overrides = tmp_path / "overrides"
    overrides.mkdir()
    for path in (CUT / "overrides").iterdir():
        (overrides / path.name).write_bytes(path.read_bytes())
    (overrides / "textwrap.patch.toml").write_text(patch)
    text = refuse(sdk, tmp_path, overrides)
    assert message in text
    assert "textwrap" in text
