"""Calls of every family of polyvm.np, for `test_leaks`: shipped into VMs as it is.

`CALLS` work; inputs are of such a size that kernels look up more than once. `ERRORS` raise, late if
they can. Nothing of polyvm.np may stay referred to by what a call leaves behind.
"""

from __future__ import annotations

from polyvm import np
from polyvm.np import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

x = np.arange(60_000.0) % 977 + 0.5
y = x[::-1] + 1
i = (x % 50).astype(np.int64)
z = x[:20_000] + 1j * y[:20_000]
b = x > 300
h = x.astype(np.float16)
m = np.reshape(x[:14_400], (120, 120)) % 7 + 30 * np.eye(120)
m3 = np.stack([m[:40, :40]] * 4)
rows = np.reshape(x, (300, 200))
text = "\n".join("1 2 3" for _ in range(300))


def rng() -> Any:
    return np.random.default_rng(5)


def in_place(work: Callable[[Any], object]) -> Any:
    made = x.copy()
    work(made)
    return made


def saved() -> Any:
    import io

    place = io.BytesIO()
    np.save(place, x)
    place.seek(0)
    return np.load(place)


CALLS = {
    "unary": lambda: np.sin(x),
    "unary, converted": lambda: np.exp(i),
    "unary, half": lambda: np.tanh(h),
    "unary, complex": lambda: np.sqrt(z),
    "unary, strided": lambda: np.negative(rows.T),
    "binary": lambda: x * y,
    "binary, promoted": lambda: x + i,
    "binary, broadcast": lambda: rows + rows[0],
    "binary, out": lambda: np.add(x, y, out=np.empty_like(x)),
    "binary, in place": lambda: in_place(lambda made: made.__iadd__(1)),
    "binary, overlapping": lambda: in_place(lambda made: made[1:].__iadd__(made[:-1])),
    "power": lambda: x**y,
    "comparison": lambda: x < y,
    "bits": lambda: i << 3 ^ i,
    "divmod": lambda: np.divmod(i, 7),
    "where": lambda: np.where(b, x, y),
    "clip": lambda: np.clip(x, 3, 40),
    "creation": lambda: [np.ones(50_000), np.full(9, 2), np.eye(100), np.linspace(0, 1, 40_000)],
    "from lists": lambda: np.asarray([[1.0, 2.0]] * 1000),
    "cast": lambda: x.astype(np.complex64),
    "copy": lambda: [rows.T.copy()],
    "sum": lambda: [x.sum(), rows.sum(axis=0), rows.sum(axis=1), i.sum(dtype=np.float32)],
    "mean": lambda: [x.mean(), rows.std(axis=0), rows.var(axis=1), h.mean()],
    "extremes": lambda: [x.max(), rows.min(axis=0), x.argmax(), rows.argmin(axis=1), np.ptp(x)],
    "any": lambda: [b.any(), b.all(), np.count_nonzero(b), np.all(rows > 0, axis=1)],
    "scan": lambda: [np.cumsum(x), np.cumprod(rows, axis=0), np.diff(x)],
    "nan": lambda: [np.nansum(x), np.nanmean(rows, axis=0), np.nanmedian(x), np.nanargmax(x)],
    "statistics": lambda: [
        np.median(x),
        np.percentile(x, [5, 50]),
        np.cov(rows[:4]),
        np.average(x),
    ],
    "histogram": lambda: [np.histogram(x, 20), np.digitize(x, [1.0, 50.0]), np.bincount(i)],
    "sort": lambda: np.sort(x),
    "sort, in place": lambda: in_place(lambda made: made.sort()),
    "sort, rows": lambda: np.sort(rows.T, axis=0),
    "sort, integers": lambda: np.sort(i),
    "argsort": lambda: np.argsort(y),
    "partition": lambda: [np.partition(x, 500), np.argpartition(x, 500)],
    "search": lambda: np.searchsorted(np.arange(1000.0), x),
    "unique": lambda: [np.unique(i), np.unique(x, return_inverse=True)],
    "sets": lambda: [np.isin(i, [3, 4]), np.union1d(i, i), np.setdiff1d(x, y)],
    "slices": lambda: [x[5:], x[::-2].copy(), rows[:, ::3].copy()],
    "mask": lambda: [x[b], rows[rows > 4]],
    "mask, set": lambda: in_place(lambda made: made.__setitem__(b, 3)),
    "index": lambda: [x[i], rows[i[:500] % 200, i[:500] % 100], x.take(i)],
    "index, set": lambda: in_place(lambda made: made.__setitem__(i, 3.0)),
    "along": lambda: np.take_along_axis(rows, np.argsort(rows, axis=1), axis=1),
    "nonzero": lambda: [np.nonzero(b), np.argwhere(b), np.flatnonzero(b)],
    "joining": lambda: [np.concatenate([x, y]), np.stack([x, y]), np.block([[m, m], [m, m]])],
    "parts": lambda: [np.split(x, 3), np.array_split(rows, 7)],
    "moving": lambda: [
        np.roll(x, 3),
        np.flip(rows),
        np.tile(x, 2),
        np.repeat(x, 2),
        np.rot90(rows),
    ],
    "pad": lambda: [np.pad(rows, 3), np.pad(rows, 2, mode="reflect")],
    "shape": lambda: [rows.reshape(200, 300), rows.T.reshape(-1), np.squeeze(rows[:, :1])],
    "matmul": lambda: [m @ m, m3 @ m3, m @ m[0], m.astype(np.int32) @ m.astype(np.int32)],
    "matmul, half": lambda: m.astype(np.float16) @ m.astype(np.float16),
    "products": lambda: [
        np.dot(m, m),
        np.tensordot(m, m),
        np.outer(x[:300], y[:300]),
        np.kron(m[:9], m[:9]),
    ],
    "einsum": lambda: [np.einsum("ij,jk->ik", m, m), np.einsum("bij,bjk->bik", m3, m3)],
    "solve": lambda: [np.linalg.solve(m, m[:, :3]), np.linalg.inv(m3), np.linalg.det(m3)],
    "cholesky": lambda: np.linalg.cholesky(m @ m.T),
    "qr": lambda: [np.linalg.qr(m), np.linalg.qr(m[:, :30], mode="complete")],
    "svd": lambda: [np.linalg.svd(m), np.linalg.svd(m3, compute_uv=False), np.linalg.pinv(m)],
    "eigh": lambda: [np.linalg.eigh(m + m.T), np.linalg.eigvalsh(m3)],
    "lstsq": lambda: np.linalg.lstsq(m[:, :30], m[:, 0], rcond=None),
    "norms": lambda: [np.linalg.norm(m), np.linalg.matrix_rank(m), np.linalg.cond(m)],
    "fft": lambda: [np.fft.fft(x), np.fft.ifft(z), np.fft.fft(x[:59_999])],
    "rfft": lambda: [np.fft.rfft(x), np.fft.irfft(z), np.fft.fft2(rows), np.fft.fftn(m3)],
    "random": lambda: [
        rng().random(60_000),
        rng().normal(size=60_000),
        rng().gamma(2.0, size=30_000),
    ],
    "random integers": lambda: [rng().integers(0, 9, 60_000), rng().permutation(20_000)],
    "random choice": lambda: [
        rng().choice(x, 500),
        rng().choice(9, 5, replace=False),
        rng().binomial(9, x % 1),
    ],
    "random shuffle": lambda: in_place(lambda made: rng().shuffle(made)),
    "calculus": lambda: [
        np.gradient(x),
        np.interp(x, [0, 9], [1, 2]),
        np.trapezoid(x),
        np.cross(m[:3, :3], m[:3, :3]),
    ],
    "convolve": lambda: np.convolve(x[:3000], y[:200]),
    "polynomials": lambda: [np.polyfit(x[:200], y[:200], 2), np.polyval([1, 2], x)],
    "printing": lambda: [repr(x), str(rows), repr(z)],
    "files": saved,
    "text": lambda: np.loadtxt(text.splitlines()),
    "packing": lambda: [_core.tensor._pack(rows.T), _core.tensor._unpack(_core.tensor._pack(x))],
    "sharing": lambda: _core.share(x + 1)[::2] * 2,
    "lists": lambda: [rows.tolist(), list(rows[:50]), [*m.flat]],
    "exchange": lambda: [np.frombuffer(memoryview(x[:]), dtype=np.float64), np.from_dlpack(x)],
}

