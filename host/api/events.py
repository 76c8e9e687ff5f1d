"""The API of events and triggers.

POST /v1/events      one event, a JSON object, or an array; JSON lines or MessagePack by their type
GET  /v1/events      those that are kept, by stream, key, time or number
GET  /v1/streams     in which streams
GET  /v1/streams/fields  which fields those have that a query asks for
GET  /v1/triggers    those that are live, and their figures
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from polyvm.host import ingestion
from polyvm.host.api import answers
from polyvm.host.errors import MissingError
from polyvm.host.event_store import Query, fields, read
from polyvm.host.ingestion import Batch
from polyvm.host.invocations import Stopping
from polyvm.host.payload import from_json
from polyvm.vm import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polyvm.host.event_report import EventReport
    from polyvm.host.events import Events
    from polyvm.host.registry import Registry
    from polyvm.host.streams import Declared
    from polyvm.vm import EventStore

_MOST = 100_000  # events of one answer
_NOT_KEPT = "this host keeps no events: start it with --events DIR"
_LINES = frozenset({"application/x-ndjson", "application/jsonl", "application/x-jsonlines"})
_PACKED = frozenset({"application/vnd.msgpack", "application/msgpack", "application/x-msgpack"})
_READ_WITHIN = 30.0  # seconds for a body to come in


class EventApi:
    """Hands events to triggers. What they start runs on its own; results go to the results file."""

    def __init__(
        self,
        registry: Registry,
        events: Events,
        store: EventStore | None,
        streams: Mapping[str, Declared],
    ) -> None:
        self._registry = registry
        self._events = events
        self._store = store
        self._streams = streams

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses."""
        return [
            web.post("/v1/events", self.put),
            web.get("/v1/events", self.read),
            web.get("/v1/streams", self.streams),
            web.get("/v1/streams/fields", self.fields),
            web.get("/v1/triggers", self.triggers),
        ]

    async def put(self, request: web.Request) -> web.Response:
        """Answer what the events came to, refused invocations with their reasons."""
        unknown = request.query.keys() - {"stream"}
        if unknown:
            return answers.of_error(
                HTTPStatus.BAD_REQUEST, f"unknown parameter {min(unknown)[:100]!r}; there is stream"
            )
        try:
            async with asyncio.timeout(_READ_WITHIN):
                body = await request.read()
            batches = _batches(request.content_type, body, strict=self._store is None)
        except TimeoutError:
            return answers.of_error(
                HTTPStatus.REQUEST_TIMEOUT, f"no events came within {_READ_WITHIN:.0f} s"
            )
        except ValueError as error:
            return answers.of_error(HTTPStatus.BAD_REQUEST, str(error))
        stream = request.query.get("stream", "")
        try:
            report = await asyncio.to_thread(
                self._events.put_batches, batches, stream=stream, source="http"
            )
        except Stopping as error:
            return answers.of_error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return _of_report(report)

    async def read(self, request: web.Request) -> web.Response:
        """Answer the events that a query asks for."""
        if self._store is None:
            return answers.of_error(HTTPStatus.NOT_FOUND, _NOT_KEPT)
        try:
            query = msgspec.convert(dict(request.query), Query, strict=False)
            query = msgspec.structs.replace(query, most=min(query.most, _MOST))
            found = await asyncio.to_thread(read, self._store, query)
        except msgspec.ValidationError as error:
            return answers.of_error(HTTPStatus.BAD_REQUEST, f"the query: {error}")
        except MissingError as error:
            return answers.of_error(HTTPStatus.NOT_FOUND, str(error))
        return answers.of_json({"events": [one._asdict() for one in found]})

    async def fields(self, request: web.Request) -> web.Response:
        """Answer the fields of the events that a query asks for, whatever their key."""
        if self._store is None:
            return answers.of_error(HTTPStatus.NOT_FOUND, _NOT_KEPT)
        try:
            query = msgspec.convert(dict(request.query), Query, strict=False)
            found = await asyncio.to_thread(fields, self._store, query)
        except msgspec.ValidationError as error:
            return answers.of_error(HTTPStatus.BAD_REQUEST, f"the query: {error}")
        except MissingError as error:
            return answers.of_error(HTTPStatus.NOT_FOUND, str(error))
        return answers.of_json(found._asdict())

    async def streams(self, request: web.Request) -> web.Response:
        """Answer what streams there are."""
        del request
        if self._store is None:
            return answers.of_error(HTTPStatus.NOT_FOUND, _NOT_KEPT)
        told = []
        for each in self._store.streams():
            declared = self._streams.get(each.name)
            fields = list(declared.fields or ()) if declared is not None else []
            told.append({**msgspec.to_builtins(each), "fields": fields, **self._intake(each.name)})
        return answers.of_json({"streams": told})

    def _intake(self, stream: str) -> dict[str, int]:
        """What a declared stream did not take; nothing for one that is not declared."""
        stats = self._registry.firing.intake(stream) if stream in self._streams else None
        return {} if stats is None else {"duplicates": stats.duplicates, "dead": stats.dead}

    async def triggers(self, request: web.Request) -> web.Response:
        """Answer which triggers are live, and what they did."""
        del request
        figures = await asyncio.to_thread(self._registry.firing.trigger_figures)
        each = figures[1] if figures is not None else []
        return answers.of_json(
            {
                "triggers": [
                    {
                        "name": one.name,
                        "task": one.task,
                        "kind": one.kind,
                        "enabled": one.enabled,
                        "fired": one.fired,
                        "missed": one.missed,
                        "next": one.next_ns / 10**9 if one.next_ns is not None else None,
                    }
                    for one in each
                ]
            }
        )


def _batches(content_type: str, body: bytes, *, strict: bool) -> Iterable[Batch]:
    """Read a body. strict: what is in it must be events, as there are no dead letters."""
    if content_type in _LINES:
        return ingestion.batches(body)
    if content_type in _PACKED:
        return [Batch(body)]
    try:
        value, packed = from_json(body)
    except ValueError as error:
        raise ValueError(f"the body {error}") from None
    events = value if isinstance(value, list) else [value]
    if (strict or value is not events) and not all(isinstance(each, dict) for each in events):
        raise ValueError("the body is one event, a JSON object, or an array of such")
    return [Batch(packed)]


def _of_report(report: EventReport) -> web.Response:
    told = {
        "events": report.events,
        "matched": report.matched,
        "fired": len(report.starts),
        "accepted": report.accepted,
        "refused": [
            {"task": start.task, "trigger": start.trigger, "error": str(start.error)}
            for start in report.starts
            if start.error is not None
        ],
        "duplicates": report.duplicates,
        "dead": report.dead,
    }
    if report.error is None:
        return answers.of_json(told)
    if isinstance(report.error, DecodeError):
        status, why = HTTPStatus.BAD_REQUEST, f"event {report.events + 1}: {report.error}"
    else:
        status, why = HTTPStatus.INSUFFICIENT_STORAGE, f"not all was kept: {report.error}"
    return web.json_response({"error": why, **told}, status=status)
