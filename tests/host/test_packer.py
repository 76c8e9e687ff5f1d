from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from polyvm.host import bundle, packer
from polyvm.host.errors import ManifestError, MissingError, PackError, PolyvmError, WriteError
from polyvm.vm import info

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Seeded


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_what_is_in_a_bundle(make_task: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_task("a")
    for name in (
        "pkg/__init__.py",
        "pkg/inner.py",
        "data/weights.bin",
        "test_main.py",
        "conftest.py",
        "pkg/test_inner.py",
        "__pycache__/main.cpython-313.pyc",
        ".git/config",
        ".hidden",
        "old-1.0.bundle",
        "stray.pyc",
    ):
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
    path = packer.pack(folder, tmp_path)
    assert path == tmp_path / "a-1.0.0.bundle"
    assert names(path) == [
        "task.toml",
        "data/weights.bin",
        "main.pyc",
        "pkg/__init__.pyc",
        "pkg/inner.pyc",
    ]
    read = bundle.read(path, info().bytecode_magic)
    assert {name: module.package for name, module in read.modules.items()} == {
        "main": False,
        "pkg": True,
        "pkg.inner": False,
    }
    assert read.assets == {"data/weights.bin": b""}
    assert b"a/main.py" in read.modules["main"].code


def test_same_input_same_bytes(make_task: Callable[..., Path], rand: Seeded) -> None:
    folder = make_task("a")
    for name in rand.sample(["x.json", "y.json", "lib.py"], 3):
        (folder / name).write_text("1")
    _, first = packer.build(folder)
    for file in folder.iterdir():
        os.utime(file, (rand.randrange(10**9), rand.randrange(10**9)))
    _, second = packer.build(folder)
    assert first == second


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def run(payload):\n    return (\n", r"main\.py:2: "),
        ("x = 1\n", r"entry 'main:run': .*main\.py defines no 'run'"),
        ("def run():\n    pass\n", r"main\.py:1: entry 'run' cannot be called with one positional"),
        ("def run(a, b):\n    pass\n", "cannot be called with one positional argument"),
        ("def run(*, a):\n    pass\n", "cannot be called with one positional argument"),
        ("def run(a, *, b):\n    pass\n", "cannot be called with one positional argument"),
        ("async def run(a):\n    pass\n", r"main\.py:1: entry 'run' is async"),
    ],
)
def test_faults_in_the_entry_module(
    make_task: Callable[..., Path], source: str, sentence: str
) -> None:
    folder = make_task("a", source)
    with pytest.raises(PackError, match=sentence) as caught:
        packer.build(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "def run(a, b=1, *c, d=2): ...\n",
        "def run(*a): ...\n",
        "run = lambda p: p\n",
        "from other import run\n",
        "from other import f as run\n",
        "from other import *\n",
        "if True:\n    def run(p): ...\n",
        "try:\n    import x\nexcept ImportError:\n    def run(p): ...\n",
        "class run:\n    def __init__(self, p): ...\n",
        "a, run = 1, len\n",
        "@some.decorator\ndef run(a, b): ...\n",
    ],
)
def test_ways_to_define_the_entry(make_task: Callable[..., Path], source: str) -> None:
    assert packer.build(make_task("a", source))


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("json.py", "module 'json' has the name of a standard library module"),
        ("polyvm.py", "module 'polyvm' has the name of a standard library module"),
        ("my-module.py", "'my-module.py' is no importable module"),
        ("folder/inner.py", "module 'folder.inner' is in a folder without __init__.py"),
    ],
)
def test_modules_that_cannot_be(make_task: Callable[..., Path], file: str, sentence: str) -> None:
    folder = make_task("a")
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text("")
    with pytest.raises(PackError, match=sentence):
        packer.build(folder)


@pytest.mark.parametrize("name", ["a:b", "back\\slash", "new\nline", "latin-\udce9"])
def test_file_names_that_a_bundle_cannot_hold(make_task: Callable[..., Path], name: str) -> None:
    folder = make_task("a")
    (folder / name).write_text("")
    with pytest.raises(PackError, match="is not allowed; paths are relative"):
        packer.build(folder)


def test_module_that_is_there_twice(make_task: Callable[..., Path]) -> None:
    folder = make_task("a")
    (folder / "x").mkdir()
    (folder / "x" / "__init__.py").write_text("")
    (folder / "x.py").write_text("")
    with pytest.raises(PackError, match="module 'x' is there twice"):
        packer.build(folder)


def test_entry_module_that_is_not_there(make_task: Callable[..., Path]) -> None:
    folder = make_task("a", entry="pkg.other:run")
    with pytest.raises(PackError, match=r"there is no pkg/other\.py"):
        packer.build(folder)


def test_no_manifest_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no task\.toml; add one"):
        packer.build(tmp_path)
    with pytest.raises(MissingError, match="no such folder"):
        packer.build(tmp_path / "none")


def test_link_out_of_the_folder(make_task: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_task("a")
    (tmp_path / "secret").write_text("s")
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(PackError, match="a link that leads out of the task's folder"):
        packer.build(folder)


def test_output_that_cannot_be_written(make_task: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="cannot write"):
        packer.pack(make_task("a"), tmp_path / "none" / "a.bundle")
    assert not list(tmp_path.glob("*.bundle"))


def test_source_that_is_not_text(make_task: Callable[..., Path]) -> None:
    folder = make_task("a")
    (folder / "bad.py").write_bytes(b"x = '\xff\x00'\n")
    with pytest.raises(PolyvmError, match=r"bad\.py"):
        packer.build(folder)
