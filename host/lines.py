"""JSON-lines input, cut into lines in constant memory, from a file, a .gz file or stdin."""

from __future__ import annotations

import gzip
import os
import select
import stat
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host.errors import MissingError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

MAX_LINE_BYTES = 16 * 2**20
_CHUNK = 64 * 1024
_LOOK_UP = 0.1  # seconds between looks at `stop` while a pipe gives nothing


class OverlongLine(Exception):
    """Stands for a line of more than MAX_LINE_BYTES, which was skipped."""


def read_lines(source: str, stop: threading.Event) -> Iterator[bytes | OverlongLine]:
    """Yield the lines of a file, without their ends, until its end or until ``stop`` is set.

    ``source`` is a path, or ``-`` for stdin. Names that end in ``.gz`` are unpacked on the way.
    A pipe is read as it fills. Raises MissingError if the source cannot be opened or read on.
    """
    for block in read_blocks(source, stop):
        if isinstance(block, OverlongLine):
            yield block
            continue
        lines = block.split(b"\n")
        if not lines[-1]:  # what follows the last line's end is no line
            lines.pop()
        for line in lines:
            yield line
            if stop.is_set():
                return


def read_blocks(source: str, stop: threading.Event) -> Iterator[bytes | OverlongLine]:
    """Yield lines with their ends, as many as came at a time: some 64 KiB, or one that is longer.

    The last one may have no end. Source, ``stop`` and errors are those of `read_lines`.
    """
    with _chunks(source) as (read, descriptor):
        rest = bytearray()
        overlong = False
        while not stop.is_set():
            if descriptor is not None and not select.select([descriptor], [], [], _LOOK_UP)[0]:
                continue
            try:
                chunk = read(
                    min(_CHUNK, MAX_LINE_BYTES)
                )  # so that its first line alone is too long
            except (OSError, EOFError, zlib.error) as error:
                raise MissingError(f"{source}: cannot be read on: {error}") from None
            if not chunk:
                break
            first = chunk.find(b"\n") + 1
            if not first:
                rest += chunk
            else:
                if overlong or len(rest) + first - 1 > MAX_LINE_BYTES:
                    rest.clear()
                    chunk = chunk[first:]
                    overlong = False
                    yield OverlongLine()
                end = chunk.rfind(b"\n") + 1
                if end and not stop.is_set():
                    yield bytes(rest + chunk[:end])
                    rest.clear()
                rest += chunk[end:]
            if overlong or len(rest) > MAX_LINE_BYTES:
                rest.clear()
                overlong = True
        if (rest or overlong) and not stop.is_set():
            yield OverlongLine() if overlong else bytes(rest)


@contextmanager
def _chunks(source: str) -> Iterator[tuple[Callable[[int], bytes], int | None]]:
    """Open ``source``: a function that reads up to n bytes, and the descriptor if it may block."""
    if source == "-":
        descriptor = sys.stdin.fileno()
        yield lambda size: os.read(descriptor, size), descriptor
        return
    try:
        if Path(source).is_dir():
            raise MissingError(f"{source}: a folder; name a file of JSON lines")
        file = gzip.open(source) if source.endswith(".gz") else Path(source).open("rb", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise MissingError(f"{source}: cannot be read: {error.strerror or error}") from None
    with file:
        if isinstance(file, gzip.GzipFile):
            yield file.read1, None
        else:
            blocks = not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            yield lambda size: os.read(file.fileno(), size), file.fileno() if blocks else None
