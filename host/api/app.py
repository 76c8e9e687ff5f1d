"""The API's addresses and what they do.

    POST /v1/tasks/NAME:run                          payload: JSON; see request.py
    POST /v1/tasks/NAME:enable|disable|pause|resume  also /v1/lanes/NAME:...
    POST /v1/tasks/NAME:breaker-open|breaker-close|breaker-auto
    GET  /v1/tasks, /v1/tasks/NAME, /v1/tasks/NAME:breaker, /v1/breakers
    POST /v1/events                                  one event or an array; GET /v1/triggers
    GET  /v1/flows
    POST /v1/triggers/TASK.TRIGGER:enable|disable
    GET  /v1/jobs; POST /v1/jobs/NAME:run
    GET  /v1/series                                  see series.py
    GET, POST, PUT, DELETE /v1/features/...          see features.py
    GET  /v1/lanes, /v1/invocations/ID
    DELETE /v1/invocations/ID                        cancel it
    GET  /healthz, /readyz, /metrics

Every answer but that of /metrics is JSON; one that is no success has the field `error`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from polyvm.host import log
from polyvm.host.api import answers
from polyvm.host.api.access import objection
from polyvm.host.api.breakers import BreakerApi
from polyvm.host.api.events import EventApi
from polyvm.host.api.features import FeatureApi
from polyvm.host.api.flows import FlowApi
from polyvm.host.api.jobs import JobApi
from polyvm.host.api.request import run_options
from polyvm.host.api.series import SeriesApi
from polyvm.host.deployment import State
from polyvm.host.lines import MAX_LINE_BYTES
from polyvm.host.manifest import LANES
from polyvm.host.payload import from_json
from polyvm.host.switches import KINDS, Kind, Verb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from polyvm.host.api.access import Access
    from polyvm.host.api.backend import Backend
    from polyvm.host.invocations import Invocation

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_KINDS: dict[str, Kind] = {kind: kind for kind in KINDS}
MAX_BODY_BYTES = MAX_LINE_BYTES  # a payload may be as long as a line of the feed
MAX_RUNS = 256  # requests that run a task at a time
_READ_WITHIN = 30.0  # seconds for a body to come in


def make(access: Access, backend: Backend) -> web.Application:
    """Return the application, to be served by one loop."""
    app = web.Application(
        client_max_size=MAX_BODY_BYTES, middlewares=[_in_json, _only_heard(access)]
    )
    api = _Api(backend)
    app.add_routes(
        [
            *BreakerApi(backend.registry).routes(),
            *FlowApi(backend.registry).routes(),
            *EventApi(
                backend.registry, backend.events, backend.event_store, backend.streams
            ).routes(),
            *SeriesApi(backend.event_store).routes(),
            *JobApi(backend.jobs).routes(),
            *FeatureApi(backend.features).routes(),
            web.post("/v1/tasks/{name:[^/:]+}:run", api.run),
            web.post("/v1/{kind:tasks|lanes|triggers}/{name:[^/:]+}:{verb:[a-z]+}", api.switch),
            web.get("/v1/tasks", api.tasks),
            web.get("/v1/tasks/{name:[^/:]+}", api.task),
            web.get("/v1/lanes", api.lanes),
            web.get("/v1/invocations/{id}", api.invocation),
            web.delete("/v1/invocations/{id}", api.cancel),
            web.get("/healthz", api.health),
            web.get("/readyz", api.readiness),
            web.get("/metrics", api.metrics),
        ]
    )
    return app


@web.middleware
async def _in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors as JSON too. A bug of ours is logged, and ends one request only."""
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return answers.of_error(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the payload is larger than {MAX_BODY_BYTES} bytes",
        )
    except web.HTTPException as error:
        response = answers.of_error(
            HTTPStatus(error.status), f"{request.method} {request.path[:200]}: {error.reason}"
        )
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception as error:  # noqa: BLE001 - one request must not end the host
        log.get().error("request failed", path=request.path, error=repr(error))
        return answers.of_error(HTTPStatus.INTERNAL_SERVER_ERROR, "the host failed; see its log")


