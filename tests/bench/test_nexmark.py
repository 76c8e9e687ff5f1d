"""Nexmark: its generator, and its queries as flows beside plain Python."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.nexmark import engine, oracles
from bench.nexmark.engine import packed, right
from bench.nexmark.generator import FIRST_ID, SIZES, Event, Settings, events
from bench.nexmark.queries import QUERIES


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


SETTINGS = Settings(20_000, rate=200, arrival_window_ms=50)
DISORDERED = Settings(20_000, rate=200, seed=7, disorder=64, arrival_window_ms=50)


@pytest.fixture(scope="module")
def in_order() -> list[Event]:
    return list(events(SETTINGS))


@pytest.fixture(scope="module")
def disordered() -> list[Event]:
    return list(events(DISORDERED))


@pytest.mark.parametrize("query", QUERIES)
def test_flows_give_what_plain_python_does(query: str, in_order: list[Event]) -> None:
    assert right(query, SETTINGS, in_order, engine.run(QUERIES[query], SETTINGS, packed(in_order)))


@pytest.mark.parametrize("query", QUERIES)
def test_in_any_order_within_the_lateness(query: str, disordered: list[Event]) -> None:
    ran = engine.run(QUERIES[query], DISORDERED, packed(disordered))
    assert right(query, DISORDERED, disordered, ran)


@pytest.mark.parametrize("query", QUERIES)
def test_from_two_threads(query: str, in_order: list[Event]) -> None:
    # However far one thread is behind the other: no window ends before the last event.
    slack_ms = SETTINGS.count * 1_000 // SETTINGS.rate
    batches = packed(in_order)
    ran = engine.run(QUERIES[query], SETTINGS, batches, threads=2, slack_ms=slack_ms)
    assert right(query, SETTINGS, in_order, ran)


def test_rows_that_are_missing_or_changed_are_told(in_order: list[Event]) -> None:
    for name in ("q5", "q12"):
        ran = engine.run(QUERIES[name], SETTINGS, packed(in_order))
        assert right(name, SETTINGS, in_order, ran)
        last = ran.rows.pop()
        assert not right(name, SETTINGS, in_order, ran)
        ran.rows.append(last | {"bids": last["bids"] + 1})
        assert not right(name, SETTINGS, in_order, ran)
