from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyvm.host.dev import OrdinaryTask

    Encoding = Callable[..., list[int]]

VIEW = {
    "visit": "sess_000001-3",
    "user": "user_0001",
    "item": 17,
    "category": 17,
    "platform": "mobile",
    "entered_ms": 1_710_324_000_000,  # 10 o'clock in the morning, UTC
    "dwell_ms": 30_000,
    "scrolls": 2,
    "depth": 0.5,
    "exposures": 0,
    "shown": 0,
    "clicks": 6,
    "favourites": 0,
    "carts": 0,
    "buys": 0,
}


@pytest.fixture
def encoding(task: OrdinaryTask) -> Encoding:
    assert task.manifest.name == "ipv-encoding"
    import main

    def numbers(**changed: Any) -> list[int]:
        found = main.encoding({**VIEW, **changed})
        assert len(found) == 32
        return [byte - 256 if byte > 127 else byte for byte in found]

    return numbers


def test_dense_part(encoding: Encoding) -> None:
    dense = encoding()[:12]
    assert dense[:10] == [64, 64, 0, 64, 0, 95, 0, 0, 0, 0]
    assert dense[10:] == [64, -110]  # sine and cosine of 150 degrees
    assert encoding(carts=1)[9] == 127


def test_names_go_to_one_place_each(encoding: Encoding) -> None:
    hashed = encoding()[12:]
    assert 0 < sum(value != 0 for value in hashed) <= 4
    others = [encoding(item=item)[12:] for item in range(50)]
    assert sum(other != hashed for other in others) > 40
    assert encoding()[12:] == hashed


@pytest.mark.parametrize("most", [0, 10**9])
def test_every_number_fits(encoding: Encoding, most: int) -> None:
    names = ("dwell_ms", "scrolls", "exposures", "shown", "clicks", "favourites", "carts", "buys")
    dense = encoding(**dict.fromkeys(names, most))[:9]
    assert all(0 <= value <= 127 for value in dense)
