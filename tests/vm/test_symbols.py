"""What the libraries show to the process that loads them: our functions and nothing else.

The host is a CPython, too: one shared symbol, and the two would mix.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from polyvm.vm import info

LIBRARIES = sorted(info().library_path.parent.glob("libpolyvm-*.so"))
SYSTEM = re.compile(r"lib(c|m|dl|pthread|rt|util)\.so\.\d+|ld-linux.*\.so\.\d+|ld64\.so\.\d+")

pytestmark = pytest.mark.skipif(
    shutil.which("nm") is None or shutil.which("readelf") is None,
    reason="needs binutils",
)


def lines(*command: str | Path) -> list[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def names(library: Path, *options: str) -> set[str]:
    """Names as nm lists them, without the symbol version."""
    return {line.split()[-1].partition("@")[0] for line in lines("nm", *options, library) if line}


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.stem)
def library(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_both_libraries_are_here() -> None:
    assert [library.stem for library in LIBRARIES] == ["libpolyvm-isolated", "libpolyvm-toolchain"]


def test_only_our_functions_are_exported(library: Path) -> None:
    exported = names(library, "-D", "--defined-only") - {"POLYVM_1"}
    assert {name for name in exported if not name.startswith("pvm_")} == set()


def test_exactly_the_headers_functions_are_exported() -> None:
    headers = (Path(__file__).parents[2] / "vm" / "include").glob("*.h")
    text = "".join(header.read_text() for header in headers)
    declared = set(re.findall(r"^PVM_API [^;(]*?\b(pvm_\w+)\(", text, re.MULTILINE))
    assert len(declared) > 30
    for library in LIBRARIES:
        assert names(library, "-D", "--defined-only") - {"POLYVM_1"} == declared


def test_everything_else_comes_from_the_c_library_and_the_engine(library: Path) -> None:
    needed = [
        re.findall(r"\[(.*)\]", line)[0]
        for line in lines("readelf", "-d", library)
        if "NEEDED" in line
    ]
    assert needed
    assert [n for n in needed if not SYSTEM.fullmatch(n)] == ["libpolyvm-engine.so"]
    undefined = names(library, "-D", "--undefined-only")
    assert {n for n in undefined if n.startswith(("Py", "_Py", "PyInit", "pvm_", "XML_"))} == set()


def test_no_relocation_names_python(library: Path) -> None:
    found = [line for line in lines("readelf", "-rW", library) if re.search(r"\b_?Py[A-Z_]", line)]
    assert found == []


def test_no_writable_code_and_no_text_relocations(library: Path) -> None:
    assert not [line for line in lines("readelf", "-d", library) if "TEXTREL" in line]
    segments = lines("readelf", "-lW", library)
    assert not [line for line in segments if re.search(r"LOAD.*RWE", line)]
    assert [line for line in segments if re.search(r"GNU_STACK.*RW ", line)]


COMPILER = {"_PyPegen_run_parser", "_PySymtable_Build", "_PyTokenizer_Free"}


def test_the_isolated_library_has_no_compiler() -> None:
    isolated, toolchain = LIBRARIES
    assert info().has_compiler is False
    if local := names(isolated, "-a"):
        assert local & COMPILER == set()
        assert names(toolchain, "-a") >= COMPILER
    words = b"f-string: expressions nested too deeply"  # which only the parser says
    assert words in toolchain.read_bytes()
    assert words not in isolated.read_bytes()
