"""The API's addresses of circuit breakers."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from polyvm.host import log
from polyvm.host.api import answers
from polyvm.host.breakers import Hold

if TYPE_CHECKING:
    from polyvm.host.breakers import Snapshot
    from polyvm.host.registry import Registry

_HOLDS = {"open": Hold.HOLD_OPEN, "close": Hold.HOLD_CLOSED, "auto": Hold.AUTO}


class BreakerApi:
    """Tells of the breakers of live tasks, and does as operators say."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses with what they do."""
        verbs = "|".join(_HOLDS)
        return [
            web.get("/v1/breakers", self._all),
            web.get("/v1/tasks/{name:[^/:]+}:breaker", self._one),
            web.post(f"/v1/tasks/{{name:[^/:]+}}:breaker-{{verb:{verbs}}}", self._force),
        ]

    async def _all(self, request: web.Request) -> web.Response:
        del request
        seen = await asyncio.to_thread(self._registry.breakers)
        return answers.of_json(
            {
                "breakers": [
                    {"name": name, "breaker": answers.breaker(each)} for name, each in seen.items()
                ]
            }
        )

    async def _one(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return self._told(name, self._registry.breaker(name))

    async def _force(self, request: web.Request) -> web.Response:
        name, verb = request.match_info["name"], request.match_info["verb"]
        seen = self._registry.force_breaker(name, _HOLDS[verb])
        if seen is not None:
            log.get().info("breaker forced", task=name, verb=verb)
        return self._told(name, seen)

    def _told(self, name: str, seen: Snapshot | None) -> web.Response:
        if seen is None:
            return answers.of_error(HTTPStatus.NOT_FOUND, f"no task {name!r} is here")
        return answers.of_json({"name": name, "breaker": answers.breaker(seen)})
