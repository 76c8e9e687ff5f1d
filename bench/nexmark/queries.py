"""The queries as flows, and what of their rows stands for the query's result.

A query is one flow; its rows go to whoever hands events in. Where SQL would correct its answer over
time, a flow gives it once, when the watermark has passed; so what is compared with `oracles` is

  q0 to q3   every row, as a bag
  q4         each category's last row: an auction's price enters its category once, when nobody can
             bid any more, and does not change afterwards
  q5, q7     every row of every window, those of equal rank included
  q8         every row
  q11        every session, ended by its pause
  q12        windows of the time of arrival: how often and when each person bid, as far as who
             hands the bids in can know it; see `arrived_as_told`

All windows have ended when the last event of each stream, `end`, is later than any of them by far.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.nexmark import oracles
from bench.nexmark.generator import SIZES, START_MS, Event, Settings, longest_auction_ms
from bench.nexmark.oracles import Row
from polyvm.host.flows import Chain, Flow, stream

MS = 1_000_000  # nanoseconds
FOREVER = "10000h"  # a join without a limit


@dataclass(frozen=True)
class Query:
    """A query of the benchmark."""

    name: str
    about: str
    chain: Callable[[Settings, str], Chain]
    """Its operators, for events of these settings, with this lateness."""
    row: Callable[[dict[str, Any]], Row]
    """Of a row that the flow has put out, what the oracle's have."""
    oracle: Callable[[Sequence[Event]], list[Row]] | None

    def flow(self, settings: Settings, *, slack_ms: int = 0) -> Flow:
        """Its flow. slack_ms: more lateness than the events need, for several threads."""
        lateness = f"{settings.lateness_ms + slack_ms}ms"
        return self.chain(settings, lateness).into_task(self.name)

    def result(self, rows: Iterable[dict[str, Any]]) -> Counter[Row]:
        """The bag that is compared, of the rows that came out."""
        made = [self.row(row) for row in rows]
        if self.name == "q4":  # the last one has the most auctions
            made = list({row[0]: row for row in sorted(made, key=lambda row: row[1])}.values())
        return Counter(row for row in made if row[0] is not None)


def end(settings: Settings) -> list[Event]:
    """An event for each stream that ends all windows; it is in no result."""
    last = START_MS + settings.count * 1_000 // settings.rate
    return [{"stream": name, "time": last + 3_600_000} for name in SIZES]


BID = {"auction": "auction", "bidder": "bidder", "price": "price", "time": "time"}


def _bids(lateness: str) -> Chain:
    return stream("bids", lateness=lateness)


def _q0(_: Settings, lateness: str) -> Chain:
    return _bids(lateness).map(keep=False, **BID)


def _q1(_: Settings, lateness: str) -> Chain:
    return _bids(lateness).map(keep=False, **{**BID, "price": f"price * {oracles.EURO}"})


def _q2(_: Settings, lateness: str) -> Chain:
    return (
        _bids(lateness)
        .filter(f"auction % {oracles.EVERY} == 0")
        .map(keep=False, auction="auction", price="price")
    )


def _q3(_: Settings, lateness: str) -> Chain:
    return (
        stream("auctions", lateness=lateness)
        .filter(f"category == {oracles.CATEGORY}")
        .join(
            stream("persons").filter(f"state in {list(oracles.STATES)}"),
            on={"seller": "id"},
            lower=f"-{FOREVER}",
            upper=FOREVER,
            columns={
                "name": "right.name",
                "city": "right.city",
                "state": "right.state",
                "auction": "left.id",
            },
        )
    )


def _q4(settings: Settings, lateness: str) -> Chain:
    longest = f"{longest_auction_ms(settings)}ms"
    return (
        stream("auctions", lateness=lateness)
        .join(
            stream("bids"),
            on={"id": "auction"},
            lower="0s",
            upper=longest,
            columns={
                "auction": "left.id",
                "category": "left.category",
                "expires": "left.expires",
                "time": "right.time",
                "price": "right.price",
            },
        )
        .filter("time <= expires")
        .key_by("auction", "category")
        # No two bids for an auction are further apart than that, so it has one session.
        .window(session=longest, price="max(price)")
        .key_by("category")
        .window(running=True, auctions="count()", total="sum(price)", mean="mean(price)")
    )


