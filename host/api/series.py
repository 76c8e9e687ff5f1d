"""GET /v1/series: the numbers of a field of kept events over time."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from polyvm.host import series
from polyvm.host.api import answers
from polyvm.host.errors import MissingError, UsageError

if TYPE_CHECKING:
    from polyvm.vm import EventStore


class SeriesApi:
    """Reads from a host's store of events."""

    def __init__(self, store: EventStore | None) -> None:
        self._store = store

    def routes(self) -> list[web.RouteDef]:
        """Return the address."""
        return [web.get("/v1/series", self.read)]

    async def read(self, request: web.Request) -> web.Response:
        """Answer the rows that a query asks for."""
        if self._store is None:
            return answers.of_error(
                HTTPStatus.NOT_FOUND, "this host keeps no events: start it with --events DIR"
            )
        try:
            query = msgspec.convert(dict(request.query), series.Query, strict=False)
            rows = await asyncio.to_thread(series.read, self._store, query)
        except (msgspec.ValidationError, UsageError) as error:
            return answers.of_error(HTTPStatus.BAD_REQUEST, f"the query: {error}")
        except MissingError as error:
            return answers.of_error(HTTPStatus.NOT_FOUND, str(error))
        return answers.of_json({"series": rows})
