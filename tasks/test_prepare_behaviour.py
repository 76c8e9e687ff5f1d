from __future__ import annotations

from collections import defaultdict
from typing import Any

from prepare_behaviour import ACTIVE_SECONDS, ITEM_PAGE, behaviour


def sessions(sample: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in sample if line["event"] == "session_end"]


def test_every_visit_is_entered_and_left_once(sample: list[dict[str, Any]]) -> None:
    reports = behaviour(sessions(sample))
    assert [each["ts"] for each in reports] == sorted(each["ts"] for each in reports)
    visits = defaultdict(list)
    for each in reports:
        visits[each["visit"]].append(each)
    for each in visits.values():
        kinds = [report["event"] for report in each]
        assert (kinds[0], kinds[-1]) == ("page_enter", "page_exit")
        assert not {"page_enter", "page_exit"} & set(kinds[1:-1])
        assert len({(report["page"], report.get("item")) for report in each}) == 1
        assert ("item" in each[0]) == (each[0]["page"] == ITEM_PAGE)
        depths = [report["depth"] for report in each if "depth" in report]
        assert depths == sorted(depths)
    looks = [line for line in sample if line["event"] == ITEM_PAGE]
    assert len([each for each in visits.values() if each[0]["page"] == ITEM_PAGE]) == len(looks)


def test_pages_times_and_actions_are_the_clicks(sample: list[dict[str, Any]]) -> None:
    one = {
        "event": "session_end",
        "session_id": "s",
        "user_id": "u",
        "platform": "mobile",
        "acquisition_channel": "email",
        "user_lifecycle": "new",
        "events": [
            *(["search", 100], ["product_view", 130], ["review_page", 140], ["add_to_cart", 150]),
            *(["product_view", 400], ["catalog", 401], ["purchase", 460]),
        ],
    }
    reports = behaviour([one])
    entered = [(each["page"], each["ts"]) for each in reports if each["event"] == "page_enter"]
    assert entered == [
        ("search", 100),
        ("product_view", 130),
        ("product_view", 400),
        ("catalog", 401),
    ]
    left = [each["ts"] for each in reports if each["event"] == "page_exit"]
    assert left[:3] == [130, 400, 401]
    assert left[3] > 460
    done = [
        (each["event"], each["visit"], each["ts"])
        for each in reports
        if each["event"] in {"cart", "buy"} or each.get("id") == "reviews"
    ]
    assert done == [("click", "s-1", 140), ("cart", "s-1", 150), ("buy", "s-3", 460)]
    made = [each for each in reports if each["event"] in {"scroll", "exposure"}]
    assert all(each["ts"] <= 130 + ACTIVE_SECONDS for each in made if each["visit"] == "s-1")
    assert behaviour([one]) == reports
    assert len(behaviour(sessions(sample))) > len(sample)
