from __future__ import annotations

import json
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from polyvm.host.api import app
from polyvm.host.switches import Verb
from polyvm.vm import BreakerOpen, Outcome, QueueFull, RateLimited, StateError, VmError
from tests.host.api.conftest import PATIENCE, Answer, Served, Waiter
from tests.host.test_registry import bundle

if TYPE_CHECKING:
    from tests.conftest import Seeded


def finish(served: Served, waiter: Waiter, outcome: Outcome = Outcome.DONE) -> Answer:
    served.wait_for_pending(1)
    served.site.finish(outcome)
    return waiter.answer()


def test_run_answers_the_result(served: Served) -> None:
    answer = finish(served, Waiter(served, "/v1/tasks/a:run", b'{"x": [1, null]}'))
    assert answer.status == HTTPStatus.OK
    number = answer.body.pop("id")
    assert answer.body == {
        "task": "a",
        "version": "1.0",
        "outcome": "done",
        "result": {"x": [1, None]},
        "queued_us": 0,
        "run_us": 1,
        "load_us": 0,
    }
    later = served.ask_unix("GET", f"/v1/invocations/{number}")
    assert (later.status, later.body["result"]) == (HTTPStatus.OK, {"x": [1, None]})


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.FAILED, HTTPStatus.INTERNAL_SERVER_ERROR),
        (Outcome.TIMED_OUT, HTTPStatus.GATEWAY_TIMEOUT),
        (Outcome.OVER_QUOTA, HTTPStatus.INTERNAL_SERVER_ERROR),
        (Outcome.CRASHED, HTTPStatus.INTERNAL_SERVER_ERROR),
        (Outcome.CANCELLED, HTTPStatus.SERVICE_UNAVAILABLE),
        (Outcome.REJECTED, HTTPStatus.SERVICE_UNAVAILABLE),
    ],
)
def test_other_outcomes(served: Served, outcome: Outcome, status: HTTPStatus) -> None:
    answer = finish(served, Waiter(served, "/v1/tasks/a:run", b'"why"'), outcome)
    assert answer.status == status
    assert answer.body["outcome"] == outcome.name.lower()
    assert "why" in answer.body["error"]
    assert "result" not in answer.body


def test_not_waiting(served: Served) -> None:
    answer = served.ask("POST", "/v1/tasks/a:run?wait=false", b"7")
    assert answer.status == HTTPStatus.ACCEPTED
    where = answer.headers["Location"]
    assert where.endswith(answer.body["id"])
    assert served.ask("GET", where).status == HTTPStatus.ACCEPTED
    served.site.finish()
    assert served.ask("GET", where).body["result"] == 7
    assert served.ask("POST", "/v1/tasks/a:run", b"7", PolyVM_Wait="false").status == 202


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (QueueFull(-9, "full"), HTTPStatus.TOO_MANY_REQUESTS, True),
        (RateLimited(-15, "too fast"), HTTPStatus.TOO_MANY_REQUESTS, True),
        (BreakerOpen(-14, "rests"), HTTPStatus.SERVICE_UNAVAILABLE, True),
        (StateError(-3, "stopped"), HTTPStatus.SERVICE_UNAVAILABLE, False),
        (VmError(-1, "a bug"), HTTPStatus.INTERNAL_SERVER_ERROR, False),
    ],
)
def test_what_the_executor_refuses(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    error: VmError,
    status: HTTPStatus,
    retry: bool,
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        del arguments, options
        raise error

    monkeypatch.setattr(served.site.runner, "submit", refuse)
    answer = served.ask("POST", "/v1/tasks/a:run", b"1")
    assert answer.status == status
    assert ("Retry-After" in answer.headers) == retry
    if status is not HTTPStatus.INTERNAL_SERVER_ERROR:
        assert answer.body == {"error": str(error)}
    assert served.site.registry.pending == 0


def test_deadline_and_priority_reach_the_executor(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, int]] = []

    def note(*arguments: object, **options: int) -> int:
        del arguments
        seen.append(options)
        return len(seen)

    monkeypatch.setattr(served.site.runner, "submit", note)
    target = "/v1/tasks/a:run?wait=false&deadline=1.5s&priority=-3"
    assert served.ask("POST", target, b"1").status == HTTPStatus.ACCEPTED
    assert [(each["deadline_ns"], each["priority"]) for each in seen] == [(1_500_000_000, -3)]


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", "/v1/tasks/b:run", b"1", 404),
        ("POST", "/v1/tasks/a:run", b"", 400),
        ("POST", "/v1/tasks/a:run", b"{", 400),
        ("POST", "/v1/tasks/a:run", b"\xff", 400),
        ("POST", "/v1/tasks/a:run", b"1" + b"0" * 30, 400),
        ("POST", "/v1/tasks/a:run", b"[" * 100_000, 400),
        ("POST", "/v1/tasks/a:run?deadline=1", b"1", 400),
        ("POST", "/v1/tasks/a:run?dedline=1s", b"1", 400),
        ("GET", "/v1/tasks/a:run", None, 405),
        ("POST", "/v1/tasks/a:explode", None, 404),
        ("POST", "/v1/tasks/b:pause", None, 404),
        ("POST", "/v1/lanes/fast:pause", None, 404),
        ("POST", "/v1/lanes/low:run", None, 404),
        ("GET", "/v1/tasks/b", None, 404),
        ("GET", "/v1/invocations/1", None, 404),
        ("GET", "/v1/invocations/%31%00", None, 404),
        ("GET", "/v1/invocations/" + "9" * 5000, None, 404),
        ("GET", "/", None, 404),
        ("GET", "/../etc/passwd", None, 404),
        ("DELETE", "/v1/tasks", None, 405),
    ],
)
def test_what_makes_no_sense(
    served: Served, method: str, target: str, body: bytes | None, status: int
) -> None:
    answer = served.ask(method, target, body)
    assert answer.status == status
    assert answer.body["error"]
    assert served.site.registry.pending == 0


