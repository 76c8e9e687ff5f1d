"""What the user sees while it works, and the log that keeps what the tools say."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from sdk.errors import SdkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

TAIL_LINES = 25
REPEAT_S = 15.0  # how often a running step is mentioned where there is no terminal


class Progress:
    """Numbered steps on standard error, tool output in a log file.

    Standard output is left to the result.
    """

    def __init__(self, log_path: Path, steps: int) -> None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self.log_path = log_path
        self._log = log_path.open("w", encoding="utf-8", errors="replace")
        self._terminal = sys.stderr.isatty()
        self._steps = steps
        self._step = 0
        self._title = ""
        self._started = self._mentioned = time.monotonic()

    def close(self) -> None:
        """Close the log; no step may follow."""
        self._log.close()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce the next step, and how long it took when it is over."""
        self._step += 1
        self._title = title
        self._started = self._mentioned = time.monotonic()
        self.note(f"== {title}")
        self._show("...", end="")
        yield
        self._show(f"done in {time.monotonic() - self._started:.0f} s", end="\n")

    def update(self, text: str) -> None:
        """Say how far the step is, such as "compiling 84/190"."""
        now = time.monotonic()
        if self._terminal or now - self._mentioned >= REPEAT_S:
            self._mentioned = now
            self._show(f"{text} ({now - self._started:.0f} s)", end="")

    def note(self, text: str) -> None:
        """Write a line to the log only."""
        self._log.write(text + "\n")
        self._log.flush()

    def say(self, text: str) -> None:
        """Write a line to the log and to the user."""
        self.note(text)
        sys.stderr.write(("\r\033[K" if self._terminal else "") + text + "\n")
        sys.stderr.flush()

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        watch: Callable[[str], None] | None = None,
    ) -> None:
        """Run a tool with its output in the log; SdkError with the log's tail if it fails.

        watch sees each line of output. The tool and what it started are ended with us.
        """
        self.note(f"$ {shlex.join(command)}")
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        with subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        ) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    self._log.write(line)
                    tail.append(line)
                    if watch is not None:
                        watch(line)
                process.wait()
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
                self._log.flush()
        if process.returncode != 0:
            ended = f"ended with status {process.returncode}"
            raise SdkError(
                f"{self._title}: `{shlex.join(command[:3])} ...` {ended}; "
                f"the whole output is in {self.log_path}",
                "".join(tail),
            )

    def _show(self, text: str, end: str) -> None:
        line = f"[{self._step}/{self._steps}] {self._title}: {text}"
        if self._terminal:
            sys.stderr.write(f"\r\033[K{line}{end}")
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()
