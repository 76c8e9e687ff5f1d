from __future__ import annotations

import socket

import pytest

from polyvm.host.api.access import Access, objection, parse_address
from polyvm.host.errors import UsageError

LOOPBACK = Access(address=("127.0.0.1", 8080), names=frozenset({"tasks.internal"}))
ANYWHERE = Access(address=("0.0.0.0", 8080))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "localhost.:1",
        "127.0.0.1:8080",
        "127.9.9.9",
        "[::1]:8080",
        "tasks.internal",
    ],
)
def test_this_machines_names_are_heard(host: str) -> None:
    assert objection(LOOPBACK, {"Host": host}, tcp=True) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "[::1",
        "[::1].evil.example",
        "localhost:8080:1",
        "user@localhost",
        "0x7f.1",
        "tasks.internal.evil.example",
    ],
)
def test_a_name_made_to_point_here_is_not(host: str) -> None:
    reason = objection(LOOPBACK, {"Host": host}, tcp=True)
    assert reason is not None
    assert "--allow-host" in reason


def test_without_a_host_header() -> None:
    assert objection(LOOPBACK, {}, tcp=True) is not None


@pytest.mark.parametrize("tcp", [True, False])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
)
def test_web_pages_are_refused(headers: dict[str, str], tcp: bool) -> None:
    assert objection(LOOPBACK, {"Host": "localhost", **headers}, tcp=tcp) is not None


def test_a_person_at_a_browser_may_look() -> None:
    headers = {"Host": "localhost", "Sec-Fetch-Site": "none"}
    assert objection(LOOPBACK, headers, tcp=True) is None


def test_host_says_nothing_at_a_unix_socket() -> None:
    assert objection(LOOPBACK, {"Host": "evil.example"}, tcp=False) is None


def test_open_to_all_takes_addresses_and_its_own_name() -> None:
    for host in ("10.0.0.1:8080", "[2001:db8::1]", "localhost", socket.gethostname()):
        assert objection(ANYWHERE, {"Host": host}, tcp=True) is None
    assert objection(ANYWHERE, {"Host": "evil.example"}, tcp=True) is not None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("localhost:8080", ("127.0.0.1", 8080)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, anywhere=False) == address


@pytest.mark.parametrize(
    "text", ["", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "a.b:80"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="--listen"):
        parse_address(text, anywhere=True)


@pytest.mark.parametrize("text", ["0.0.0.0:80", "10.0.0.1:80", "[::]:80"])
def test_other_machines_only_on_purpose(text: str) -> None:
    with pytest.raises(UsageError, match="listen-anywhere"):
        parse_address(text, anywhere=False)
    assert parse_address(text, anywhere=True)[1] == 80
