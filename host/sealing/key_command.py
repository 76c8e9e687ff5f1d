"""A command that prints a secret key, for keys that live in a password store or a vault."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import time

from polyvm.host.errors import KeyFileError
from polyvm.host.sealing import files
from polyvm.vm import wipe

_SECONDS = 30
_MAX_WORDS = 200
_PROGRAM = re.compile(r"\s*([\w./+-]+)(?=\s|$)")


def name(command: str) -> str:
    """Name a command by its program only: what follows may hold passwords."""
    match = _PROGRAM.match(command)
    return f"cmd:{match[1]}" if match else "cmd"


def output(command: str) -> bytearray:
    """Run a shell command and return what it prints, for the caller to wipe. Raises KeyFileError.

    It has no terminal and no input, and half a minute.
    """
    where = name(command)
    printed, said = _Sink(), _Sink()
    # A group of its own, so that all that the command started can be stopped with it.
    with subprocess.Popen(  # noqa: S602 - the shell is what the user asked for
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        done = False
        try:
            done = _drain(process, printed, said)
        finally:
            if not done:
                os.killpg(process.pid, signal.SIGKILL)
    text = printed.take()
    if not done or process.returncode != 0 or not text:
        wipe(text)
        raise KeyFileError(f"{where}: {_complaint(process.returncode, done, printed, said)}")
    return text


class _Sink:
    """Takes what a command prints, up to the size of a key file, and no secret is ever copied."""

    def __init__(self) -> None:
        self._buffer = bytearray(files.MAX_BYTES + 1)
        self._filled = 0

    def read(self, descriptor: int) -> bool:
        """Read once; False at the end."""
        view = memoryview(self._buffer)[min(self._filled, files.MAX_BYTES) :]
        count = os.readv(descriptor, [view])
        self._filled += count
        return count > 0

    @property
    def overflown(self) -> bool:
        """Whether there was more than a key file may hold."""
        return self._filled > files.MAX_BYTES

    def take(self) -> bytearray:
        """Move the content out."""
        content = bytearray(memoryview(self._buffer)[: self._filled])
        wipe(self._buffer)
        return content


def _drain(process: subprocess.Popen[bytes], printed: _Sink, said: _Sink) -> bool:
    """Read and wait until the command ends; False, and it is not reaped, if there is no end."""
    end = time.monotonic() + _SECONDS
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, printed)
        selector.register(process.stderr, selectors.EVENT_READ, said)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready or printed.overflown:
                return False
            for key, _ in ready:
                if not key.data.read(key.fd):
                    selector.unregister(key.fileobj)
    try:
        process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _complaint(code: int, done: bool, printed: _Sink, said: _Sink) -> str:
    if printed.overflown:
        return f"prints more than {files.MAX_BYTES} bytes; it must print the text of a .key file"
    if not done:
        return f"not done after {_SECONDS} s; it must print the text of a .key file"
    if code == 0:
        return "prints nothing; it must print the text of a .key file"
    first = bytes(said.take()).decode(errors="replace").lstrip().partition("\n")[0]
    words = "".join(char if char.isprintable() else " " for char in first[:_MAX_WORDS]).strip()
    return f"exit code {code} ({words or 'it says nothing'}); run it by hand to see why"
