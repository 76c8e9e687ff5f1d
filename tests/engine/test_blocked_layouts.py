"""Images in blocks of channels: into and out of them, and pooling, against plain ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.engine import direct
from tests.engine.direct import ENGINE, call, declarations, describe, ffi, lib
from tests.engine.works import from_blocked, to_blocked

if TYPE_CHECKING:
    from tests.conftest import Seeded

ffi.cdef(declarations((ENGINE / "backends" / "layouts.h").read_text()))


def images(rng: np.random.Generator) -> list[Any]:
    def made(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    return [
        made(1, 16, 7, 9),
        made(2, 3, 40, 33),
        made(3, 50, 1, 1),
        made(1, 17, 2500),
        made(2, 20, 3, 4, 5),
        np.asfortranarray(made(2, 19, 6, 5)),
        made(2, 6, 5, 35).transpose(0, 3, 2, 1),
        made(2, 40, 6, 10)[:, ::-2, :, ::2],
        made(0, 3, 4),
        made(4, 33),
    ]


@pytest.mark.parametrize("isa", direct.isas())
def test_there_and_back(isa: str, rand: Seeded) -> None:
    with direct.using(isa):
        for x in images(np.random.default_rng(rand.getrandbits(32))):
            blocked = np.full(to_blocked(x).shape, np.nan, np.float32)
            assert lib.pvb_to_blocked(describe(x), describe(blocked)) == 0
            assert (blocked == to_blocked(x)).all()
            wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan, np.float32)
            for plain in (np.empty_like(x), np.empty(x.shape, np.float32), wide[..., ::2]):
                assert lib.pvb_from_blocked(describe(blocked), describe(plain)) == 0
                assert (plain == x).all()
            assert np.isnan(wide[..., 1::2]).all()


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize("op", ["PVT_POOL_MAX", "PVT_POOL_AVERAGE", "PVT_POOL_AVERAGE_PADDED"])
def test_pooling(isa: str, op: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    for _ in range(20):
        spatial = int(rng.integers(1, 4))
        sizes = rng.integers(3, 12, spatial)
        x = rng.standard_normal((2, int(rng.integers(1, 40)), *sizes)).astype(np.float32)
        x[rng.random(x.shape) < 0.01] = np.nan
        fields = {
            "size": rng.integers(1, 4, spatial).tolist(),
            "stride": rng.integers(1, 4, spatial).tolist(),
            "dilation": rng.integers(1, 3, spatial).tolist(),
            "before": rng.integers(0, 3, spatial).tolist(),
            "after": rng.integers(0, 3, spatial).tolist(),
        }
        reach = np.array(fields["dilation"]) * (np.array(fields["size"]) - 1) + 1
        room = sizes + fields["before"] + fields["after"] - reach
        results = np.where(room < 0, 0, room // np.array(fields["stride"]) + 1)
        if not results.all():
            continue
        window = ffi.new("pvt_window *", fields)
        expected = np.empty((*x.shape[:2], *results), np.float32)
        call("pool", op, x, window, 0.0, expected, None)
        blocked = to_blocked(x)
        out = np.full(to_blocked(expected).shape, 7, np.float32)
        with direct.using(isa):
            arguments = (describe(blocked), window, x.shape[1], describe(out))
            assert lib.pvb_pool_blocked(getattr(lib, op), *arguments) == 0
        found, clean = from_blocked(out, x.shape[1])
        assert clean
        assert np.allclose(found, expected, rtol=1e-5, atol=1e-6, equal_nan=True)


def test_what_does_not_fit() -> None:
    x, blocked = np.ones((1, 17, 5), np.float32), np.ones((1, 1, 5, 16), np.float32)
    assert lib.pvb_to_blocked(describe(x), describe(blocked)) == lib.PVT_E_SHAPE
    assert b"two layouts" in ffi.string(lib.pvt_error())
