"""Files of events, cut into bodies for a host's API."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyvm.host import ingestion
from polyvm.host.errors import MissingError, UsageError
from polyvm.host.lines import MAX_LINE_BYTES, OverlongLine, read_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = "application/x-ndjson"
PACKED = "application/vnd.msgpack"
_BODY = 2**20  # bytes, about


def bodies(file: str) -> Iterator[tuple[bytes, str]]:
    """Yield bodies and their types, in order; ``-`` is stdin.

    Times in Parquet and Arrow become seconds. Raises MissingError, UsageError.
    """
    if file.endswith((".parquet", ".arrow", ".feather")):
        return _of_batches(_tables(file))
    return _of_lines(file)


def _of_lines(file: str) -> Iterator[tuple[bytes, str]]:
    body = bytearray()
    lines = 0
    for block in read_blocks(file, threading.Event()):
        if isinstance(block, OverlongLine):
            where = f"{file}:{lines + 1}"
            raise MissingError(f"{where}: the line is longer than {MAX_LINE_BYTES} bytes")
        if body and len(body) + len(block) > _BODY:
            yield bytes(body), LINES
            body.clear()
        body += block
        lines += block.count(b"\n")
    if body:
        yield bytes(body), LINES


def _of_batches(batches: Iterator[ingestion.Batch]) -> Iterator[tuple[bytes, str]]:
    for batch in batches:
        for _, why in batch.bad:
            raise UsageError(f"a row {why}")
        yield bytes(batch.data), PACKED


def _tables(file: str) -> Iterator[ingestion.Batch]:
    try:
        import pyarrow as pa
        from pyarrow import ipc, parquet
    except ImportError:
        raise UsageError(
            f"{file}: needs pyarrow, which is not installed: pip install polyvm[arrow]"
        ) from None
    try:
        if not Path(file).is_file():
            raise MissingError(f"{file}: no such file")
        if file.endswith(".parquet"):
            reader: Any = parquet.ParquetFile(file).iter_batches()
        else:
            opened = ipc.open_file(file)
            reader = (opened.get_batch(i) for i in range(opened.num_record_batches))
        yield from ingestion.of_record_batches(reader, 10**9)
    except (OSError, pa.ArrowException) as error:
        raise MissingError(f"{file}: cannot be read: {error}") from None
    except (TypeError, ValueError) as error:
        raise UsageError(f"{file}: {error}") from None
