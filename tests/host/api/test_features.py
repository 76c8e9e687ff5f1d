"""The addresses of tables of features."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.tables import Bounds

if TYPE_CHECKING:
    from tests.host.api.conftest import Answer, Served


@pytest.fixture
def tables(served: Served) -> Served:
    served.features.declare({"t": Bounds(versions=3), "ü/x": Bounds()})
    return served


def put(served: Served, target: str, body: Any, **headers: str) -> Answer:
    method = "POST" if isinstance(body, list) else "PUT"
    return served.ask(method, target, json.dumps(body).encode(), **headers)


def test_one_row(tables: Served) -> None:
    assert put(tables, "/v1/features/t/ada?time_ns=5", {"a": 1}).body == {"put": 1}
    assert put(tables, "/v1/features/t/ada?time_ns=7&merge=true", {"b": 2}).body == {"put": 1}
    row = {"key": "ada", "time_ns": 7, "version": 2, "values": {"a": 1, "b": 2}}
    assert tables.ask("GET", "/v1/features/t/ada").body == row
    assert tables.ask_unix("GET", "/v1/features/t/ada?at_ns=6").body["values"] == {"a": 1}
    history = tables.ask("GET", "/v1/features/t/ada?history=true").body["rows"]
    assert [each["time_ns"] for each in history] == [5, 7]
    assert tables.ask("DELETE", "/v1/features/t/ada?time_ns=9").body == {"put": 1}
    gone = tables.ask("GET", "/v1/features/t/ada")
    assert gone.status == HTTPStatus.NOT_FOUND
    assert gone.body == {"error": "table 't' has no row of 'ada'"}
    assert tables.ask("GET", "/v1/features/t/ada?at_ns=8").status == HTTPStatus.OK


def test_names_with_odd_letters(tables: Served) -> None:
    target = "/v1/features/%C3%BC%2Fx/a%2Fb%20c%3F"
    assert put(tables, target, {"n": 1}).status == HTTPStatus.OK
    assert tables.ask("GET", target).body["key"] == "a/b c?"


def test_many_rows(tables: Served) -> None:
    rows = [{"key": f"k{n}", "time_ns": n, "values": {"n": n}} for n in range(10)]
    assert put(tables, "/v1/features/t", rows).body == {"put": 10}
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    done = tables.ask("POST", "/v1/features/t", lines, Content_Type="application/x-ndjson")
    assert done.body == {"put": 10}
    found = tables.ask("GET", "/v1/features/t").body["rows"]
    assert sorted(each["key"] for each in found) == sorted(row["key"] for row in rows)
    assert len(tables.ask("GET", "/v1/features/t?most=3").body["rows"]) == 3
    assert len(tables.ask("GET", "/v1/features/t?at_ns=4").body["rows"]) == 5
    assert put(tables, "/v1/features/t", found).body == {"put": 10}  # what was read goes in again
    told = tables.ask("GET", "/v1/features").body["tables"]
    assert [each["name"] for each in told] == ["t", "ü/x"]
    assert told[0]["puts"] == 30


@pytest.mark.parametrize(
    ("asked", "body", "status", "why"),
    [
        (
            "GET no/k",
            None,
            HTTPStatus.NOT_FOUND,
            "there is no table of features 'no'; there are",
        ),
        ("PUT no/k", b"{}", HTTPStatus.NOT_FOUND, "there is no table of features 'no'"),
        ("PUT t/k", b"[]", HTTPStatus.BAD_REQUEST, "the body: Expected `object`"),
        ("PUT t/k", b"{", HTTPStatus.BAD_REQUEST, "the body: "),
        ("PUT t/k?time=1", b"{}", HTTPStatus.BAD_REQUEST, "the query: "),
        ("PUT t/k?time_ns=x", b"{}", HTTPStatus.BAD_REQUEST, "the query: "),
        ("PUT t/k?time_ns=99999999999999999999", b"{}", HTTPStatus.BAD_REQUEST, ""),
        ("GET t?most=x", None, HTTPStatus.BAD_REQUEST, "the query: "),
        ("POST t", b'[{"key": 1.5, "values": {}}]', HTTPStatus.BAD_REQUEST, "the body: "),
        ("POST t", b'[{"key": "k", "values": {}, "x": 1}]', HTTPStatus.BAD_REQUEST, "the body"),
        (
            f"PUT t/{'k' * 2000}",
            b"{}",
            HTTPStatus.BAD_REQUEST,
            "row 1: a key takes at most 1024",
        ),
    ],
)
def test_refusals(
    tables: Served, asked: str, body: bytes | None, status: HTTPStatus, why: str
) -> None:
    method, _, target = asked.partition(" ")
    answer = tables.ask(method, f"/v1/features/{target}", body)
    assert answer.status == status
    assert why in answer.body["error"]


def test_rows_before_a_bad_one_are_put(tables: Served) -> None:
    rows = [{"key": "a", "values": {}}, {"key": "b" * 2000, "values": {}}]
    answer = put(tables, "/v1/features/t", rows)
    assert answer.status == HTTPStatus.BAD_REQUEST
    assert answer.body["put"] == 1
    assert answer.body["error"].startswith("row 2: a key takes")
