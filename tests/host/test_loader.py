from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polyvm.host import finder, loader, packer
from polyvm.host.admission import Admission, Policy
from polyvm.host.errors import MissingError, WriteError
from polyvm.vm import info

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_source_folder_is_packed(make_task: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_task("a")
    admission = Admission(Policy(), info().bytecode_magic)
    loaded = loader.load(folder, admission, tmp_path / "x" / "packed")
    assert loaded.source == folder
    assert (tmp_path / "x" / "packed" / "a-1.0.0.bundle").is_file()
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot make folder"):
        loader.load(folder, admission, tmp_path / "file")


def test_find(make_task: Callable[..., Path], tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    for version in ("1.9", "1.10", "1.2"):
        packer.pack(make_task("a", version=version), tasks)
    folder = tasks / "a"
    assert finder.find(str(folder), tasks) == folder
    assert finder.find("a", tasks) == folder
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert finder.find("a", tasks) == tasks / "a-1.10.bundle"
    with pytest.raises(MissingError, match="no task 'b'"):
        finder.find("b", tasks)
