from __future__ import annotations

import gzip
import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyvm.host import lines
from polyvm.host.errors import MissingError
from polyvm.host.lines import OverlongLine, read_lines

if TYPE_CHECKING:
    from pathlib import Path


def read(source: Path | str) -> list[bytes | OverlongLine]:
    return list(read_lines(str(source), threading.Event()))


@given(st.binary(max_size=200), st.integers(1, 7))
def test_lines_are_the_same_whatever_the_chunks(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, chunk: int
) -> None:
    file = tmp_path_factory.mktemp("lines") / "in"
    file.write_bytes(content)
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_CHUNK", chunk)
        assert read(file) == expected


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_overlong_lines_are_skipped_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 5)
    monkeypatch.setattr(lines, "_CHUNK", chunk)
    file = tmp_path / "in"
    file.write_bytes(b"12345\n123456\nab\n" + b"x" * 100 + b"\nlast too long")
    found = [line if isinstance(line, bytes) else None for line in read(file)]
    assert found == [b"12345", None, b"ab", None, None]


def test_gzip(tmp_path: Path) -> None:
    file = tmp_path / "in.gz"
    file.write_bytes(gzip.compress(b"a\nb"))
    assert read(file) == [b"a", b"b"]


def test_damaged_gzip_gives_what_it_can_then_says_so(tmp_path: Path) -> None:
    file = tmp_path / "in.gz"
    file.write_bytes(gzip.compress(os.urandom(5000).hex().encode())[:-100])
    with pytest.raises(MissingError, match=r"in\.gz: cannot be read on"):
        read(file)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="cannot be read: No such file"):
        read(tmp_path / "none")
    with pytest.raises(MissingError, match="a folder; name a file"):
        read(tmp_path)


def test_a_pipe_is_read_as_it_fills_until_stopped(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    stop = threading.Event()
    found: list[bytes | OverlongLine] = []
    first = threading.Event()

    def reader() -> None:
        for line in read_lines(str(pipe), stop):
            found.append(line)
            first.set()

    thread = threading.Thread(target=reader)
    thread.start()
    with pipe.open("wb", buffering=0) as file:
        file.write(b"one\ntw")
        assert first.wait(30)
        stop.set()  # while the writer still holds the pipe open
        thread.join(30)
    assert not thread.is_alive()
    assert found == [b"one"]
