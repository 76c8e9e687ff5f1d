"""Events of the auction house, the same ones for the same settings.

Of 50 events in a row one is a person, three are auctions and 46 are bids. Times are milliseconds
since the epoch, `rate` events to a second. Half of the bids go to the hot auction of the moment,
three quarters of them come from the hot bidder of the moment, and three quarters of the auctions
are the hot seller's; the others are spread over the auctions in flight and the people who are
active. Prices are cents, uniform in their logarithm from 1 to a million dollars. `extra` fills
events up to the usual sizes: 200 bytes for a person, 500 for an auction, 100 for a bid, on average,
names of fields not counted.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]

GROUP = 50  # events in a row, of which
PERSONS = 1
AUCTIONS = 3  # and the others are bids
START_MS = 1_436_918_400_000  # 15 July 2015, as in the benchmark
FIRST_ID = 1_000  # of persons and of auctions
FIRST_CATEGORY, CATEGORIES = 10, 5
HOT_EVERY = 100  # ids from one hot auction, bidder or seller to the next
IN_FLIGHT = 100  # auctions
ACTIVE = 1_000  # persons
AHEAD = 10  # ids not made yet that are named already: a bid may come before its auction
SIZES = {"persons": 200, "auctions": 500, "bids": 100}  # bytes of an event, about

_FIRST_NAMES = (
    "Peter",
    "Paul",
    "Luke",
    "John",
    "Saul",
    "Vicky",
    "Kate",
    "Julie",
    "Sarah",
    "Walter",
)
_LAST_NAMES = ("Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones")
_STATES = ("AZ", "CA", "ID", "OR", "WA", "WY")
_CITIES = (
    *("Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland"),
    *("Bend", "Redmond", "Seattle", "Kent", "Cheyenne"),
)
_CHANNELS = ("Google", "Facebook", "Baidu", "Apple")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Settings:
    """Which events."""

    count: int
    rate: int = 10_000  # events to a second of their own time
    seed: int = 1
    disorder: int = 1  # events in a row that come in any order among themselves; 1: all in order
    arrival_window_ms: int = 10_000  # of query 12: of the time of arrival, which nobody generates

    @property
    def lateness_ms(self) -> int:
        """How much earlier than the latest one before it an event may be."""
        return -(-(self.disorder - 1) * 1_000 // self.rate)


def longest_auction_ms(settings: Settings) -> int:
    """Auctions last so long that IN_FLIGHT of them are open at a time, on average: half of this."""
    return max(2, 2 * IN_FLIGHT * GROUP * 1_000 // (AUCTIONS * settings.rate))


def events(settings: Settings) -> Iterator[Event]:
    """Events in the order of their coming; `stream` is persons, auctions or bids."""
    chance = random.Random(settings.seed)
    waiting: list[Event] = []
    for number in range(settings.count):
        waiting.append(_event(chance, settings, number))
        if len(waiting) >= settings.disorder:
            if settings.disorder > 1:
                chance.shuffle(waiting)
            yield from waiting
            waiting.clear()
    yield from waiting


def _event(chance: random.Random, settings: Settings, number: int) -> Event:
    group, place = divmod(number, GROUP)
    time = START_MS + number * 1_000 // settings.rate
    # The ids that the next person and the next auction get.
    person = FIRST_ID + group * PERSONS + min(place, PERSONS)
    auction = FIRST_ID + group * AUCTIONS + min(max(place - PERSONS, 0), AUCTIONS)
    if place < PERSONS:
        return _person(chance, person, time)
    if place < PERSONS + AUCTIONS:
        return _auction(chance, settings, auction, person - 1, time)
    return _bid(chance, auction - 1, person - 1, time)


def _person(chance: random.Random, number: int, time: int) -> Event:
    name = f"{chance.choice(_FIRST_NAMES)} {chance.choice(_LAST_NAMES)}"
    return _filled(
        chance,
        {
            "stream": "persons",
            "time": time,
            "id": number,
            "name": name,
            "email_address": f"{_word(chance, 7)}@{_word(chance, 5)}.com",
            "credit_card": " ".join(f"{chance.randrange(10_000):04}" for _ in range(4)),
            "city": chance.choice(_CITIES),
            "state": chance.choice(_STATES),
        },
    )


def _auction(
    chance: random.Random, settings: Settings, number: int, last_person: int, time: int
) -> Event:
    initial = _price(chance)
    return _filled(
        chance,
        {
            "stream": "auctions",
            "time": time,
            "id": number,
            "item_name": _word(chance, 20),
            "description": _word(chance, 100),
            "initial_bid": initial,
            "reserve": initial + _price(chance),
            "expires": time + 1 + chance.randrange(longest_auction_ms(settings)),
            "seller": _somebody(chance, last_person, hot=0),
            "category": FIRST_CATEGORY + chance.randrange(CATEGORIES),
        },
    )


def _bid(chance: random.Random, last_auction: int, last_person: int, time: int) -> Event:
    if chance.random() < 0.5:
        auction = last_auction // HOT_EVERY * HOT_EVERY
    else:
        first = max(FIRST_ID, last_auction - IN_FLIGHT)
        auction = chance.randint(first, last_auction + AHEAD)
    channel = (
        chance.choice(_CHANNELS) if chance.random() < 0.5 else f"channel-{chance.randrange(10_000)}"
    )
    path = "/".join(_word(chance, 5) for _ in range(3))
    return _filled(
        chance,
        {
            "stream": "bids",
            "time": time,
            "auction": auction,
            # The hot bidder is another one than the hot seller.
            "bidder": _somebody(chance, last_person, hot=1),
            "price": _price(chance),
            "channel": channel,
            "url": f"https://www.nexmark.com/{path}/item.htm?query=1",
        },
    )


def _somebody(chance: random.Random, last: int, *, hot: int) -> int:
    if chance.random() < 0.75:
        return last // HOT_EVERY * HOT_EVERY + hot
    return chance.randint(max(FIRST_ID, last - ACTIVE), last + AHEAD)


def _price(chance: random.Random) -> int:
    return round(10 ** (6 * chance.random()) * 100)


def _word(chance: random.Random, longest: int) -> str:
    letters = chance.choices(_LETTERS, k=chance.randint(3, longest))
    return "".join(letters)


def _filled(chance: random.Random, event: Event) -> Event:
    """The event with `extra`: within a fifth of its kind's size, where it is not there already."""
    wanted = SIZES[event["stream"]]
    has = sum(len(value) if isinstance(value, str) else 8 for value in event.values())
    extra = wanted - has + chance.randint(-wanted // 5, wanted // 5)
    event["extra"] = _word(chance, 3)[:1] * max(0, extra)
    return event
