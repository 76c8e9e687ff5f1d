"""Runs one test module in a process of its own and reads its answer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "conformance"
MEMORY = 4 << 30  # bytes that one module may take


class RunError(Exception):
    """The run cannot start; the text says why."""


def find_sdk(given: Path | None = None) -> Path:
    """The SDK that the library was built from, unless another one is given."""
    if given is None:
        note = ROOT / "build" / "vm" / "sdk"
        if not note.is_file():
            raise RunError("no SDK known: run `make build`, or give --sdk PATH")
        given = Path(note.read_text(encoding="utf-8").strip())
    if not (given / "Lib" / "test").is_dir():
        raise RunError(f"{given}: no SDK with Lib/test in it")
    return given


def also_carried(name: str) -> list[str]:
    """modules.toml: what a test module needs beside what it is seen to import."""
    tables = tomllib.loads((HERE / "modules.toml").read_text(encoding="utf-8"))
    found: list[str] = tables["also"].get(name, [])
    return found


def module_list() -> dict[str, list[str]]:
    """modules.toml: the name of each test module -> the modules that hold its tests."""
    tables = tomllib.loads((HERE / "modules.toml").read_text(encoding="utf-8"))
    found = {name: [name] for group in tables["group"].values() for name in group["modules"]}
    found.update(tables["package"])
    return dict(sorted(found.items()))


class Runner:
    """sdk: the SDK's folder. timeout: seconds that one module may take."""

    def __init__(self, sdk: Path, timeout: float) -> None:
        self.sdk = sdk
        self.timeout = timeout
        self._modules = module_list()

    def run(self, name: str, only: tuple[str, ...] = ()) -> dict[str, Any]:
        """The child's answer, or {"broken": why there is none}; kept in build/conformance/answers.

        only: parts of test ids; with any, the other tests are left out.
        """
        work = BUILD / "work" / f"{name}-{os.getpid()}"
        shutil.rmtree(work, ignore_errors=True)
        (work / "cwd").mkdir(parents=True)
        parts = self._modules[name]
        request = {
            "lib": str(self.sdk / "Lib"),
            "cache": str(BUILD / "cache"),
            "modules": [f"test.{part}" for part in parts],
            "also": also_carried(name),
            "prefix": f"test.{parts[0] if len(parts) == 1 else name}.",
            "progress": str(work / "progress"),
            "only": only,
        }
        (work / "request.json").write_text(json.dumps(request), encoding="utf-8")
        broken = self._child(work)
        if not broken and (work / "answer.json").is_file():
            answer: dict[str, Any] = json.loads((work / "answer.json").read_bytes())
        else:
            answer = {"broken": broken or "the process ended without an answer"}
        if not only:
            kept = BUILD / "answers" / f"{name}.json"
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(answer, indent=1), encoding="utf-8")
        shutil.rmtree(work, ignore_errors=True)
        return answer

    def _child(self, work: Path) -> str:
        """Run the child process; "" or how it ended otherwise."""
        command = [sys.executable, "-m", "tests.conformance.child"]
        command += [str(work / "request.json"), str(work / "answer.json")]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        with (work / "output").open("w+b") as output:
            child = subprocess.Popen(
                command,
                cwd=work / "cwd",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            stopped = self._watch(child)
            if stopped:
                child.kill()
                child.wait()
                return stopped + self._place(work)
            if child.returncode == 0:
                return ""
            if child.returncode < 0:
                return f"crash: {signal.Signals(-child.returncode).name}{self._place(work)}"
            output.seek(0)
            text = output.read().decode("utf-8", "replace").strip()
            return f"exit status {child.returncode}: {text[-2000:]}"

    def _watch(self, child: subprocess.Popen[bytes]) -> str:
        """Wait for the child; "" when it has ended, or why it must be ended."""
        end = time.monotonic() + self.timeout
        while True:
            try:
                child.wait(max(0.0, min(0.2, end - time.monotonic())))
            except subprocess.TimeoutExpired:
                if time.monotonic() >= end:
                    return f"no end after {self.timeout} s"
                if resident(child.pid) > MEMORY:
                    return f"more than {MEMORY >> 30} GiB of memory"
            else:
                return ""

    def _place(self, work: Path) -> str:
        progress = work / "progress"
        return f" in {progress.read_text(encoding='utf-8')}" if progress.is_file() else ""


def resident(pid: int) -> int:
    """Bytes of memory that a process of ours holds; 0 if it has just ended."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