def _q5(_: Settings, lateness: str) -> Chain:
    size, step = f"{oracles.HOT_SIZE_MS}ms", f"{oracles.HOT_STEP_MS}ms"
    return (
        _bids(lateness)
        .key_by("auction")
        .window(sliding=(size, step), bids="count()")
        # Windows end one step apart, so that a step has the rows of one window.
        .key_by("window_end")
        .top(1, by="bids", size=step, ties=True)
    )


def _q7(_: Settings, lateness: str) -> Chain:
    return (
        _bids(lateness)
        .map(keep=False, **BID)
        .top(1, by="price", size=f"{oracles.WINDOW_MS}ms", ties=True)
    )


def _q8(_: Settings, lateness: str) -> Chain:
    size = f"{oracles.WINDOW_MS}ms"
    sellers = stream("auctions").key_by("seller").window(tumbling=size, n="count()")
    return stream("persons", lateness=lateness).join(
        sellers,
        on={"id": "seller"},
        window=size,
        columns={"id": "left.id", "name": "left.name", "start": "window_start"},
    )


def _q11(_: Settings, lateness: str) -> Chain:
    gap = f"{oracles.GAP_MS}ms"
    return _bids(lateness).key_by("bidder").window(session=gap, bids="count()")


def _q12(settings: Settings, _: str) -> Chain:
    return (
        stream("bids", arrival=True)
        .key_by("bidder")
        .window(
            tumbling=f"{settings.arrival_window_ms}ms",
            bids="count()",
            first="min(time)",
            last="max(time)",
        )
    )


def _fields(*names: str) -> Callable[[dict[str, Any]], Row]:
    return lambda row: tuple(row[name] for name in names)


def _in_ms(*names: str) -> Callable[[dict[str, Any]], Row]:
    """Columns, the windows' times in milliseconds."""
    return lambda row: tuple(
        row[name] // MS if name in {"window_start", "window_end", "start"} else row[name]
        for name in names
    )


_BID = _fields(*BID)

QUERIES = {
    query.name: query
    for query in (
        Query("q0", "every bid as it is", _q0, _BID, oracles.q0),
        Query("q1", "prices in euros", _q1, _BID, oracles.q1),
        Query("q2", "bids for some auctions", _q2, _fields("auction", "price"), oracles.q2),
        Query(
            "q3",
            "who sells in some states",
            _q3,
            _fields("name", "city", "state", "auction"),
            oracles.q3,
        ),
        Query(
            "q4",
            "what auctions of a category fetch",
            _q4,
            _fields("category", "auctions", "total"),
            oracles.q4,
        ),
        Query(
            "q5",
            "the auctions with most bids",
            _q5,
            _in_ms("auction", "bids", "window_end"),
            oracles.q5,
        ),
        Query("q7", "the highest bids", _q7, _BID, oracles.q7),
        Query("q8", "new sellers", _q8, _in_ms("id", "name", "start"), oracles.q8),
        Query(
            "q11",
            "sessions of bidders",
            _q11,
            _in_ms("bidder", "bids", "window_start", "window_end"),
            oracles.q11,
        ),
        Query(
            "q12",
            "bids by the time of arrival",
            _q12,
            _in_ms("bidder", "bids", "window_start", "first", "last"),
            None,
        ),
    )
}


def arrived_as_told(
    rows: Iterable[dict[str, Any]],
    batches: Iterable[tuple[Sequence[Event], int, int]],
    settings: Settings,
) -> bool:
    """Whether the rows of q12 are those of these batches: events, and wall clock before and after.

    Each person's rows are of different windows and together count every bid; what a window says is
    its first and last bid came in a batch that was being handed in while the window was open.
    """
    came: dict[tuple[int, int], tuple[int, int]] = {}
    counts: Counter[int] = Counter()
    for events, before, after in batches:
        for bid in oracles.of_stream(events, "bids"):
            one = bid["bidder"], bid["time"]  # or several, of one millisecond
            first, last = came.get(one, (before, after))
            came[one] = min(first, before), max(last, after)
            counts[bid["bidder"]] += 1
    told: Counter[int] = Counter()
    seen: set[tuple[int, int]] = set()
    for row in rows:
        bidder, start = row["bidder"], row["window_start"]
        if bidder is None:
            continue
        if (bidder, start) in seen or start % (settings.arrival_window_ms * MS):
            return False
        seen.add((bidder, start))
        told[bidder] += row["bids"]
        for time in (row["first"], row["last"]):
            before, after = came.get((bidder, time), (0, 0))
            if before >= row["window_end"] or after < start:
                return False
    return told == counts
