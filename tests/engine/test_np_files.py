"""polyvm.np: .npy, .npz and text, to and from NumPy."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from polyvm import np as xp

from .against_numpy import same, to_ours

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 0, 3), (2, 3, 4)])
def test_npy_both_ways(dtype: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(5).normal(0, 9, shape).astype(dtype)
    for array in (values, values.T):
        theirs = io.BytesIO()
        np.save(theirs, array)
        same(xp.load(theirs.getvalue()), array)
        same(xp.load(io.BytesIO(theirs.getvalue())), array)
        ours = io.BytesIO()
        xp.save(ours, xp.asarray(np.ascontiguousarray(array)) if shape else to_ours(array))
        again = np.load(io.BytesIO(ours.getvalue()))
        assert again.dtype == array.dtype
        np.testing.assert_array_equal(again, array)
    other = io.BytesIO()
    np.save(other, values.astype(values.dtype.newbyteorder(">")))
    same(xp.load(other.getvalue()), values)


def test_paths_and_archives(tmp_path: Path) -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.array([True, False])
    xp.save(tmp_path / "a", to_ours(a))
    same(xp.load(str(tmp_path / "a.npy")), a)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), a)
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "two.npz", a, name=b)
        with xp.load(tmp_path / "two.npz") as archive:
            assert sorted(archive) == ["arr_0", "name"]
            same(archive["arr_0"], a)
            same(archive["name"], b)
            with pytest.raises(KeyError, match="missing"):
                archive["missing"]
    for name in ("savez", "savez_compressed"):
        getattr(xp, name)(tmp_path / "ours", to_ours(b), name=to_ours(a))
        with np.load(tmp_path / "ours.npz") as archive:
            np.testing.assert_array_equal(archive["arr_0"], b)
            np.testing.assert_array_equal(archive["name"], a)


def test_damaged_files() -> None:
    file = io.BytesIO()
    np.save(file, np.arange(100))
    data = file.getvalue()
    for end in (1, 6, 8, 20, 128, len(data) - 1):
        with pytest.raises((ValueError, EOFError)):
            xp.load(data[:end])
    with pytest.raises(EOFError):
        xp.load(b"")
    with pytest.raises(ValueError, match="neither"):
        xp.load(b"hello, world")
    objects = io.BytesIO()
    np.save(objects, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="cannot be read"):
        xp.load(objects.getvalue())
    for wrong in (b"(100,)", b"(-10,)", b"(1e9,)"):
        with pytest.raises((ValueError, MemoryError)):
            xp.load(data.replace(b"(100,)", wrong.ljust(6)).replace(b"<i8", b"<U8"))
    with pytest.raises((ValueError, MemoryError)):
        xp.load(data.replace(b"'shape': (100,), ", b"'shape': (1<<60,)"))


def test_text(tmp_path: Path) -> None:
    table = np.array([[1.5, -2.0], [3.25, 1e9], [0.0, 7.0]])
    text = "# first\n1.5 -2\n\n3.25 1e9 # note\n0 7\n"
    same(xp.loadtxt(io.StringIO(text)), table)
    same(xp.loadtxt(text.splitlines(), usecols=1), table[:, 1])
    expected = np.loadtxt(io.StringIO(text), unpack=True, skiprows=2)
    same(xp.loadtxt(io.StringIO(text), unpack=True, skiprows=2), expected)
    same(
        xp.loadtxt(["1,2", "3,4"], delimiter=",", dtype="int32"),
        np.array([[1, 2], [3, 4]], "int32"),
    )
    same(xp.loadtxt(["5"], ndmin=2), np.array([[5.0]]))
    same(xp.genfromtxt(["1,x", "3,4"], delimiter=","), np.array([[1, np.nan], [3, 4]]))
    for bad in (["1 2", "3"], ["1 x"]):
        with pytest.raises(ValueError, match="row"):
            xp.loadtxt(bad)
    for options in ({}, {"fmt": "%d", "delimiter": ","}, {"header": "h", "footer": "f"}):
        ours, theirs = tmp_path / "ours.txt", tmp_path / "theirs.txt"
        xp.savetxt(ours, to_ours(table), **options)
        np.savetxt(theirs, table, **options)
        assert ours.read_bytes() == theirs.read_bytes()
