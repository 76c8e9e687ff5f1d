from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from polyvm.host.dev import OrdinaryTask


def session(*events: tuple[str, int]) -> dict[str, Any]:
    return {"session_id": "s", "user_id": "u", "events": [list(event) for event in events]}


def pages(*names: str) -> dict[str, Any]:
    return session(*((name, at * 10) for at, name in enumerate(names)))


def test_bounce(task: OrdinaryTask) -> None:
    features = task(pages("home")).value
    assert features["funnel"]["bounced"] is True
    assert features["funnel"]["deepest"] == "browse"
    assert features["times"]["duration"] == 0
    assert features["items"] == []
    assert features["sequence"]["bigrams"] == []


def test_dwell_is_measured_between_pages(task: OrdinaryTask) -> None:
    times = task(session(("home", 0), ("catalog", 30), ("home", 1030), ("cart", 1040))).value[
        "times"
    ]
    assert times["duration"] == 1040
    assert times["active"] == 30 + 300 + 10
    assert times["idle_gaps"] == 1
    assert times["median"] == 30
    assert times["by_page"] == {"catalog": 1000, "home": 20}


def test_item_page_views_know_source_and_outcome(task: OrdinaryTask) -> None:
    views = task(
        pages("search", "product_view", "add_to_cart", "product_view", "product_view", "compare")
    ).value["items"]
    assert [view["source"] for view in views] == ["search", "search", "search"]
    assert [view["actions"] for view in views] == [["add_to_cart"], [], ["compare"]]
    assert [view["revisit"] for view in views] == [False, False, True]
    assert [view["dwell"] for view in views] == [10, 10, 10]


def test_first_view_without_a_source_is_direct(task: OrdinaryTask) -> None:
    (view,) = task(pages("product_view")).value["items"]
    assert (view["source"], view["dwell"]) == ("direct", None)


@pytest.mark.parametrize(
    ("names", "loops", "retries", "purchased"),
    [
        (["cart", "shipping_details", "payment_details", "purchase"], 0, 0, True),
        (["shipping_details", "add_to_cart", "cart", "shipping_details"], 1, 0, False),
        (["shipping_details", "cart", "shipping_details", "cart", "shipping_details"], 2, 0, False),
        (["payment_details", "payment_error", "payment_details", "purchase"], 0, 1, True),
    ],
)
def test_trouble_at_checkout_is_counted(
    task: OrdinaryTask, names: list[str], loops: int, retries: int, purchased: bool
) -> None:
    funnel = task(pages(*names)).value["funnel"]
    assert (funnel["checkout_loops"], funnel["payment_retries"]) == (loops, retries)
    assert funnel["purchased"] is purchased
    assert funnel["abandoned_cart"] is not purchased


def test_entropy(task: OrdinaryTask) -> None:
    sequence = task(pages("a", "b", "a", "b")).value["sequence"]
    assert sequence["entropy"] == 1
    assert sequence["conditional_entropy"] == 0
    assert sequence["bigrams"] == [["a>b", 2], ["b>a", 1]]
    varied = task(pages("a", "b", "a", "c")).value["sequence"]
    assert varied["conditional_entropy"] == pytest.approx(2 / 3, abs=1e-6)


def test_session_without_events_fails(task: OrdinaryTask) -> None:
    failure = task(session()).failure
    assert failure is not None
    assert failure.endswith("ValueError: a session has at least one event")


def test_sample_sessions(task: OrdinaryTask, sample: list[dict[str, Any]]) -> None:
    lines = [line for line in sample if task.takes(line)]
    answers = [task(line) for line in lines]
    assert len(answers) == 212
    assert all(answer.failure is None for answer in answers)
    for line, answer in zip(lines, answers, strict=True):
        bought = any(page == "purchase" for page, _ in line["events"])
        assert answer.value["funnel"]["purchased"] is bought
        assert answer.value["sequence"]["length"] == len(line["events"])