def test_a_payload_that_is_too_large(served: Served) -> None:
    answer = served.ask_unix("POST", "/v1/tasks/a:run", b"1" * (app.MAX_BODY_BYTES + 1))
    assert answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert served.ask("GET", "/healthz").status == HTTPStatus.OK


def test_web_pages_are_refused(served: Served) -> None:
    assert served.ask("POST", "/v1/tasks/a:run", b"1", Origin="null").status == 403
    assert served.ask_unix("POST", "/v1/tasks/a:run", b"1", Origin="null").status == 403
    assert served.ask("GET", "/v1/tasks", Host="evil.example").status == 403
    assert served.ask("GET", "/metrics", Host="evil.example").status == 403
    assert served.ask_unix("GET", "/v1/tasks", Host="evil.example").status == 200
    assert served.site.registry.pending == 0


def test_places_are_limited_and_freed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MAX_RUNS", 2)
    waiters = [Waiter(served, "/v1/tasks/a:run", b"%d" % number) for number in range(2)]
    served.wait_for_pending(2)
    refused = served.ask("POST", "/v1/tasks/a:run", b"1")
    assert refused.status == HTTPStatus.TOO_MANY_REQUESTS
    assert "Retry-After" in refused.headers
    for target in ("/healthz", "/readyz", "/metrics", "/v1/tasks"):
        assert served.ask("GET", target).status == HTTPStatus.OK
    served.site.finish()
    assert sorted(waiter.answer().body["result"] for waiter in waiters) == [0, 1]
    assert served.ask("POST", "/v1/tasks/a:run?wait=false", b"1").status == HTTPStatus.ACCEPTED


def test_who_hangs_up_waits_no_more(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MAX_RUNS", 1)
    gone = served.tcp()
    gone.request("POST", "/v1/tasks/a:run", b"1")
    served.wait_for_pending(1)
    gone.close()
    target = "/v1/tasks/a:run?wait=false"
    while served.ask("POST", target, b"2").status != HTTPStatus.ACCEPTED:
        pass  # the server is told of it in its own time
    assert len(served.site.runner.pending) == 2  # what was accepted goes on


def test_who_hangs_up_may_cancel(served: Served) -> None:
    gone = served.tcp()
    gone.request("POST", "/v1/tasks/a:run?hangup=cancel", b"1")
    served.wait_for_pending(1)
    assert served.ask("POST", "/v1/tasks/a:run?wait=false", b"2").status == HTTPStatus.ACCEPTED
    gone.close()
    while not served.site.runner.cancelled:
        pass  # the server is told of it in its own time
    assert served.site.runner.cancelled == {1}


def test_cancelling(served: Served) -> None:
    numbers = [served.ask("POST", "/v1/tasks/a:run?wait=false", b"7").body["id"] for _ in range(2)]
    where = f"/v1/invocations/{numbers[0]}"
    answer = served.ask("DELETE", where)
    assert (answer.status, answer.body["outcome"]) == (HTTPStatus.ACCEPTED, None)
    assert answer.headers["Location"] == where
    served.site.finish()
    answer = served.ask("GET", where)
    assert (answer.status, answer.body["outcome"]) == (503, "cancelled")
    assert served.ask("GET", f"/v1/invocations/{numbers[1]}").body["result"] == 7
    answer = served.ask("DELETE", where)
    assert answer.status == HTTPStatus.CONFLICT
    assert answer.body["error"] == f"invocation {numbers[0]} has ended already"
    for unknown in ("0", "x", "9" * 30, "%00"):
        assert served.ask("DELETE", f"/v1/invocations/{unknown}").status == HTTPStatus.NOT_FOUND


def test_what_is_no_http_disturbs_nobody(
    served: Served, rand: Seeded, capfd: pytest.CaptureFixture[str]
) -> None:
    for raw in (
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"POST /v1/tasks/a:run HTTP/1.1\r\n",
        rand.randbytes(999),
    ):
        connection = served.tcp()
        connection.connect()
        connection.sock.sendall(raw)
        connection.close()
    connection = served.tcp()
    connection.putrequest("POST", "/v1/tasks/a:run")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"half")
    connection.close()
    assert finish(served, Waiter(served, "/v1/tasks/a:run", b"1")).status == HTTPStatus.OK
    assert "Traceback" not in capfd.readouterr().err


