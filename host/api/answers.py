"""What the API answers: JSON bodies and their status codes."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from polyvm.host import results, traces
from polyvm.host.breakers import Hold
from polyvm.host.invocations import NoSuchTask, Stopping
from polyvm.host.switches import Disabled, Paused
from polyvm.vm import BreakerOpen, Outcome, QueueFull, RateLimited, StateError, UnknownTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyvm.host.breakers import Snapshot
    from polyvm.host.figures import Row
    from polyvm.host.invocations import Ended, Invocation
    from polyvm.host.switches import Setting

_JSON = "application/json"
_RETRY_AFTER = 1  # seconds

_OF_OUTCOME = {
    "done": HTTPStatus.OK,
    "timed_out": HTTPStatus.GATEWAY_TIMEOUT,
    "cancelled": HTTPStatus.SERVICE_UNAVAILABLE,
    "rejected": HTTPStatus.SERVICE_UNAVAILABLE,  # the breaker opened while it was queued
}
_OF_REFUSAL: dict[type[Exception], HTTPStatus] = {
    NoSuchTask: HTTPStatus.NOT_FOUND,
    QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    BreakerOpen: HTTPStatus.SERVICE_UNAVAILABLE,
    Disabled: HTTPStatus.SERVICE_UNAVAILABLE,
    Paused: HTTPStatus.SERVICE_UNAVAILABLE,
    Stopping: HTTPStatus.SERVICE_UNAVAILABLE,
    StateError: HTTPStatus.SERVICE_UNAVAILABLE,
    UnknownTask: HTTPStatus.SERVICE_UNAVAILABLE,
}
_WORTH_A_RETRY = (QueueFull, RateLimited, Paused)


class _Head(msgspec.Struct):
    outcome: str


def of_json(value: Any, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Answer with a value."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type=_JSON)


def of_error(status: HTTPStatus, sentence: str, *, retry: bool = False) -> web.Response:
    """Answer that the request was not carried out."""
    response = of_json({"error": sentence}, status)
    if retry:
        response.headers["Retry-After"] = str(_RETRY_AFTER)
    return response


def of_refusal(error: Exception, breaker: Callable[[], Snapshot | None]) -> web.Response:
    """Answer that an invocation was not accepted; ``breaker`` reads its task's."""
    status = next((_OF_REFUSAL[kind] for kind in type(error).mro() if kind in _OF_REFUSAL), None)
    if status is None:
        raise error
    response = of_error(status, str(error), retry=isinstance(error, _WORTH_A_RETRY))
    if isinstance(error, BreakerOpen):
        _add_rest(response, breaker())
    return response


def _add_rest(response: web.Response, seen: Snapshot | None) -> None:
    """Say when the breaker may let invocations in. Of an operator's order nobody knows."""
    if seen is None or seen.hold is not Hold.HOLD_OPEN:
        rest = math.ceil(seen.remaining_ns / 10**9) if seen is not None else 0
        response.headers["Retry-After"] = str(max(rest, _RETRY_AFTER))


def of_accepted(invocation: Invocation) -> web.Response:
    """Answer that an invocation is on its way, and where to ask for its end."""
    response = of_json(
        {"id": str(invocation.id), "task": invocation.task, "outcome": None}, HTTPStatus.ACCEPTED
    )
    response.headers["Location"] = f"/v1/invocations/{invocation.id}"
    return response


def of_unknown(number: str) -> web.Response:
    """Answer that there is no such invocation, as far as the host remembers."""
    return of_error(
        HTTPStatus.NOT_FOUND,
        f"no invocation {number[:40]!r} is known; ended ones are remembered for a while",
    )


def of_end(
    invocation: Invocation, ended: Ended, breaker: Callable[[], Snapshot | None]
) -> web.Response:
    """Answer how an invocation ended; ``breaker`` reads its task's.

    Ids are text, as they are too long for many JSON readers.
    """
    fields = results.record(ended.completion, ended.manifest)
    del fields["line"], fields["id"]
    fields = {"id": str(invocation.id), **fields, "load_us": ended.completion.load_ns // 1000}
    if ended.trace is not None:
        fields["trace"] = traces.fields(ended.trace)
    body = results.encode(fields)
    # JSON cannot hold every result, and then the outcome is another one.
    outcome = msgspec.json.decode(body, type=_Head).outcome
    status = _OF_OUTCOME.get(outcome, HTTPStatus.INTERNAL_SERVER_ERROR)
    response = web.Response(body=body, status=status, content_type=_JSON)
    if ended.completion.outcome is Outcome.REJECTED:
        _add_rest(response, breaker())
    return response


def breaker(seen: Snapshot | None) -> dict[str, Any] | None:
    """Return what the API tells of a task's circuit breaker."""
    if seen is None:
        return None
    return {
        "state": seen.state,
        "hold": seen.hold,
        "reason": seen.reason,
        "remaining_s": seen.remaining_ns / 10**9,
        "failures": seen.failures,
        "refused": seen.refused,
        "openings": seen.opened,
    }


def task(row: Row, setting: Setting, seen: Snapshot | None) -> dict[str, Any]:
    """Return what the API tells of one version of a task, and of the breaker of all of them."""
    return {
        "name": row.name,
        "version": row.version,
        "state": row.state,
        "lane": row.lane,
        "enabled": setting.enabled,
        "paused": setting.paused,
        "pending": row.pending,
        "running": row.running,
        "runs": row.runs,
        "failures": row.failures,
        "p50_us": row.p50_ns / 1000,
        "p99_us": row.p99_ns / 1000,
        "vms": row.vms,
        "memory_bytes": row.memory_bytes,
        "breaker": breaker(seen),
    }
