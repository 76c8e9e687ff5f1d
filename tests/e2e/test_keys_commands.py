"""keygen and keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Cli, Finished


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("POLYVM_KEYS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def good(done: Finished) -> str:
    assert done.code == ExitCode.OK, done.err
    assert done.err == ""
    return done.out


def made(done: Finished) -> tuple[str, str, str]:
    """The id, the secret and the public file that keygen and rotate tell of."""
    head, secret, public = good(done).splitlines()[:3]
    return head.split()[1], secret.split()[1], public.split()[1]


def listed(cli: Cli, *arguments: str | Path) -> dict[str, list[Any]]:
    rows = json.loads(good(cli("keys", "list", "--json", *arguments)))
    return {row["id"]: [row["kind"], row["roles"], row["comment"]] for row in rows}


def test_from_keygen_to_trust(cli: Cli, home: Path) -> None:
    publisher, secret, public = made(cli("keygen", "publisher", "--comment", "Acme, Köln"))
    assert secret == str(home / ".config" / "polyvm" / "keys" / f"publisher-{publisher}.key")
    host, _, host_public = made(cli("keygen", "host", "--keys", "edge"))
    said = good(cli("keys", "trust", public, "--keys", "edge"))
    assert f"publisher {publisher} is trusted now (edge/trusted/publisher-{publisher}.pub)" in said
    assert f"host {host} is known now" in good(cli("keys", "trust", host_public))
    assert listed(cli) == {
        publisher: ["publisher", ["own"], "Acme, Köln"],
        host: ["host", ["known"], ""],
    }
    assert listed(cli, "--keys", "edge") == {
        publisher: ["publisher", ["trusted"], "Acme, Köln"],
        host: ["host", ["own"], ""],
    }
    table = good(cli("keys", "list")).splitlines()
    assert table == [
        f"publisher  {publisher}  own    Acme, Köln",
        f"host       {host}  known",
    ]


def test_revoke_by_id_and_by_file(cli: Cli) -> None:
    first, _, first_file = made(cli("keygen", "publisher"))
    second, _, second_file = made(cli("keygen", "publisher"))
    good(cli("keys", "trust", first_file, second_file, "--keys", "edge"))
    said = good(cli("keys", "revoke", first, "--reason", "laptop stolen", "--keys", "edge"))
    assert said == (
        f"publisher {first} is revoked; to undo it, delete edge/revoked/publisher-{first}.pub\n"
    )
    good(cli("keys", "revoke", second_file, "--keys", "edge"))
    roles = {key: row[1] for key, row in listed(cli, "--keys", "edge").items()}
    assert roles == {first: ["trusted", "revoked"], second: ["trusted", "revoked"]}
    refused = cli("keys", "trust", first_file, "--keys", "edge")
    assert refused.code == ExitCode.UNTRUSTED
    assert f"publisher {first} is revoked here (laptop stolen)" in refused.err
    said = good(cli("keys", "revoke", "0123456789abcdef", "--keys", "edge"))
    assert "no key of that id is known here" in said


def test_rotation(cli: Cli) -> None:
    _, _, old = made(cli("keygen", "publisher"))
    new_id, _, new = made(cli("keys", "rotate", "publisher", "--comment", "2"))
    refused = cli("keys", "trust", "--endorsed", new, "--keys", "edge")
    assert refused.code == ExitCode.UNTRUSTED
    assert "endorsed by no publisher that is trusted here" in refused.err
    good(cli("keys", "trust", old, "--keys", "edge"))
    good(cli("keys", "trust", "--endorsed", new, "--keys", "edge"))
    assert listed(cli, "--keys", "edge")[new_id][1] == ["trusted"]
    good(cli("keygen", "host"))
    made(cli("keys", "rotate", "host"))
    assert [row[1] for row in listed(cli).values()] == [["own"]] * 4


def test_bad_input(cli: Cli) -> None:
    host, secret, host_file = made(cli("keygen", "host"))
    good(cli("keys", "trust", host_file))
    cases = [
        (["keygen", "server"], ExitCode.USAGE, "invalid choice: 'server'"),
        (["keygen", "host", "--comment", "a\nb"], ExitCode.USAGE, "printable characters"),
        (["keys"], ExitCode.USAGE, "ACTION"),
        (["keys", "trust", "absent.pub"], ExitCode.NO_INPUT, "absent.pub: cannot be read"),
        (["keys", "trust", secret], ExitCode.UNTRUSTED, "a secret key where the public one"),
        (["keys", "revoke", host], ExitCode.USAGE, "only publishers are revoked"),
        (["keys", "revoke", host_file], ExitCode.USAGE, "only publishers are revoked"),
        (["keys", "rotate", "publisher"], ExitCode.UNTRUSTED, "`polyvm keygen publisher`"),
        (["keygen", "host", "--keys", host_file], ExitCode.CANNOT_WRITE, "cannot make"),
    ]
    for arguments, code, sentence in cases:
        done = cli(*arguments)
        assert done.code == code, done
        assert sentence in done.err
        assert done.out == ""
    assert good(cli("keys", "list", "--keys", "nowhere")) == (
        "no keys in nowhere; make one with `polyvm keygen`\n"
    )
