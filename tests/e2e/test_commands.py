"""pack, call, dev, info, and run on good input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.errors import ExitCode
from tests.conftest import REPOSITORY, SAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Cli

WHO = """
import polyvm

def run(payload):
    asset = polyvm.asset("data/x.txt").decode()
    return [payload, asset, polyvm.task.name, polyvm.task.version, polyvm.in_vm]
"""


@pytest.fixture
def who(make_task: Callable[..., Path]) -> Path:
    folder = make_task("who", WHO)
    (folder / "data").mkdir()
    (folder / "data" / "x.txt").write_text("é")
    return folder


def test_info(cli: Cli) -> None:
    facts = json.loads(cli("info", "--json").out)
    assert facts["flavour"] == "isolated"
    assert facts["release"].startswith("3.13.")
    assert facts["has_compiler"] is False
    assert {"json", "re", "math", "polyvm"} <= set(facts["modules"])
    assert facts["library_bytes"] > 0
    text = cli("info").out
    assert facts["release"] in text
    assert facts["flavour"] in text


def test_pack_then_call(cli: Cli, who: Path) -> None:
    packed = cli("pack", who)
    assert packed.code == ExitCode.OK
    assert packed.out.startswith("who-1.0.0.bundle (")
    called = cli("call", "who-1.0.0.bundle", '{"a": [1, null]}')
    assert called.code == ExitCode.OK
    assert json.loads(called.out) == [{"a": [1, None]}, "é", "who", "1.0.0", True]


def test_call_by_folder_and_by_name(cli: Cli, who: Path) -> None:
    expected = [1, "é", "who", "1.0.0", True]
    assert json.loads(cli("call", who, "1").out) == expected
    assert json.loads(cli("call", "who", "-", stdin="1").out) == expected
    shutil.move(cli.folder / "build" / "bundles" / "who-1.0.0.bundle", cli.folder / "tasks")
    shutil.rmtree(who)
    assert json.loads(cli("call", "who", "1").out) == expected


def test_dev_gives_what_a_vm_gives_but_in_vm(cli: Cli, who: Path) -> None:
    done = cli("dev", who, '"x"')
    assert done.code == ExitCode.OK
    assert json.loads(done.out) == ["x", "é", "who", "1.0.0", False]


def test_dev_takes_a_file_and_stops_at_breakpoints(
    cli: Cli, make_task: Callable[..., Path]
) -> None:
    folder = make_task("a", "def run(p):\n    breakpoint()\n    return p\n", events='["x"]')
    (cli.folder / "in.jsonl").write_text('{"event": "x", "n": 1}\n{"event": "y"}\n')
    done = cli("dev", folder, "--input", "in.jsonl", stdin="p p['n'] + 41\nc\n")
    assert done.code == ExitCode.OK
    assert "42" in done.out
    assert done.out.splitlines()[-1].endswith('{"event":"x","n":1}')


def test_without_the_library_dev_works_and_the_others_say_what_to_do(who: Path) -> None:
    """An import hook stands for a checkout that is not built."""
    script = """
import sys
class Unbuilt:
    def find_spec(self, name, path=None, target=None):
        if name == "polyvm.vm._isolated":
            raise ImportError("no _isolated here")