ERRORS = {
    "shapes": lambda: x + y[:-1],
    "shapes, later": lambda: (x * 2)[5:] + (y * 2),
    "matmul": lambda: m @ m[:7],
    "singular": lambda: np.linalg.inv(np.zeros((60, 60)) + x[:60]),
    "not definite": lambda: np.linalg.cholesky(-m),
    "index": lambda: x[i + 59_990],
    "index, set": lambda: in_place(lambda made: made.__setitem__(i + 59_990, 1.0)),
    "take": lambda: x.take(i - 70_000),
    "axis": lambda: (x * 2).sum(axis=3),
    "reshape": lambda: (x * 2).reshape(7, 11),
    "joining": lambda: np.concatenate([x * 2, m]),
    "split": lambda: np.split(x * 2, 7),
    "ragged": lambda: np.asarray([[1.0] * 1000, [2.0] * 999]),
    "no number": lambda: np.asarray([1.0] * 5000 + ["a"]),
    "type": lambda: np.bitwise_and(x * 2, y),
    "value": lambda: np.power(i, -1 - i),
    "read-only": lambda: np.broadcast_to(x * 2, (2, 60_000)).__iadd__(1),
    "random": lambda: rng().normal(size=60_000, scale=-1 - (x * 2)[:60_000]),
    "random choice": lambda: rng().choice(9, 10, replace=False),
    "bincount": lambda: np.bincount(i - 40),
    "callback": lambda: np.apply_along_axis(lambda row: row / (1 // 0), 0, rows * 2),
    "too large": lambda: [x * 2, np.ones((2**40, 2**20))],
    "text": lambda: np.loadtxt(["1 2 3"] * 200 + ["1 x 3"]),
    "einsum": lambda: np.einsum("ij,kl->xy", m * 2, m),
}


def check(payload: dict[str, int]) -> dict[str, Any]:
    """What is not as it should be, as sentences; and how much was tried."""
    metered = _core.tensor._metered
    wrong: list[str] = []
    stopped: set[str] = set()
    tried, refused = 0, 0
    for name, call in CALLS.items():
        left, _, requests, looks, error = metered(call, 0, 0)  # what it imports and keeps is there
        left, _, requests, looks, error = metered(call, 0, 0)
        tried += 1
        if left or error:
            wrong.append(f"{name}: {left} bytes are left, error {error!r}")
        for at in spread(requests, payload["refusals"]):
            left, _, _, _, error = metered(call, at, 0)
            refused += error == "MemoryError"
            if left or error not in ("MemoryError", ""):
                wrong.append(f"{name}: refused at {at} of {requests}: {left} left, {error!r}")
        for at in spread(looks, payload["stops"]):
            left, _, _, _, error = metered(call, 0, at)
            if error == "RuntimeError":
                stopped.add(name)
            if left or error not in ("RuntimeError", ""):
                wrong.append(f"{name}: stopped at {at} of {looks}: {left} left, {error!r}")
    for name, call in ERRORS.items():
        metered(call, 0, 0)
        left, _, _, _, error = metered(call, 0, 0)
        tried += 1
        if left or not error:
            wrong.append(f"{name}, which fails: {left} bytes are left, error {error!r}")
    return {"wrong": wrong, "tried": tried, "stopped": sorted(stopped), "refused": refused}


def spread(count: int, most: int) -> list[int]:
    """Up to `most` of the numbers from 1 to count, the first and the last among them."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + k * (count - 1) // (most - 1) for k in range(most)})
