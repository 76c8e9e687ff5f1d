"""What users get wrong: one sentence, the right exit code, and no harm to anything else."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polyvm.host.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Cli, Finished


def sentence(done: Finished) -> str:
    """The one error line of a command that failed."""
    (line,) = [line for line in done.err.splitlines() if line.startswith("polyvm: ")]
    assert "Traceback" not in done.err
    return line


def repacked(bundle: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Rewrite a bundle with its files changed."""
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return bundle


@pytest.fixture
def bundle(cli: Cli, make_task: Callable[..., Path]) -> Path:
    assert cli("pack", make_task("good"), "-o", cli.folder).code == ExitCode.OK
    return cli.folder / "good-1.0.0.bundle"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: files.pop("task.toml"), "holds no task.toml"),
        (lambda files: files.update({"task.toml": b"nmae = 1"}), "did you mean 'name'?"),
        (lambda files: files.pop("main.pyc"), "names module 'main', which is not in the bundle"),
        (lambda files: files.update({"lib.py": b""}), "'lib.py' is source"),
        (
            lambda files: files.update({"main.pyc": b"\xa7" + files["main.pyc"][1:]}),
            "is compiled for another Python (magic a7",
        ),
        (
            lambda files: files.update({"main.pyc": files["main.pyc"][:16] + b"\xffjunk"}),
            "module 'main': the bytecode is damaged at byte 0",
        ),
    ],
    ids=["no manifest", "unknown field", "no entry", "source", "other magic", "junk bytecode"],
)
def test_bundles_that_cannot_be_called(
    cli: Cli, bundle: Path, change: Callable[[dict[str, bytes]], None], words: str
) -> None:
    done = cli("call", repacked(bundle, change), "1")
    assert done.code in {ExitCode.BAD_DATA, ExitCode.FAILED}
    assert words in done.err
    assert str(Path(__file__).parents[2] / "host") not in done.err


def test_corrupt_zip(cli: Cli, bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    bundle.write_bytes(content[: len(content) // 2])
    done = cli("call", bundle, "1")
    assert done.code == ExitCode.BAD_DATA
    assert "not a sound zip file" in sentence(done)


def test_one_bad_bundle_stops_no_other(cli: Cli, bundle: Path) -> None:
    tasks = cli.folder / "tasks"
    bundle.rename(tasks / bundle.name)
    (tasks / "broken.bundle").write_bytes(b"PK\x03\x04 no zip")
    done = cli("run", tasks / ".." / "tasks", "--input", "-", "--output", "-", stdin="1\n2\n")
    assert done.code == ExitCode.PARTIAL
    assert sorted(result["line"] for result in done.results()) == [1, 2]
    assert "broken.bundle: not a sound zip file" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["call", "none", "1"], ExitCode.NO_INPUT, "no task 'none'"),
        (["call", "good-1.0.0.bundle", "{"], ExitCode.USAGE, "payload is not JSON"),
        (["call", "good-1.0.0.bundle", "1" + "0" * 30], ExitCode.USAGE, "more than 64 bits"),
        (["pack", "none"], ExitCode.NO_INPUT, "none: no such folder"),
        (["pack", "."], ExitCode.BAD_DATA, "holds no task.toml"),
        (["pack", "tasks/good", "-o", "no/x.bundle"], ExitCode.CANNOT_WRITE, "cannot write"),
        (["dev", "none"], ExitCode.NO_INPUT, "no task 'none'"),
        (["dev", "tasks/good", "{"], ExitCode.USAGE, "payload is not JSON"),
        (["dev", "tasks/good", "--input", "none.jsonl"], ExitCode.NO_INPUT, "none.jsonl"),
        (["run", "none"], ExitCode.NO_INPUT, "none: no such file or folder"),
        (["run", "tasks", "--input", "none"], ExitCode.NO_INPUT, "none: no such file"),
        (["run", "tasks", "--input", "tasks"], ExitCode.NO_INPUT, "a folder; name a file"),
        (
            ["run", "tasks", "--input", "-", "--output", "no/out"],
            ExitCode.CANNOT_WRITE,
            "choose another --output",
        ),
        (
            ["run", "tasks", "--input", "good-1.0.0.bundle", "--output", "good-1.0.0.bundle"],
            ExitCode.USAGE,
            "are the same file",
        ),
    ],
)
@pytest.mark.usefixtures("bundle")
def test_command_lines(cli: Cli, arguments: list[str], code: ExitCode, words: str) -> None:
    done = cli(*arguments)
    assert done.code == code, done.err
    assert words in sentence(done)


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run"], ["run", "x", "--workers", "0"]])
def test_usage(cli: Cli, arguments: list[str]) -> None:
    done = cli(*arguments)
    assert done.code == ExitCode.USAGE
    assert "usage: polyvm" in done.err