sys.meta_path.insert(0, Unbuilt())
from polyvm.host.cli import main
sys.exit(main())
"""
    for arguments, code, words in [
        (["dev", str(who), "1"], ExitCode.OK, "who"),
        (["info"], ExitCode.UNAVAILABLE, "polyvm: polyvm's library is not built"),
    ]:
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        assert words in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_run_writes_results_and_a_summary(cli: Cli, who: Path) -> None:
    done = cli("run", who.parent, "--input", "-", "--output", "out.jsonl", stdin="1\n\n2\n")
    assert done.code == ExitCode.OK, done.err
    found = [json.loads(line) for line in (cli.folder / "out.jsonl").read_text().splitlines()]
    found.sort(key=lambda result: result["line"])
    assert [(r["task"], r["version"], r["line"], r["outcome"]) for r in found] == [
        ("who", "1.0.0", 1, "done"),
        ("who", "1.0.0", 3, "done"),
    ]
    assert found[0]["result"] == [1, "é", "who", "1.0.0", True]
    assert all(isinstance(r[field], int) for r in found for field in ("queued_us", "run_us"))
    assert "who" in done.out
    assert "2 runs" in done.out


def test_run_takes_bundles_bytecode_folders_and_sources(
    cli: Cli, make_task: Callable[..., Path]
) -> None:
    tasks = cli.folder / "tasks"
    for name in ("one", "two", "three"):
        make_task(name, f"def run(p):\n    return '{name}'\n")
    cli("pack", tasks / "one", "-o", tasks)
    cli("pack", tasks / "two", "-o", cli.folder)
    shutil.rmtree(tasks / "one")
    shutil.rmtree(tasks / "two")
    shutil.unpack_archive(cli.folder / "two-1.0.0.bundle", tasks / "two", "zip")
    done = cli("run", tasks, "--input", "-", "--output", "-", stdin="0")
    assert done.code == ExitCode.OK, done.err
    assert sorted(result["result"] for result in done.results()) == ["one", "three", "two"]


def test_what_tasks_print_and_log_is_in_the_log(cli: Cli, make_task: Callable[..., Path]) -> None:
    folder = make_task(
        "chatty",
        """
        import logging, sys
        logger = logging.getLogger("mine")
        def run(p):
            print("to stdout")
            print("to stderr", file=sys.stderr)
            logger.warning("to %s", "logging")
        """,
    )
    done = cli("run", folder, "--input", "-", stdin="0")
    lines = [line for line in done.err.splitlines() if "task=chatty" in line]
    assert any('"to stdout"' in line and "source=stdout" in line for line in lines)
    assert any('"to stderr"' in line and "source=stderr" in line for line in lines)
    assert any('"to logging"' in line and "logger=mine" in line for line in lines)
    assert any("level=warning" in line for line in lines)


def test_state_of_tasks_is_apart(cli: Cli, make_task: Callable[..., Path]) -> None:
    source = """
        import builtins, sys, json
        def run(p):
            seen = [hasattr(builtins, "mark"), hasattr(json, "mark"), "mark" in sys.modules]
            builtins.mark = json.mark = 1
            sys.modules["mark"] = json
            return seen
        """
    for name in ("a", "b"):
        make_task(name, source)
    done = cli("run", "tasks", "--workers", "1", "--input", "-", "--output", "-", stdin="0")
    assert [result["result"] for result in done.results()] == [[False, False, False]] * 2


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    from tests.e2e.conftest import Cli

    cli = Cli(tmp_path_factory.mktemp("demo"))
    # As `make run` does it: the tasks whose models can be had, and no others.
    ready = subprocess.run(
        [sys.executable, REPOSITORY / "tasks" / "prepare_models.py"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for task in ready:
        # Without the part files of another process that puts models there.
        hidden = shutil.ignore_patterns(".*", "__pycache__")
        shutil.copytree(REPOSITORY / task, cli.folder / task, ignore=hidden)
    done = cli("run", "tasks", "--input", SAMPLE, "--output", "out.jsonl")
    assert done.code == ExitCode.OK, done.err + done.out
    text = (cli.folder / "out.jsonl").read_text()
    return sorted(map(json.loads, text.splitlines()), key=lambda result: int(result["line"]))


@pytest.mark.parametrize("name", ["event-encoding", "session-features", "next-event"])
def test_demo_gives_the_same_under_dev_and_in_vms(
    cli: Cli, demo: list[dict[str, Any]], name: str
) -> None:
    dev = cli("dev", REPOSITORY / "tasks" / name, "--input", SAMPLE)
    assert dev.code == ExitCode.OK, dev.err
    in_vms = [result["result"] for result in demo if result["task"] == name]
    assert len(in_vms) > 0
    assert in_vms == [json.loads(line) for line in dev.out.splitlines()]


def test_demo_data_falls_back_to_the_sample(tmp_path: Path) -> None:
    """Without a package index the demo's input is the sample, and that is said."""
    output = tmp_path / "ecom.jsonl"
    done = subprocess.run(
        [sys.executable, REPOSITORY / "tasks" / "prepare_data.py", output],
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(tmp_path),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the sample ecom-sample.jsonl.gz is used" in done.stderr
    assert len(output.read_text().splitlines()) == 2221


def test_a_task_opens_what_its_manifest_permits(cli: Cli, make_task: Callable[..., Path]) -> None:
    data = cli.folder / "data"
    data.mkdir()
    (data / "model").write_text("weights")
    source = "def run(path):\n    return open(path).read()\n"
    payload = json.dumps(str(data / "model"))
    closed = cli("call", make_task("closed", source), payload)
    assert closed.code == ExitCode.FAILED
    assert "PermissionError: [Errno 13] Permission denied" in closed.err
    task = make_task("opened", source, **{"permissions.read": f'["{data}"]'})
    opened = cli("call", task, payload)
    assert (opened.code, opened.out) == (ExitCode.OK, '"weights"\n')
    (data / "model").unlink()
    data.rmdir()
    refused = cli("call", task, payload)
    assert refused.code == ExitCode.BAD_DATA
    assert f"reading is permitted to '{data}': No such file or directory" in refused.err
