"""Arrays in files: .npy and .npz, and numbers in text."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from polyvm.np import _core as core

if TYPE_CHECKING:
    from typing import Self

__all__ = ["genfromtxt", "load", "loadtxt", "save", "savetxt", "savez", "savez_compressed"]

_MAGIC = b"\x93NUMPY"


# ---- .npy ----------------------------------------------------------------------------------


def _header(arr: Any, fortran: bool) -> bytes:
    code = arr.dtype.str if arr.dtype.name != "bfloat16" else "<V2"
    text = f"{{'descr': '{code}', 'fortran_order': {fortran}, 'shape': {arr.shape}, }}"
    pad = -(len(_MAGIC) + 4 + len(text) + 1) % 64
    body = (text + " " * pad + "\n").encode("latin-1")
    return _MAGIC + b"\x01\x00" + struct.pack("<H", len(body)) + body


def _write(file: Any, arr: Any) -> None:
    arr = core.asarray(arr)
    if arr.dtype.name == "bfloat16":
        raise TypeError("the .npy format has no bfloat16: save it as float32")
    fortran = bool(arr.flags["F_CONTIGUOUS"] and not arr.flags["C_CONTIGUOUS"])
    file.write(_header(arr, fortran))
    file.write((arr.T if fortran else arr).tobytes())


def _field(text: str, name: str) -> str:
    """Return what stands behind 'name': in a header, which is a Python dict of plain literals."""
    for quote in "'\"":
        start = text.find(f"{quote}{name}{quote}")
        if start >= 0:
            return text[text.index(":", start) + 1 :].strip()
    raise ValueError(f"Header does not contain the correct keys: {name!r} is missing")


def _parsed(header: str) -> tuple[str, bool, tuple[int, ...]]:
    descr = _field(header, "descr")
    if descr[:1] not in {"'", '"'}:
        raise ValueError("an array of records cannot be read: numbers and booleans can")
    code = descr[1 : descr.index(descr[0], 1)]
    shape = _field(header, "shape")
    if not shape.startswith("(") or ")" not in shape:
        raise ValueError(f"shape is not valid: {shape[:40]}")
    sizes = [part.strip().removesuffix("L") for part in shape[1 : shape.index(")")].split(",")]
    fortran = _field(header, "fortran_order")
    if not fortran.startswith(("True", "False")):
        raise ValueError(f"fortran_order is not a valid bool: {fortran[:10]!r}")
    return code, fortran.startswith("True"), tuple(int(size) for size in sizes if size)


def _exactly(file: Any, count: int) -> bytes:
    parts = []
    while count > 0:
        part = file.read(count)
        if not part:
            raise ValueError(f"the file ends {count} bytes before the array does")
        parts.append(part)
        count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read(file: Any) -> Any:
    """Read one array, from behind the magic string on."""
    major, minor = _exactly(file, 2)
    if major not in (1, 2, 3):
        raise ValueError(
            f"we only support format version (1,0), (2,0), and (3,0), not {major, minor}"
        )
    size_format = "<H" if major == 1 else "<I"
    (size,) = struct.unpack(size_format, _exactly(file, struct.calcsize(size_format)))
    if size > 1 << 20:
        raise ValueError(f"the header of the .npy file is {size} bytes long: it is damaged")
    header = _exactly(file, size).decode("latin-1" if major < 3 else "utf-8")
    code, fortran, shape = _parsed(header)
    swapped = code[:1] == ">" and code[1:] not in {"i1", "u1", "b1"}
    if code[:1] not in {"<", "|", ">", "="} or code[1:2] == "O":
        raise ValueError(f"elements of type {code!r} cannot be read: numbers and booleans can")
    try:
        dtype = core.dtype(code[1:])
    except TypeError:
        raise ValueError(
            f"elements of type {code!r} cannot be read: numbers and booleans can"
        ) from None
    count = 1
    for one in shape:
        if one < 0:
            raise ValueError(f"shape is not valid: {shape}")
        count *= one
    data = bytearray(_exactly(file, count * dtype.itemsize)) if count else bytearray()
    if swapped:
        width = dtype.itemsize // (2 if dtype.kind == "c" else 1)
        turned = bytearray(len(data))
        for i in range(width):
            turned[i::width] = data[width - 1 - i :: width]
        data = turned
    flat = core.frombuffer(data, dtype=dtype) if count else core.empty((0,), dtype=dtype)
    if not fortran:
        return core.reshape(flat, shape)
    return core.reshape(flat, shape[::-1]).T


def _opened(file: Any, mode: str, suffix: str = "") -> tuple[Any, bool]:
    """Return a file object, and whether it is ours to close."""
    if hasattr(file, "read" if "r" in mode else "write"):
        return file, False
    path = file if isinstance(file, str) else file.__fspath__()
    if suffix and not path.endswith(suffix):
        path += suffix
    return io.open(path, mode), True  # noqa: UP020 - closed by whoever asked


def save(file: Any, arr: Any, allow_pickle: bool = True) -> None:
    """Write an array as .npy to a path or a file object."""
    del allow_pickle
    opened, ours = _opened(file, "wb", ".npy")
    try:
        _write(opened, arr)
    finally:
        if ours:
            opened.close()


def load(file: Any, mmap_mode: None = None, allow_pickle: bool = False) -> Any:
    """Read .npy or .npz from a path, a file object, or bytes such as ``polyvm.asset(...)``.

    .npz gives a mapping of names to arrays. Raises ValueError for what is neither, or damaged, or
    holds Python objects.
    """
    if mmap_mode is not None:
        raise ValueError("mmap_mode: files are read, not mapped")
    del allow_pickle
    if isinstance(file, (bytes, bytearray, memoryview)):
        file = io.BytesIO(file)
    opened, ours = _opened(file, "rb")
    try:
        magic = opened.read(len(_MAGIC))
        if not magic:
            raise EOFError("No data left in file")
        if magic == _MAGIC:
            return _read(opened)
        if magic[:4] in {b"PK\x03\x04", b"PK\x05\x06"}:
            return NpzFile(io.BytesIO(magic + opened.read()))
        raise ValueError("the file is neither .npy nor .npz")
    finally:
        if ours:
            opened.close()


# ---- .npz ----------------------------------------------------------------------------------


class NpzFile:
    """The arrays of a .npz file by name, each read when it is asked for."""

    def __init__(self, file: Any) -> None:
        """Read the table of contents."""
        import zipfile

        self._zip = zipfile.ZipFile(file)
        self.files = [name.removesuffix(".npy") for name in self._zip.namelist()]

    def __getitem__(self, name: str) -> Any:
        """Return an array. Raises KeyError."""
        if name not in self.files:
            raise KeyError(f"{name} is not a file in the archive")
        with self._zip.open(name + ".npy") as member:
            if member.read(len(_MAGIC)) != _MAGIC:
                raise ValueError(f"{name} is not an array")
            return _read(member)

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __contains__(self, name: object) -> bool:
        return name in self.files

    def keys(self) -> list[str]:
        """Return the names."""
        return list(self.files)

    def values(self) -> list[Any]:
        """Return the arrays."""
        return [self[name] for name in self.files]

    def items(self) -> list[tuple[str, Any]]:
        """Return names and arrays."""
        return [(name, self[name]) for name in self.files]

    def close(self) -> None:
        """Let the file go."""
        self._zip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _pack(file: Any, arrays: tuple[Any, ...], named: dict[str, Any], compress: bool) -> None:
    import zipfile

    for i, arr in enumerate(arrays):
        name = f"arr_{i}"
        if name in named:
            raise ValueError(f"Cannot use un-named variables and keyword {name}")
        named[name] = arr
    opened, ours = _opened(file, "wb", ".npz")
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    try:
        with zipfile.ZipFile(opened, "w", method) as archive:
            for name, arr in named.items():
                member = io.BytesIO()
                _write(member, arr)
                archive.writestr(name + ".npy", member.getvalue())
    finally:
        if ours:
            opened.close()


def savez(file: Any, *args: Any, **kwds: Any) -> None:
    """Write several arrays as .npz, named by keyword or arr_0, arr_1, ..."""
    _pack(file, args, kwds, compress=False)


def savez_compressed(file: Any, *args: Any, **kwds: Any) -> None:
    """Write several arrays as compressed .npz."""
    _pack(file, args, kwds, compress=True)


# ---- Text ----------------------------------------------------------------------------------


def _lines(file: Any) -> Iterable[str]:
    if isinstance(file, (list, tuple)):
        given: Iterable[Any] = file
    elif hasattr(file, "read"):
        given = file.read().splitlines()
    else:
        opened, _ = _opened(file, "rb")
        with opened:
            given = opened.read().splitlines()
    for line in given:
        yield line.decode() if isinstance(line, bytes) else line


def loadtxt(
    fname: Any,
    dtype: Any = float,
    comments: str | None = "#",
    delimiter: str | None = None,
    converters: Any = None,
    skiprows: int = 0,
    usecols: Any = None,
    unpack: bool = False,
    ndmin: int = 0,
    *,
    max_rows: int | None = None,
) -> Any:
    """Return the numbers of a text file, a path or lines, one row a line."""
    dtype = core.dtype(dtype)
    parse: Any = {"f": float, "c": complex}.get(dtype.kind, int)
    columns = None if usecols is None else [usecols] if isinstance(usecols, int) else list(usecols)
    rows: list[list[Any]] = []
    for number, full in enumerate(_lines(fname)):
        if number < skiprows:
            continue
        line = (full if comments is None else full.split(comments, 1)[0]).strip("\r\n")
        if not line.strip():
            continue
        if max_rows is not None and len(rows) == max_rows:
            break
        cells = line.split(delimiter)
        try:
            chosen = range(len(cells)) if columns is None else columns
            row = []
            for k in chosen:
                convert = converters.get(k, parse) if isinstance(converters, dict) else converters
                row.append((convert or parse)(cells[k].strip()))
        except IndexError:
            raise ValueError(
                f"invalid column index at row {len(rows) + 1} with {len(cells)} columns"
            ) from None
        except ValueError:
            raise ValueError(
                f"could not convert a string to {dtype.name} at row {len(rows)}: {full!r}"
            ) from None
        if rows and len(row) != len(rows[0]):
            raise ValueError(
                f"the number of columns changed from {len(rows[0])} to {len(row)} at row "
                f"{len(rows) + 1}; use `usecols` to select a subset and avoid this error"
            )
        rows.append(row)
    result = core.asarray(rows, dtype=dtype) if rows else core.zeros((0, 1), dtype=dtype)
    if ndmin < 2:
        result = core.squeeze(result) if rows else core.reshape(result, (0,))
    while result.ndim < ndmin:
        result = core.expand_dims(result, 0)
    return result.T if unpack else result


def genfromtxt(fname: Any, dtype: Any = float, **options: Any) -> Any:
    """Return `loadtxt` with NaN where there is no number."""

    def lenient(cell: str) -> float:
        try:
            return float(cell)
        except ValueError:
            return float("nan")

    options["skiprows"] = options.pop("skip_header", 0)
    if core.dtype(dtype).kind == "f" and options.get("converters") is None:
        options["converters"] = lenient
    return loadtxt(fname, dtype, **options)


def savetxt(
    fname: Any,
    X: Any,  # noqa: N803 - NumPy's name
    fmt: Any = "%.18e",
    delimiter: str = " ",
    newline: str = "\n",
    header: str = "",
    footer: str = "",
    comments: str = "# ",
    encoding: str | None = None,
) -> None:
    """Write a vector or a matrix as text, one line a row."""
    x = core.asarray(X)
    if x.ndim == 0 or x.ndim > 2:
        raise ValueError(f"Expected 1D or 2D array, got {x.ndim}D array instead")
    table = core.reshape(x, (-1, 1)) if x.ndim == 1 else x
    formats = [fmt] * table.shape[1] if isinstance(fmt, str) else list(fmt)
    if len(formats) != table.shape[1]:
        raise AttributeError(f"fmt has wrong shape.  {fmt!s}")
    template = delimiter.join(formats)
    lines = [comments + part for part in header.split("\n")] if header else []
    lines += [template % tuple(row) for row in table.tolist()]
    lines += [comments + part for part in footer.split("\n")] if footer else []
    text = "".join(line + newline for line in lines)
    opened, ours = _opened(fname, "wb")
    try:
        try:
            opened.write(text.encode(encoding or "latin-1"))
        except TypeError:  # a text file
            opened.write(text)
    finally:
        if ours:
            opened.close()
