"""Make the raw behaviour that item page views (IPV) are made of: what a shop's pages report.

    python tasks/prepare_behaviour.py build/demo/behaviour.jsonl

Which pages a visitor saw and when, and what was liked, put into the cart and bought there, is from
the clicks that `prepare_data.py` describes (synthetic, as their authors say). They hold nothing
finer, so what lies between entering a page and leaving it is made here, by a generator seeded with
the session's name: how far was scrolled, which items came into view, what was clicked on, about one
report in four seconds of the first minute. So the shares of raw bytes and features are those of
such reports, not of measured people.

Lines come in the order of time. Every line has `event` (page_enter, scroll, exposure, click,
favourite, cart, buy or page_exit), `ts` in seconds since 1970, `session_id`, `user_id`, `page`, and
`visit`, one look at one page; those of a product's page have the `item`. `about` is what trackers
send with every report: browser, screen, network, where the visitor came from.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prepare_data import lines, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STREAM = "behaviour"
ITEM_PAGE = "product_view"
ACTIONS = {"add_to_cart": "cart", "wishlist_add": "favourite", "purchase": "buy"}
"""Clicks that are no page of their own: they happen on the page before."""
ON_PAGE = {"review_page": "reviews", "compare": "compare"}
"""Pages that open within an item's page; there they are clicks on a tab."""
ITEMS, CATEGORIES = 4_000, 40
ACTIVE_SECONDS = 60.0  # after so long a look, nothing more is reported until the page is left
PAUSE_SECONDS = 4.0  # between reports, about
CLICK_SHARE = 0.06  # of reports
EXPOSED = 0.55
LAST_LOOK_SECONDS = (5.0, 90.0)  # of a session's last page, whose end the clicks do not tell
SESSIONS = 600  # in the demo
AGENTS = {
    "desktop": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "mobile": "Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0",
    "tablet": "Mozilla/5.0 (Android 14; Tablet; rv:128.0) Gecko/128.0 Firefox/128.0",
}
SCREENS = {"desktop": [1920, 1080], "mobile": [412, 915], "tablet": [800, 1280]}

Event = dict[str, Any]


def behaviour(sessions: Iterable[Event]) -> list[Event]:
    """Return the reports of sessions (`session_end` lines), in the order of time."""
    reports = [report for session in sessions for report in _of_session(session)]
    # sorted() is stable: what one visit reports in one millisecond stays in order.
    return sorted(reports, key=lambda report: report["ts"])


def _of_session(session: Event) -> Iterator[Event]:
    chance = random.Random(session["session_id"])  # noqa: S311 - not for secrets
    visits: list[tuple[str, float, list[tuple[str, float]]]] = []
    for name, ts in session["events"]:
        on_item = bool(visits) and visits[-1][0] == ITEM_PAGE
        if visits and (name in ACTIONS or (name in ON_PAGE and on_item)):
            visits[-1][2].append((name, ts))
        else:
            visits.append((name, ts, []))
    before = "direct"
    for at, (page, start, actions) in enumerate(visits):
        if at + 1 < len(visits):
            end = visits[at + 1][1]
        else:
            end = round(
                max([start, *(ts for _, ts in actions)]) + chance.uniform(*LAST_LOOK_SECONDS), 3
            )
        about = _about(chance, session, page, before)
        head: Event = {"visit": f"{session['session_id']}-{at}", "page": page}
        if page == ITEM_PAGE:
            # Popular items have small numbers.
            head["item"] = int(ITEMS * chance.random() ** 2)
            head["category"] = head["item"] % CATEGORIES
        for event, ts, more in _of_visit(chance, start, end, actions):
            yield {
                "event": event,
                "stream": STREAM,
                "ts": ts,
                "session_id": session["session_id"],
                "user_id": session["user_id"],
                **head,
                **more,
                "about": about,
            }
        before = page


def _of_visit(
    chance: random.Random, start: float, end: float, actions: list[tuple[str, float]]
) -> Iterator[tuple[str, float, Event]]:
    found: list[tuple[str, float, Event]] = []
    ts, depth, place = start, 0.0, 0
    active = min(end - start, ACTIVE_SECONDS)
    while (ts := round(ts + chance.expovariate(1 / PAUSE_SECONDS) + 0.05, 3)) < start + active:
        kind = chance.random()
        if kind < CLICK_SHARE:
            what = chance.choice(["picture", "size", "colour", "description", "seller"])
            found.append(("click", ts, {"id": what}))
        elif kind < CLICK_SHARE + EXPOSED:
            place += 1
            shown = int(ITEMS * chance.random() ** 2)
            found.append(("exposure", ts, {"shown": shown, "place": place, "block": "similar"}))
        else:
            depth = min(1.0, round(depth + chance.random() * 0.2, 3))
            pixels = int(depth * 6_000)
            found.append(("scroll", ts, {"depth": depth, "pixels": pixels}))
    for name, ts in actions:
        event = ACTIONS.get(name, "click")
        more: Event = {"id": ON_PAGE[name]} if name in ON_PAGE else {}
        if name in {"add_to_cart", "purchase"}:
            more["quantity"] = 1
        found.append((event, ts, more))
    found.sort(key=lambda report: report[1])
    yield "page_enter", start, {}
    yield from found
    yield "page_exit", end, {}


def _about(chance: random.Random, session: Event, page: str, before: str) -> Event:
    platform = session["platform"]
    return {
        "platform": platform,
        "agent": AGENTS[platform],
        "screen": SCREENS[platform],
        "network": chance.choice(["wifi", "wifi", "4g", "5g", "cable"]),
        "language": "en-GB",
        "tracker": "web-2.14.3",
        "channel": session["acquisition_channel"],
        "lifecycle": session["user_lifecycle"],
        "url": f"https://shop.example/{page}?from={before}",
        "referrer": f"https://shop.example/{before}",
    }


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make the raw behaviour of the demo's visitors.")
    parser.add_argument("output", type=Path, help="JSON-lines file to write; .gz packs it")
    parser.add_argument(
        "--sessions", type=int, default=SESSIONS, help="how many (default: %(default)s)"
    )
    options = parser.parse_args()
    ended = [line for line in lines() if line["event"] == "session_end"]
    print(
        f"{options.output}: {write(behaviour(ended[: options.sessions]), options.output):,} lines"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
