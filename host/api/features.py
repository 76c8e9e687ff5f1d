"""The API of tables of features.

GET    /v1/features                 the tables, and their figures
GET    /v1/features/TABLE           rows of all keys: ?at_ns=&most=
POST   /v1/features/TABLE           rows: a JSON array, or JSON lines by their type: ?merge=
GET    /v1/features/TABLE/KEY       the row of a key: ?at_ns=, or all with ?history=true
PUT    /v1/features/TABLE/KEY       its values, a JSON object: ?time_ns=&merge=
DELETE /v1/features/TABLE/KEY       from a time on it has nothing: ?time_ns=
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from aiohttp import web

from polyvm.host import codec
from polyvm.host.api import answers
from polyvm.host.errors import MissingError
from polyvm.host.event_store import Nanoseconds
from polyvm.host.features import MOST, Given
from polyvm.vm import LATEST, StoreError

if TYPE_CHECKING:
    from polyvm.host.features import FeatureTables, Row
    from polyvm.vm import PutReport

_LINES = frozenset({"application/x-ndjson", "application/jsonl", "application/x-jsonlines"})
_READ_WITHIN = 30.0  # seconds for a body to come in


class _Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What any of them takes."""


class _Reading(_Query, frozen=True, kw_only=True):
    at_ns: Nanoseconds = LATEST
    most: int = MOST
    history: bool = False


class _Merging(_Query, frozen=True, kw_only=True):
    merge: bool = False


class _Writing(_Merging, frozen=True, kw_only=True):
    time_ns: Nanoseconds | None = None


_Kind = TypeVar("_Kind", bound=_Query)


class FeatureApi:
    """Reads and writes rows."""

    def __init__(self, features: FeatureTables) -> None:
        self._features = features

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses."""
        table = "/v1/features/{table:[^/]+}"
        return [
            web.get("/v1/features", self.tables),
            web.get(table, self.scan),
            web.post(table, self.load),
            web.get(table + "/{key:.+}", self.get),
            web.put(table + "/{key:.+}", self.put),
            web.delete(table + "/{key:.+}", self.remove),
        ]

    async def tables(self, request: web.Request) -> web.Response:
        """Answer what tables there are."""
        del request
        told = [msgspec.to_builtins(each) for each in self._features.stats()]
        return answers.of_json({"tables": told})

    async def scan(self, request: web.Request) -> web.Response:
        """Answer the rows of all keys."""
        try:
            query = _query(request, _Reading)
            most = min(max(query.most, 0), MOST)
            rows = await asyncio.to_thread(
                self._features.scan, request.match_info["table"], query.at_ns, most
            )
        except (ValueError, MissingError) as error:
            return _refused(error)
        return _of_rows(rows)

    async def get(self, request: web.Request) -> web.Response:
        """Answer the row of a key, or all of them."""
        table, key = request.match_info["table"], request.match_info["key"]
        try:
            query = _query(request, _Reading)
            if query.history:
                return _of_rows(await asyncio.to_thread(self._features.history, table, key))
            row = self._features.get(table, key, query.at_ns)
        except (ValueError, MissingError) as error:
            return _refused(error)
        if row is None:
            return answers.of_error(
                HTTPStatus.NOT_FOUND, f"table {table!r} has no row of {key[:80]!r}"
            )
        return _of_json(row._asdict())

    async def put(self, request: web.Request) -> web.Response:
        """Put the values of a key."""
        try:
            query = _query(request, _Writing)
            values = msgspec.json.decode(await _body(request), type=dict[str, Any])
        except (ValueError, TimeoutError) as error:
            return _refused(error)
        row = Given(key=request.match_info["key"], time_ns=query.time_ns, values=values)
        return await self._put(request, [row], merge=query.merge)

    async def remove(self, request: web.Request) -> web.Response:
        """Let a key have nothing."""
        try:
            query = _query(request, _Writing)
        except ValueError as error:
            return _refused(error)
        row = Given(key=request.match_info["key"], time_ns=query.time_ns, values=None)
        return await self._put(request, [row])

    async def load(self, request: web.Request) -> web.Response:
        """Put rows of many keys, those before the first that is refused."""
        try:
            query = _query(request, _Merging)
            body = await _body(request)
            rows = (
                msgspec.json.Decoder(Given).decode_lines(body)
                if request.content_type in _LINES
                else msgspec.json.decode(body, type=list[Given])
            )
        except (ValueError, TimeoutError) as error:
            return _refused(error)
        return await self._put(request, rows, merge=query.merge)

    async def _put(
        self, request: web.Request, rows: list[Given], *, merge: bool = False
    ) -> web.Response:
        try:
            report = await asyncio.to_thread(
                self._features.put, request.match_info["table"], rows, merge=merge
            )
        except (TypeError, ValueError, OverflowError, MissingError) as error:
            return _refused(error)
        return _of_report(report)


def _query(request: web.Request, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.convert(dict(request.query), kind, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"the query: {error}") from None


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(_READ_WITHIN):
            return await request.read()
    except TimeoutError:
        raise TimeoutError(f"no values came within {_READ_WITHIN:.0f} s") from None


def _refused(error: Exception) -> web.Response:
    if isinstance(error, MissingError):
        return answers.of_error(HTTPStatus.NOT_FOUND, str(error))
    if isinstance(error, TimeoutError):
        return answers.of_error(HTTPStatus.REQUEST_TIMEOUT, str(error))
    what = "the body: " if isinstance(error, msgspec.DecodeError) else ""
    return answers.of_error(HTTPStatus.BAD_REQUEST, f"{what}{error}")


def _of_report(report: PutReport) -> web.Response:
    if report.error is None:
        return answers.of_json({"put": report.put})
    full = isinstance(report.error, StoreError)
    status = HTTPStatus.INSUFFICIENT_STORAGE if full else HTTPStatus.BAD_REQUEST
    why = f"row {report.put + 1}: {report.error}"
    return answers.of_json({"error": why, "put": report.put}, status)


def _of_rows(rows: list[Row]) -> web.Response:
    return _of_json({"rows": [row._asdict() for row in rows]})


def _of_json(value: Any) -> web.Response:
    """Arrays of `polyvm.np` come as nested lists."""
    body = msgspec.json.encode(value, enc_hook=codec.as_json)
    return web.Response(body=body, content_type="application/json")
