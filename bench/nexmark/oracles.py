"""What the queries must give: over all events at once, in plain Python, as slowly as it takes.

Each function takes all events in any order and returns rows in no order. No oracle shares a line
with the engine, or knows of watermarks: what is compared is said in `queries`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

Event = dict[str, Any]
Row = tuple[Any, ...]

EURO = 0.908
HOT_SIZE_MS, HOT_STEP_MS = 10_000, 2_000
WINDOW_MS = 10_000
GAP_MS = 10_000
EVERY = 123
CATEGORY = 10
STATES = ("OR", "ID", "CA")


def of_stream(events: Iterable[Event], stream: str) -> list[Event]:
    return [event for event in events if event["stream"] == stream]


def q0(events: Sequence[Event]) -> list[Row]:
    """Every bid as it is: (auction, bidder, price, time)."""
    return [
        (bid["auction"], bid["bidder"], bid["price"], bid["time"])
        for bid in of_stream(events, "bids")
    ]


def q1(events: Sequence[Event]) -> list[Row]:
    """Every bid with its price in euros: (auction, bidder, price, time)."""
    return [(auction, bidder, price * EURO, time) for auction, bidder, price, time in q0(events)]


def q2(events: Sequence[Event]) -> list[Row]:
    """Bids for some auctions: (auction, price)."""
    return [(auction, price) for auction, _, price, _ in q0(events) if auction % EVERY == 0]


def q3(events: Sequence[Event]) -> list[Row]:
    """Who sells in a category in some states: (name, city, state, auction)."""
    people: dict[int, Event] = {}
    for person in of_stream(events, "persons"):
        if person["state"] in STATES:
            people[person["id"]] = person
    return [
        (seller["name"], seller["city"], seller["state"], auction["id"])
        for auction in of_stream(events, "auctions")
        if auction["category"] == CATEGORY and (seller := people.get(auction["seller"])) is not None
    ]


def winning(events: Sequence[Event]) -> list[Row]:
    """The highest bid of each auction while it was open: (auction, category, price)."""
    auctions = {auction["id"]: auction for auction in of_stream(events, "auctions")}
    highest: dict[int, int] = {}
    for bid in of_stream(events, "bids"):
        auction = auctions.get(bid["auction"])
        if auction is not None and auction["time"] <= bid["time"] <= auction["expires"]:
            highest[auction["id"]] = max(bid["price"], highest.get(auction["id"], 0))
    return [(number, auctions[number]["category"], price) for number, price in highest.items()]


def q4(events: Sequence[Event]) -> list[Row]:
    """What auctions of a category fetch: (category, auctions, the sum of their prices)."""
    prices: dict[int, list[int]] = defaultdict(list)
    for _, category, price in winning(events):
        prices[category].append(price)
    return [(category, len(found), sum(found)) for category, found in prices.items()]


def q5(events: Sequence[Event]) -> list[Row]:
    """The auctions with most bids in each sliding window: (auction, bids, window's end)."""
    counts: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for bid in of_stream(events, "bids"):
        first = bid["time"] // HOT_STEP_MS * HOT_STEP_MS + HOT_STEP_MS
        for end in range(first, first + HOT_SIZE_MS, HOT_STEP_MS):
            counts[end][bid["auction"]] += 1
    return [
        (auction, count, end)
        for end, by_auction in counts.items()
        for most in (max(by_auction.values()),)
        for auction, count in by_auction.items()
        if count == most
    ]


def q7(events: Sequence[Event]) -> list[Row]:
    """The highest bids of each window: (auction, bidder, price, time)."""
    windows: dict[int, list[Row]] = defaultdict(list)
    for bid in q0(events):
        windows[bid[3] // WINDOW_MS].append(bid)
    return [
        bid
        for bids in windows.values()
        for most in (max(price for _, _, price, _ in bids),)
        for bid in bids
        if bid[2] == most
    ]


def q8(events: Sequence[Event]) -> list[Row]:
    """Who became a person and opened an auction in one window: (person, name, window's start)."""
    opened = {
        (auction["seller"], auction["time"] // WINDOW_MS)
        for auction in of_stream(events, "auctions")
    }
    return [
        (person["id"], person["name"], person["time"] // WINDOW_MS * WINDOW_MS)
        for person in of_stream(events, "persons")
        if (person["id"], person["time"] // WINDOW_MS) in opened
    ]


def q11(events: Sequence[Event]) -> list[Row]:
    """Sessions of bids of a person, ended by a pause: (bidder, bids, start, end).

    A session ends a gap after its last bid; a bid at that time or later begins another.
    """
    times: dict[int, list[int]] = defaultdict(list)
    for bid in of_stream(events, "bids"):
        times[bid["bidder"]].append(bid["time"])
    rows: list[Row] = []
    for bidder, found in times.items():
        found.sort()
        first = 0
        for at in range(1, len(found) + 1):
            if at == len(found) or found[at] - found[at - 1] >= GAP_MS:
                rows.append((bidder, at - first, found[first], found[at - 1] + GAP_MS))
                first = at
    return rows