def test_many_at_once_get_their_own_results(served: Served) -> None:
    over = threading.Event()

    def collect() -> None:
        while not over.is_set() or served.site.runner.pending:
            served.site.finish(count=5)

    wrong: list[Answer] = []

    def client(number: int) -> None:
        for each in range(20):
            method = served.ask if number % 2 else served.ask_unix
            answer = method("POST", "/v1/tasks/a:run", json.dumps([number, each]).encode())
            if answer.status != HTTPStatus.OK or answer.body["result"] != [number, each]:
                wrong.append(answer)

    collector = threading.Thread(target=collect)
    collector.start()
    clients = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join(PATIENCE)
    over.set()
    collector.join()
    assert wrong == []


def test_switching(served: Served) -> None:
    answer = served.ask("POST", "/v1/tasks/a:pause")
    assert answer.body == {"name": "a", "enabled": True, "paused": True}
    refused = served.ask("POST", "/v1/tasks/a:run", b"1")
    assert (refused.status, "Retry-After" in refused.headers) == (503, True)
    served.ask("POST", "/v1/tasks/a:resume")
    served.ask("POST", "/v1/lanes/regular:disable")
    refused = served.ask("POST", "/v1/tasks/a:run", b"1")
    assert (refused.status, "Retry-After" in refused.headers) == (503, False)
    lanes = {lane["name"]: lane["enabled"] for lane in served.ask("GET", "/v1/lanes").body["lanes"]}
    assert lanes == {"core": True, "regular": False, "low": True}
    served.ask("POST", "/v1/lanes/regular:enable")
    assert served.ask("POST", "/v1/tasks/a:run?wait=false", b"1").status == HTTPStatus.ACCEPTED


def test_what_is_off_can_be_switched_on_when_it_is_gone(served: Served) -> None:
    served.site.switches.turn("task", "gone", Verb.PAUSE)
    assert served.ask("POST", "/v1/tasks/gone:resume").status == HTTPStatus.OK
    assert served.ask("POST", "/v1/tasks/gone:resume").status == HTTPStatus.NOT_FOUND


def test_tasks(served: Served) -> None:
    served.ask("POST", "/v1/tasks/a:run?wait=false", b"1")
    served.site.registry.deploy(bundle("a", version="2.0"))
    everything = served.ask("GET", "/v1/tasks").body
    assert everything["refused"] == [{"path": "bad.bundle", "reason": "it is bad"}]
    one = served.ask("GET", "/v1/tasks/a").body
    assert one["versions"] == everything["tasks"]
    assert [(each["version"], each["state"], each["pending"]) for each in one["versions"]] == [
        ("2.0", "live", 0),
        ("1.0", "draining", 1),
    ]


def test_health_and_readiness(served: Served) -> None:
    assert served.ask("GET", "/readyz").status == HTTPStatus.OK
    served.unready.append("not yet")
    answer = served.ask("GET", "/readyz")
    assert (answer.status, answer.body) == (503, {"error": "not yet"})
    assert served.ask("GET", "/healthz").status == HTTPStatus.OK


def test_metrics_in_either_form(served: Served) -> None:
    answer = served.ask("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert 'polyvm_bundles{state="live"} 1.0' in answer.body
    answer = served.ask("GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.body.endswith("# EOF\n")
