"""A measured process: started with a clean environment, asked over pipes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from bench.peers.python import Python, clean_environment

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "build" / "bench"


class ContenderError(Exception):
    """A contender failed; the text is what it said."""


class Contender:
    """One process of `bench.contenders`; `ask` sends an operation and waits for its reply.

    It starts on the CPUs given, with no PYTHON* settings of the caller's, a fixed hash seed,
    and bytecode cached under build/, so that nothing depends on who starts it.
    """

    def __init__(
        self, name: str, command: list[str], module: str, cpus: list[int] | None = None
    ) -> None:
        self.name = name
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self.log = OUTPUT / f"{name.replace(' ', '-').replace('/', '-')}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "-s", "-P", "-c", f"from {module} import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=clean_environment(
                    PYTHONPATH=str(ROOT), PYTHONPYCACHEPREFIX=str(OUTPUT / "pycache")
                ),
            )
        if cpus:
            self.ask("pin", cpus=cpus)

    @classmethod
    def stock(cls, name: str, python: Python, cpus: list[int] | None = None) -> Self:
        """Stock CPython, or the SDK's."""
        return cls(name, [str(python.executable)], "bench.contenders.stock", cpus)

    @classmethod
    def ray(cls, name: str, python: Python, cpus: list[int] | None = None) -> Self:
        """Ray, hosted by the Python of its own environment."""
        return cls(name, [str(python.executable)], "bench.contenders.ray_actors", cpus)

    @classmethod
    def vm(cls, name: str = "vm", cpus: list[int] | None = None) -> Self:
        """PolyVM, hosted by the Python that runs the benchmark."""
        return cls(name, [sys.executable], "bench.contenders.vm", cpus)

    def ask(self, op: str, **arguments: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            status = self.process.wait()
            tail = self.log.read_text(encoding="utf-8", errors="replace").strip()[-2000:]
            raise ContenderError(f"{self.name} ended with status {status} at {op!r}:\n{tail}")
        reply = json.loads(line)
        if "error" in reply:
            raise ContenderError(f"{self.name} failed at {op!r}:\n{reply['error']}")
        return reply["ok"]

    def close(self) -> None:
        """Let the process end; after ten seconds, end it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.close()
            self.process.wait(timeout=10)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def all_closed(contenders: list[Contender]) -> Iterator[list[Contender]]:
    """Close every contender in the list when the block ends, also those added within it."""
    try:
        yield contenders
    finally:
        for contender in contenders:
            contender.close()