def test_folder_without_tasks(cli: Cli) -> None:
    (cli.folder / "empty").mkdir()
    done = cli("run", "empty", "--input", "-", stdin="1")
    assert done.code == ExitCode.NO_INPUT
    assert "empty: holds no task that can run" in sentence(done)


def test_syntax_error_comes_with_its_line(cli: Cli, make_task: Callable[..., Path]) -> None:
    folder = make_task("a", "def run(p):\n    return (\n")
    done = cli("pack", folder)
    assert done.code == ExitCode.BAD_DATA
    assert f"{folder}/main.py:2: " in sentence(done)


def test_bad_lines_are_counted_not_fatal(cli: Cli, make_task: Callable[..., Path]) -> None:
    folder = make_task("a")
    lines = b'{"a": 1}\n{"a": \n\xff\n2\n'
    done = cli("run", folder, "--input", "-", "--output", "-", stdin=lines)
    assert done.code == ExitCode.PARTIAL
    assert {r["line"]: r["result"] for r in done.results()} == {1: {"a": 1}, 4: 2}
    assert "line=2" in done.err
    assert "line=3" in done.err
    assert "2 bad lines" in done.err + done.out


def test_unencodable_result_fails_alike_in_a_vm_and_under_dev(
    cli: Cli, make_task: Callable[..., Path]
) -> None:
    folder = make_task("a", "def run(p):\n    return {'x': [object()]}\n")
    for done in (cli("call", folder, "1"), cli("dev", folder)):
        assert done.code == ExitCode.FAILED
        assert "a value of type 'object' cannot be returned from a task" in done.err


def test_too_deep_a_payload_fails_alone(cli: Cli, make_task: Callable[..., Path]) -> None:
    folder = make_task("a")
    done = cli(
        "run", folder, "--input", "-", "--output", "-", stdin="[" * 200 + "]" * 200 + "\n1\n"
    )
    outcomes = {result["line"]: result for result in done.results()}
    assert outcomes[1]["outcome"] in {"failed", "rejected"}
    assert "nested too deep" in outcomes[1]["error"]
    assert outcomes[2]["result"] == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_full_disk_ends_the_run_with_one_error(cli: Cli, make_task: Callable[..., Path]) -> None:
    folder = make_task("a")
    done = cli("run", folder, "--input", "-", "--output", "/dev/full", stdin="1\n" * 1000)
    assert done.code == ExitCode.CANNOT_WRITE
    assert "No space left on device" in sentence(done)


def test_import_that_raises_fails_each_invocation_with_its_traceback(
    cli: Cli, make_task: Callable[..., Path]
) -> None:
    folder = make_task("a", "import json\njson.nothing\ndef run(p): ...\n")
    done = cli("run", folder, "--input", "-", "--output", "-", stdin="1\n2\n")
    assert done.code == ExitCode.PARTIAL
    for result in done.results():
        assert result["outcome"] == "failed"
        assert 'File "a/main.py", line 2' in result["error"]
        assert "AttributeError" in result["error"]
    assert len(done.results()) == 2


def test_entry_that_only_the_vm_can_miss(cli: Cli, bundle: Path) -> None:
    def rename_entry(files: dict[str, bytes]) -> None:
        files["task.toml"] = files["task.toml"].replace(b"main:run", b"main:ran")

    done = cli("call", repacked(bundle, rename_entry), "1")
    assert done.code != ExitCode.OK
    assert "ran" in done.err


def test_results_of_json_dump_are_json(cli: Cli, make_task: Callable[..., Path]) -> None:
    folder = make_task("a", "def run(p):\n    return [float('nan'), b'x', {1: 2}]\n")
    assert json.loads(cli("call", folder, "1").out) == [None, "eA==", {"1": 2}]