def _only_heard(access: Access) -> Any:
    @web.middleware
    async def hear(request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None, "a request has one until it is answered"
        tcp = transport.get_extra_info("socket").family != socket.AF_UNIX
        reason = objection(access, request.headers, tcp=tcp)
        if reason is not None:
            return answers.of_error(HTTPStatus.FORBIDDEN, reason)
        return await handler(request)

    return hear


class _Api:
    def __init__(self, backend: Backend) -> None:
        self._host = backend
        self._runs = 0
        self._scraping = asyncio.Lock()

    async def run(self, request: web.Request) -> web.Response:
        async with self._place():
            if self._runs > MAX_RUNS:
                return answers.of_error(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    f"{MAX_RUNS} requests run tasks already; come back, or use wait=false",
                    retry=True,
                )
            try:
                options = run_options(request.query, request.headers)
                async with asyncio.timeout(_READ_WITHIN):
                    body = await request.read()
                payload = _payload(body)
            except TimeoutError:
                return answers.of_error(
                    HTTPStatus.REQUEST_TIMEOUT, f"no payload came within {_READ_WITHIN:.0f} s"
                )
            except ValueError as error:
                return answers.of_error(HTTPStatus.BAD_REQUEST, str(error))
            name = request.match_info["name"]
            breaker = partial(self._host.registry.breaker, name)
            try:
                invocation = self._host.invocations.submit_packed(
                    name,
                    payload,
                    deadline_ns=options.deadline_ns,
                    priority=options.priority,
                    trace=options.trace,
                )
            except Exception as error:  # noqa: BLE001 - raised again if it is no refusal
                return answers.of_refusal(error, breaker)
            if not options.wait:
                return answers.of_accepted(invocation)
            try:
                ended = await invocation.wait()
            except asyncio.CancelledError:  # the client hung up
                if options.cancel:
                    invocation.cancel()
                raise
            return answers.of_end(invocation, ended, breaker)

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        self._runs += 1
        try:
            yield
        finally:
            self._runs -= 1

    async def switch(self, request: web.Request) -> web.Response:
        kind, name = request.match_info["kind"].removesuffix("s"), request.match_info["name"]
        try:
            verb = Verb(request.match_info["verb"])
        except ValueError:
            raise web.HTTPNotFound from None
        if not self._knows(kind, name):
            return answers.of_error(HTTPStatus.NOT_FOUND, f"no {kind} {name!r} is here")
        if kind == "trigger" and verb in (Verb.PAUSE, Verb.RESUME):
            return answers.of_error(
                HTTPStatus.BAD_REQUEST, "a trigger is enabled or disabled; pause its task instead"
            )
        setting = self._host.switches.turn(_KINDS[kind], name, verb)
        log.get().info("switched", **{kind: name}, verb=verb.value)
        return answers.of_json({"name": name, "enabled": setting.enabled, "paused": setting.paused})

    def _knows(self, kind: str, name: str) -> bool:
        if kind == "lane":
            return name in LANES
        if self._host.switches.is_off(_KINDS[kind], name):
            return True  # what is off may be switched on again when it is gone
        if kind == "trigger":
            return self._host.registry.firing.knows(name)
        return self._host.registry.live(name) is not None

    async def tasks(self, request: web.Request) -> web.Response:
        del request
        tasks = await self._rows()
        refused = [{"path": path, "reason": reason} for path, reason in self._host.refused()]
        return answers.of_json(
            {
                "tasks": tasks,
                "refused": refused,
                "lanes": self._lanes(tasks),
                "threads": asdict(self._host.threads()),
            }
        )

    async def task(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        versions = [row for row in await self._rows() if row["name"] == name]
        if not versions:
            return answers.of_error(HTTPStatus.NOT_FOUND, f"no task {name!r} is here")
        return answers.of_json({"name": name, "versions": versions})

    async def _rows(self) -> list[dict[str, Any]]:
        switches = self._host.switches
        # Percentiles of hundreds of tasks take a while.
        rows = await asyncio.to_thread(self._host.registry.snapshot)
        breakers = await asyncio.to_thread(self._host.registry.breakers)
        return [
            answers.task(row, switches.setting("task", row.name), breakers.get(row.name))
            for row in rows
            if row.state is not State.WITHDRAWN
        ]

    async def lanes(self, request: web.Request) -> web.Response:
        del request
        return answers.of_json({"lanes": self._lanes(await self._rows())})

    def _lanes(self, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        lanes = []
        for name in LANES:
            setting = self._host.switches.setting("lane", name)
            own = [task for task in tasks if task["lane"] == name]
            lanes.append(
                {
                    "name": name,
                    "enabled": setting.enabled,
                    "paused": setting.paused,
                    "pending": sum(task["pending"] for task in own),
                    "running": sum(task["running"] for task in own),
                }
            )
        return lanes

    def _find(self, text: str) -> Invocation | None:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 20 else -1
        return self._host.invocations.find(number)

    async def cancel(self, request: web.Request) -> web.Response:
        text = request.match_info["id"]
        found = self._find(text)
        if found is None:
            return answers.of_unknown(text)
        # It looks through all queues, which may be long.
        if not await asyncio.to_thread(found.cancel):
            return answers.of_error(HTTPStatus.CONFLICT, f"invocation {found.id} has ended already")
        return answers.of_accepted(found)

    async def invocation(self, request: web.Request) -> web.Response:
        text = request.match_info["id"]
        found = self._find(text)
        if found is None:
            return answers.of_unknown(text)
        if not found.done():
            return answers.of_accepted(found)
        breaker = partial(self._host.registry.breaker, found.task)
        return answers.of_end(found, found.ended(0), breaker)

    async def health(self, request: web.Request) -> web.Response:
        del request
        return answers.of_json({"status": "alive"})

    async def readiness(self, request: web.Request) -> web.Response:
        del request
        reason = self._host.unready()
        if reason is not None:
            return answers.of_error(HTTPStatus.SERVICE_UNAVAILABLE, reason)
        return answers.of_json({"status": "ready"})

    async def metrics(self, request: web.Request) -> web.Response:
        async with self._scraping:
            body, content_type = await asyncio.to_thread(
                self._host.metrics.exposition, request.headers.get("Accept", "")
            )
        return web.Response(body=body, headers={"Content-Type": content_type})


def _payload(body: bytes) -> bytes:
    try:
        return from_json(body)[1]
    except ValueError as error:
        raise ValueError(f"the payload {error}") from None
