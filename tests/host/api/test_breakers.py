from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from polyvm.host.breakers import Hold, Reason, State
from polyvm.vm import BreakerOpen, Outcome
from tests.host.api.conftest import Waiter
from tests.host.runner import CLOSED
from tests.host.test_registry import bundle

if TYPE_CHECKING:
    from polyvm.host.breakers import Snapshot
    from tests.host.api.conftest import Answer, Served

RESTS = structs.replace(
    CLOSED,
    state=State.OPEN,
    reason=Reason.RATE,
    failures=7,
    opened=3,
    refused=11,
    remaining_ns=2_300_000_000,
)
HELD = structs.replace(CLOSED, state=State.OPEN, hold=Hold.HOLD_OPEN, reason=Reason.OPERATOR)
TOLD = {
    "state": "open",
    "hold": "auto",
    "reason": "rate",
    "remaining_s": 2.3,
    "failures": 7,
    "refused": 11,
    "openings": 3,
}


def test_breakers_are_told(served: Served) -> None:
    served.site.registry.deploy(bundle("b"))
    served.site.runner.breakers = {1: RESTS}
    everything = served.ask("GET", "/v1/breakers").body["breakers"]
    assert [each["name"] for each in everything] == ["a", "b"]
    assert [each["breaker"]["state"] for each in everything] == ["open", "closed"]
    assert served.ask("GET", "/v1/tasks/a:breaker").body == {"name": "a", "breaker": TOLD}
    tasks = {row["name"]: row["breaker"] for row in served.ask("GET", "/v1/tasks").body["tasks"]}
    assert tasks == {each["name"]: each["breaker"] for each in everything}
    assert tasks["a"] == TOLD


def test_a_breaker_is_of_all_versions_and_of_the_live_one(served: Served) -> None:
    served.ask("POST", "/v1/tasks/a:run?wait=false", b"1")
    served.site.registry.deploy(bundle("a", version="2.0"))
    served.site.runner.breakers = {1: CLOSED, 2: RESTS}
    versions = served.ask("GET", "/v1/tasks/a").body["versions"]
    assert [each["breaker"] for each in versions] == [TOLD, TOLD]
    served.ask("POST", "/v1/tasks/a:breaker-auto")
    assert served.site.runner.forced == [(2, Hold.AUTO)]
    served.site.registry.withdraw("a")
    assert [each["breaker"] for each in served.ask("GET", "/v1/tasks/a").body["versions"]] == [None]
    assert served.ask("POST", "/v1/tasks/a:breaker-auto").status == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("verb", "hold"),
    [("open", Hold.HOLD_OPEN), ("close", Hold.HOLD_CLOSED), ("auto", Hold.AUTO)],
)
def test_forcing(served: Served, verb: str, hold: Hold) -> None:
    served.site.runner.breakers = {1: RESTS}
    answer = served.ask_unix("POST", f"/v1/tasks/a:breaker-{verb}")
    assert (answer.status, answer.body) == (HTTPStatus.OK, {"name": "a", "breaker": TOLD})
    assert served.site.runner.forced == [(1, hold)]


@pytest.mark.parametrize(
    ("method", "target", "status", "sentence"),
    [
        ("GET", "/v1/tasks/b:breaker", 404, "no task 'b' is here"),
        ("POST", "/v1/tasks/b:breaker-open", 404, "no task 'b' is here"),
        ("POST", "/v1/tasks/a:breaker-explode", 404, "Not Found"),
        ("POST", "/v1/tasks/a:breaker", 404, "Not Found"),
        ("GET", "/v1/tasks/a:breaker-open", 405, "Method Not Allowed"),
        ("POST", "/v1/breakers", 405, "Method Not Allowed"),
    ],
)
def test_what_makes_no_sense(
    served: Served, method: str, target: str, status: int, sentence: str
) -> None:
    answer = served.ask(method, target)
    assert answer.status == status
    assert sentence in answer.body["error"]
    assert served.site.runner.forced == []


def refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> Answer:
    def refuse(*arguments: object, **options: object) -> None:
        del arguments, options
        raise BreakerOpen(-14, "rests")

    monkeypatch.setattr(served.site.runner, "submit", refuse)
    return served.ask("POST", "/v1/tasks/a:run", b"1")


@pytest.mark.parametrize(
    ("breaker", "seconds"), [(RESTS, "3"), (HELD, None), (CLOSED, "1"), (None, "1")]
)
def test_when_to_come_back(
    served: Served, monkeypatch: pytest.MonkeyPatch, breaker: Snapshot | None, seconds: str | None
) -> None:
    served.site.runner.breakers = {1: breaker}
    waiter = Waiter(served, "/v1/tasks/a:run", b'"opened meanwhile"')
    served.wait_for_pending(1)
    served.site.finish(Outcome.REJECTED)
    for answer in (waiter.answer(), refused(served, monkeypatch)):
        assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
        assert answer.headers.get("Retry-After") == seconds
