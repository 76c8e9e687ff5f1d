"""Numbers in files and texts without a header: fromfile, fromstring, an array's tofile."""

from __future__ import annotations

from polyvm.np import _core as core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["fromfile", "fromstring"]


def _parsed(text: str, dtype: Any, count: int, sep: str) -> Any:
    """Return the numbers of a text; white space in the separator stands for any amount of it."""
    kind = core.float64 if dtype is None else core.dtype(dtype)
    mark = sep.strip()
    parts = text.split(mark) if mark else text.split()
    if parts and not parts[-1].strip():  # after the last separator, and in an empty text
        parts.pop()
    if count >= 0:
        parts = parts[:count]
    read: Any = int if kind.kind in "iu" else complex if kind.kind == "c" else float
    numbers = []
    for part in parts:
        try:
            numbers.append(read(part.strip()))
        except ValueError:
            raise ValueError(
                "string or file could not be read to its end due to unmatched data"
            ) from None
    if len(numbers) < count:
        raise ValueError(f"{count} numbers were asked for, and the text has {len(numbers)}")
    return core.array(numbers, dtype=kind)


def fromstring(string: str, dtype: Any = float, count: int = -1, *, sep: str) -> Any:
    """Return the numbers of a text, which ``sep`` separates.

    Raises ValueError for an empty separator (`frombuffer` reads bytes) and for what is no number.
    """
    if not sep:
        raise ValueError("The binary mode of fromstring is removed, use frombuffer instead")
    return _parsed(string, dtype, count, sep)


def fromfile(file: Any, dtype: Any = float, count: int = -1, sep: str = "", offset: int = 0) -> Any:
    """Return the elements that a file, by its path or open for reading, holds from where it is.

    ``sep`` is what separates numbers in a text; without it elements are bytes of this machine's
    order. ``count``: how many elements; -1 for all.
    """
    kind = core.float64 if dtype is None else core.dtype(dtype)
    if sep and offset:
        raise TypeError("'offset' argument only permitted for binary files")
    if not hasattr(file, "read"):
        with open(file, "rb") as opened:  # noqa: PTH123 - a path of any kind
            return fromfile(opened, kind, count, sep, offset)
    if sep:
        text = file.read()
        return _parsed(text if isinstance(text, str) else text.decode("latin-1"), kind, count, sep)
    if offset:
        file.seek(offset, 1)
    size = kind.itemsize
    data = file.read() if count < 0 else file.read(count * size)
    return core.array(core.frombuffer(data[: len(data) // size * size], dtype=kind))


def _tofile(a: Any, fid: Any, sep: str = "", format: str = "%s") -> None:
    """Write an array's elements in C order; as text with a separator."""
    if not hasattr(fid, "write"):
        with open(fid, "wb") as opened:  # noqa: PTH123 - a path of any kind
            _tofile(a, opened, sep, format)
            return
    if not sep:
        fid.write(a.tobytes())
        return
    parts = [str(one) if format in ("", "%s") else format % one for one in core.ravel(a).tolist()]
    fid.write(sep.join(parts).encode("latin-1"))
