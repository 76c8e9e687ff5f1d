from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import polyvm
from polyvm.host import dev
from polyvm.host.errors import ManifestError, MissingError, PackError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_payload_and_result_cross_as_messagepack(make_task: Callable[..., Path]) -> None:
    folder = make_task("a", "def run(p):\n    return (p, {1, 1}, bytearray(b'x'))\n")
    with dev.opened(folder) as task:
        assert task({"a": (1, 2)}).value == [{"a": [1, 2]}, [1], b"x"]


def test_failure_is_the_task_s_own_traceback(make_task: Callable[..., Path]) -> None:
    folder = make_task("a", "import sys\ndef run(p):\n    sys.exit(p)\n")
    with dev.opened(folder) as task:
        failure = task(3).failure
    assert failure is not None
    assert failure.endswith("SystemExit: 3")
    assert "main.py" in failure
    assert "dev.py" not in failure


def test_tasks_do_not_see_each_other_s_modules(make_task: Callable[..., Path]) -> None:
    folders = [make_task(name, f"def run(p):\n    return '{name}'\n") for name in ("a", "b")]
    for folder, name in zip(folders, "ab", strict=True):
        with dev.opened(folder) as task:
            assert task(0).value == name
    assert "main" not in sys.modules
    assert str(folders[0]) not in sys.path


def test_refusals(make_task: Callable[..., Path], tmp_path: Path) -> None:
    for folder, error, words in [
        (tmp_path / "none", MissingError, "no such folder"),
        (tmp_path, ManifestError, "holds no task.toml"),
        (make_task("a", entry="other:run"), PackError, "names module 'other', which is not in"),
        (make_task("b", "x = 1\n"), PackError, "defines no function 'run'"),
    ]:
        with pytest.raises(error, match=words), dev.opened(folder):
            pass


def test_missing_dependency_of_the_task_is_not_taken_for_its_entry(
    make_task: Callable[..., Path],
) -> None:
    folder = make_task("a", "import surely_not_there\ndef run(p): ...\n")
    with pytest.raises(ModuleNotFoundError, match="surely_not_there"), dev.opened(folder):
        pass


def test_assets_and_identity_come_from_the_task_s_folder(make_task: Callable[..., Path]) -> None:
    source = """
        import polyvm
        def run(path):
            return [polyvm.asset(path).decode(), polyvm.task.name, polyvm.task.version]
        """
    folder = make_task("a", source, version="2.5")
    (folder / "data").mkdir()
    (folder / "data" / "x").write_text("content")
    with dev.opened(folder) as task:
        assert task("data/x").value == ["content", "a", "2.5"]
        for path in ("none", "data", "main.py", "task.toml", "../x", "/etc/passwd", ".hidden"):
            failure = task(path).failure
            assert failure is not None
            assert "FileNotFoundError" in failure


def test_api_outside_any_task_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no task\.toml at or above"):
        polyvm.asset("x")
    assert polyvm.in_vm is False
