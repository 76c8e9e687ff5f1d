"""Nexmark: its generator."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.nexmark import oracles
from bench.nexmark.generator import FIRST_ID, SIZES, Settings, events


def test_proportions_ids_and_times() -> None:
    made = list(events(Settings(10_000, rate=500)))
    assert Counter(each["stream"] for each in made) == {
        "persons": 200,
        "auctions": 600,
        "bids": 9_200,
    }
    for stream in ("persons", "auctions"):
        ids = [each["id"] for each in made if each["stream"] == stream]
        assert ids == list(range(FIRST_ID, FIRST_ID + len(ids)))
    times = [each["time"] for each in made]
    assert times == sorted(times)
    assert times[-1] - times[0] == 19_998
    assert all(each["expires"] > each["time"] for each in made if each["stream"] == "auctions")
    # The hot auction has half of the bids of its hundred.
    bids = Counter(each["auction"] for each in oracles.of_stream(made, "bids"))
    hot = sum(count for auction, count in bids.items() if auction % 100 == 0)
    assert 0.45 < hot / 9_200 < 0.55


@pytest.mark.parametrize("stream", SIZES)
def test_sizes(stream: str) -> None:
    made = oracles.of_stream(events(Settings(20_000)), stream)
    sizes = [sum(len(v) if isinstance(v, str) else 8 for v in each.values()) for each in made]
    assert sum(sizes) / len(sizes) == pytest.approx(SIZES[stream], rel=0.1)


def test_the_same_settings_make_the_same_events() -> None:
    settings = Settings(500, seed=3, disorder=20)
    assert list(events(settings)) == list(events(settings))
    assert list(events(settings)) != list(events(Settings(500, seed=4, disorder=20)))


def test_disorder_is_within_the_lateness() -> None:
    settings = Settings(5_000, rate=1_000, disorder=40)
    latest, behind = 0, 0
    for each in events(settings):
        latest = max(latest, each["time"])
        behind = max(behind, latest - each["time"])
    assert 0 < behind <= settings.lateness_ms
