"""Sealed bundles, from the key to the result, with the commands that people use."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polyvm.host.errors import ExitCode
from polyvm.host.sealing import sealer
from polyvm.host.sealing.keyring import Keyring
from polyvm.host.sealing.keys import KeyKind
from polyvm.vm import info
from tests.conftest import write_task
from tests.e2e.conftest import Cli, Finished, read_results, wait_for
from tests.e2e.test_service import finish, read_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import Popen

ECHO = "def run(payload):\n    return payload\n"


class Company:
    """A publisher's machine and a host's, each with folders of its own, side by side."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli
        self.home = cli.folder
        self.tasks = self.home / "tasks"
        self.tasks.mkdir()
        _, self.publisher = Keyring(self.home / "publisher").generate(KeyKind.PUBLISHER)
        _, self.host = Keyring(self.home / "host").generate(KeyKind.HOST)
        Keyring(self.home / "host").trust(self.publisher)
        Keyring(self.home / "publisher").trust(self.host)
        self.options = ("--keys", self.home / "host", "--state", self.home / "state")

    def done(self, *arguments: str | Path) -> str:
        finished = self.cli(*arguments)
        assert finished.code == ExitCode.OK, finished.err
        return finished.out

    def seal(
        self,
        version: str = "1.0",
        *options: str | Path,
        name: str = "a",
        main: str = ECHO,
        keys: Path | None = None,
    ) -> Path:
        source = write_task(
            self.home / f"source-{name}-{version}", main, name=name, version=version
        )
        self.done(
            "seal", source, "-o", self.home, "--keys", keys or self.home / "publisher", *options
        )
        return self.home / f"{name}-{version}.bundle"

    def call(self, bundle: Path, *options: str | Path) -> Finished:
        return self.cli("call", bundle, "1", *self.options, *options)

    def start(self, *options: str | Path) -> Popen[bytes]:
        return self.cli.start(
            "run", self.tasks, "--require-sealed", *self.options, "--input", "-", *options
        )


@pytest.fixture
def company(cli: Cli) -> Company:
    return Company(cli)


def refused(finished: Finished, words: str) -> None:
    assert finished.code == ExitCode.UNTRUSTED, finished.err
    (line,) = [line for line in finished.err.splitlines() if line.startswith("polyvm: ")]
    assert words in line


def test_from_key_to_result(cli: Cli) -> None:
    def made(kind: str) -> Path:
        done = cli("keygen", kind, "--keys", kind)
        assert done.code == ExitCode.OK, done.err
        (file,) = (cli.folder / kind).glob("*.pub")
        return file

    publisher, host = made("publisher"), made("host")
    tasks = cli.folder / "tasks"
    tasks.mkdir()
    source = write_task(cli.folder / "a", ECHO)
    options = ("--keys", "host", "--state", "state", "--require-sealed")
    for arguments in (
        ("keys", "trust", publisher, "--keys", "host"),
        ("keys", "trust", host, "--keys", "publisher"),
        ("seal", source, "-o", tasks, "--keys", "publisher"),
    ):
        assert cli(*arguments).code == ExitCode.OK
    called = cli("call", tasks / "a-1.0.0.bundle", "1", *options)
    assert (called.code, called.out) == (ExitCode.OK, "1\n"), called.err
    ran = cli("run", tasks, *options, "--input", "-", "--output", "-", stdin="1\n2\n")
    assert ran.code == ExitCode.OK, ran.err
    assert sorted(result["result"] for result in ran.results()) == [1, 2]
    marks = json.loads((cli.folder / "state" / "sequences.json").read_text())["tasks"]
    assert marks["a"]["sequence"] > 0


def test_seal_tells_what_it_made(company: Company) -> None:
    sources = [write_task(company.home / name, ECHO) for name in ("one", "two")]
    keys = ("--keys", company.home / "publisher")
    out = company.done("seal", *sources, "-o", company.tasks, *keys, "--sequence", "12")
    host = company.host.stem.removeprefix("host-")
    assert [re.sub(r"\([\d,]+ bytes\)", "(N)", line) for line in out.splitlines()] == [
        f"{company.tasks / name}-1.0.0.bundle (N), sequence 12, for {host}"
        for name in ("one", "two")
    ]
    packed = company.done("pack", sources[0], "-o", company.home).split(" (")[0]
    again = company.tasks / "again.bundle"
    company.done("seal", packed, "-o", again, *keys, "--for", company.host)
    assert company.call(again).out == "1\n"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--for", "0123456789abcdef"], ExitCode.UNTRUSTED, "nor the id of a known host"),
        (["--publisher-key", "nowhere.key"], ExitCode.UNTRUSTED, "nowhere.key: cannot be read"),
        (["--expires", "tomorrow"], ExitCode.USAGE, "neither a span such as 30d"),
        (["--expires", "2030-01-31"], ExitCode.USAGE, "names no time zone"),
        (["--expires", "2001-01-31T00:00Z"], ExitCode.USAGE, "is over already"),
        (["--sequence", "0"], ExitCode.USAGE, "is not a number from 1"),
        (["--keys", "empty"], ExitCode.UNTRUSTED, "knows no host to encrypt for"),
    ],
)
def test_seal_says_what_is_wrong(
    company: Company, options: list[str], code: ExitCode, words: str
) -> None:
    source = write_task(company.home / "a", ECHO)
    sealed = company.cli("seal", source, "--keys", company.home / "publisher", *options)
    assert sealed.code == code
    assert words in sealed.err.splitlines()[-1]
    assert not list(company.home.glob("*.bundle"))


def test_inspect_needs_no_key_and_proves_nothing(company: Company) -> None:
    bundle = company.seal("1.0", "--sequence", "5", "--expires", "2099-01-31T00:00Z")
    facts = json.loads(company.done("inspect", bundle, "--json", "--keys", company.home / "none"))
    assert (facts["name"], facts["version"], facts["sequence"]) == ("a", "1.0", 5)
    assert facts["expires"] == "2099-01-31T00:00:00+00:00"
    assert facts["recipients"] == [company.host.stem.removeprefix("host-")]
    assert (facts["proven"], facts["expired"], facts["fits_these_vms"]) == (False, False, True)
    assert facts["publisher_is"] is None
    text = company.done("inspect", bundle, "--keys", company.home / "host")
    assert re.search(r"publisher is +trusted", text)
    assert "nothing above is proven" in text
    company.done("keys", "revoke", company.publisher, "--keys", company.home / "host")
    assert re.search(
        "publisher is +revoked", company.done("inspect", bundle, "--keys", company.home / "host")
    )
    stranger = company.home / "stranger"
    Keyring(stranger).generate(KeyKind.HOST)
    assert re.search("publisher is +unknown", company.done("inspect", bundle, "--keys", stranger))


def test_inspect_shows_what_is_in_a_plain_bundle(company: Company) -> None:
    source = write_task(company.home / "a", ECHO)
    (source / "words.txt").write_text("12345")
    company.done("pack", source, "-o", company.home)
    facts = json.loads(company.done("inspect", company.home / "a-1.0.0.bundle", "--json"))
    assert facts["kind"] == "plain bundle"
    assert list(facts["modules"]) == ["main"]
    assert facts["assets"] == {"words.txt": 5}
    assert facts["bytecode_magic"] == info().bytecode_magic.hex()
    damaged = company.home / "damaged.bundle"
    damaged.write_bytes((company.home / "a-1.0.0.bundle").read_bytes()[:100])
    assert company.cli("inspect", damaged).code == ExitCode.BAD_DATA


def test_verify_says_the_first_rule_that_is_broken(company: Company) -> None:
    old, new = company.seal("1.0"), company.seal("2.0")
    verify = ("verify", *company.options)
    assert "a 1.0, for VMs, sequence" in company.done(*verify, old)
    assert company.done(*verify, old, new).count("opened, bytecode checked") == 2
    elsewhere = ("--keys", company.home / "publisher", "--state", company.home / "none")
    refused(company.cli("verify", old, *elsewhere), "is not trusted here")
    company.done("keys", "trust", company.publisher, "--keys", company.home / "publisher")
    assert "no key here is a recipient's" in company.done("verify", old, *elsewhere)
    assert not (company.home / "none").exists()
    assert company.call(new).code == ExitCode.OK
    both = company.cli(*verify, old, new)
    refused(both, "is older than")
    assert "a 2.0" in both.out
    allowed = company.cli(*verify, old, "--allow-downgrade")
    assert allowed.code == ExitCode.OK
    assert "rollback allowed" in allowed.err
    content = new.read_bytes()
    new.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused(company.cli(*verify, new), "the signature is not")
    new.write_bytes(content[:-1])
    short = company.cli(*verify, new)
    assert short.code == ExitCode.BAD_DATA
    assert "cut short" in short.err


def test_other_recipients_and_other_publishers(company: Company) -> None:
    stranger = company.home / "stranger"
    Keyring(stranger).generate(KeyKind.PUBLISHER)
    _, other = Keyring(stranger).generate(KeyKind.HOST)
    refused(company.call(company.seal("1.0", "--for", other)), "sealed for ")
    unknown = company.seal("2.0", "--for", company.host, keys=stranger)
    refused(company.call(unknown), "is not trusted here")
    known = company.seal("3.0", "--for", company.host, "--for", other)
    assert company.call(known).code == ExitCode.OK


def test_rollback_is_refused_unless_it_is_allowed(company: Company) -> None:
    old, new = company.seal("1.0"), company.seal("2.0")
    assert company.call(old).code == company.call(new).code == ExitCode.OK
    refused(company.call(old), "is older than")
    downgraded = company.call(old, "--allow-downgrade")
    assert downgraded.code == ExitCode.OK
    assert "rollback allowed" in downgraded.err
    refused(company.call(old), "is older than")


def test_replay_of_an_old_bundle_after_a_restart(company: Company) -> None:
    old, new = company.seal("1.0"), company.seal("2.0")
    place = company.tasks / "a.bundle"
    run = ("run", company.tasks, *company.options, "--input", "-")
    shutil.copy(new, place)
    assert company.cli(*run, stdin="1").code == ExitCode.OK
    shutil.copy(old, place)
    write_task(company.tasks / "other", ECHO)
    again = company.cli(*run, "--output", "-", stdin="1")
    assert again.code == ExitCode.PARTIAL
    assert "is older than" in again.err
    assert [result["task"] for result in again.results()] == ["other"]


def test_expired_bundle(company: Company) -> None:
    """Sealed when its time was not over yet, which no test can wait for."""
    source = write_task(company.home / "a", ECHO)
    publisher = Keyring(company.home / "publisher")
    bundle = sealer.seal(
        source,
        company.home,
        publisher=publisher.publisher_keys()[0],
        recipients=publisher.known_hosts(),
        magic=info().bytecode_magic,
        expires=1_700_000_000,
    )
    refused(company.call(bundle), "expired on 2023-11-14 at 22:13 UTC")
    refused(company.cli("verify", bundle, *company.options), "expired on")
    assert json.loads(company.done("inspect", bundle, "--json"))["expired"] is True


def test_plain_tasks_where_sealed_ones_are_required(company: Company) -> None:
    folder = write_task(company.tasks / "a", ECHO)
    refused(company.call(folder, "--require-sealed"), "not sealed")
    company.done("pack", folder, "-o", company.tasks)
    refused(company.call(company.tasks / "a-1.0.0.bundle", "--require-sealed"), "not sealed")
    run = company.cli(
        "run", company.tasks, "--require-sealed", *company.options, "--input", "-", stdin="1"
    )
    assert run.code == ExitCode.NO_INPUT
    assert run.err.count("not sealed") == 2
    assert not (company.home / "build").exists()
    assert not (company.home / "state").exists()


def test_host_key_from_elsewhere(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = company.seal()
    key = company.host.with_suffix(".key").rename(company.home / "vault")
    refused(company.call(bundle), "this host has no key")
    monkeypatch.setenv("THE_KEY", key.read_text())
    for spec in ("env:THE_KEY", f"cmd:cat {key}", key):
        called = company.call(bundle, "--host-key", spec)
        assert called.code == ExitCode.OK, called.err
    refused(company.call(bundle, "--host-key", "cmd:exit 3"), "exit code 3")
    key.chmod(0o644)
    refused(company.call(bundle, "--host-key", key), f"chmod 600 {key}")
    key.rename(company.host.with_suffix(".key"))
    refused(company.call(bundle), "chmod 600")


def test_revoking_withdraws_while_others_go_on(company: Company) -> None:
    second = company.home / "second"
    _, publisher = Keyring(second).generate(KeyKind.PUBLISHER)
    Keyring(company.home / "host").trust(publisher)
    company.seal(name="a").rename(company.tasks / "a.bundle")
    company.seal("1.0", "--for", company.host, name="b", keys=second).rename(
        company.tasks / "b.bundle"
    )
    output = company.home / "out.jsonl"
    process = company.start("--output", output)
    assert process.stdin is not None
    process.stdin.write(b"1\n")
    process.stdin.flush()
    wait_for(lambda: len(read_results(output)) == 2, "results of both")
    company.done(
        "keys", "revoke", company.publisher, "--reason", "stolen", "--keys", company.home / "host"
    )
    read_until(process, b"task withdrawn")
    process.stdin.write(b"2\n")
    process.stdin.close()
    process.stdin = None
    code, out, _ = finish(process)
    assert code == ExitCode.PARTIAL
    assert "stolen" in out
    found = sorted((result["line"], result["task"]) for result in read_results(output))
    assert found == [(1, "a"), (1, "b"), (2, "b")]


def test_rotated_publisher_goes_on(company: Company) -> None:
    old = company.seal("1.0")
    company.done("keys", "rotate", "publisher", "--keys", company.home / "publisher")
    newer = max(
        (company.home / "publisher").glob("publisher-*.pub"), key=lambda path: path.stat().st_mtime
    )
    new = company.seal("2.0")
    assert company.call(old).code == ExitCode.OK
    refused(company.call(new), "is not trusted here")
    company.done("keys", "trust", "--endorsed", newer, "--keys", company.home / "host")
    assert company.call(new).code == ExitCode.OK


SECRETS = {
    "main.py": '''
        """docstring Quokkamodule."""
        from inner_wombatpkg.hidden_numbatmodule import secret_bilbyfunction

        def run(payload):
            """docstring Pademelonrun."""
            local_dunnartvariable = secret_bilbyfunction(payload)
            return len(local_dunnartvariable) + len("constant Kowarivalue")
        ''',
    "inner_wombatpkg/__init__.py": "",
    "inner_wombatpkg/hidden_numbatmodule.py": """
        import polyvm

        def secret_bilbyfunction(payload):
            return polyvm.asset("deep/potoroo_table.txt")
        """,
    "deep/potoroo_table.txt": "asset Mulgaracontent " * 8000,
}
WORDS = (
    "Quokkamodule", "inner_wombatpkg", "hidden_numbatmodule", "secret_bilbyfunction",
    "Pademelonrun", "local_dunnartvariable", "Kowarivalue", "potoroo_table", "Mulgaracontent",
)  # fmt: skip


def found_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each word that some file's content or name holds, in any encoding of text."""
    for path in folder.rglob("*"):
        content = str(path.relative_to(folder)).encode()
        content += path.read_bytes() if path.is_file() else b""
        for word in WORDS:
            for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"):
                if word.encode(encoding) in content:
                    yield path.name, word


def test_nothing_of_the_task_is_left_in_any_file(
    company: Company, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_task(tmp_path_factory.mktemp("source") / "a", SECRETS["main.py"])
    for name, text in SECRETS.items():
        path = source / name
        path.parent.mkdir(exist_ok=True)
        if name != "main.py":
            path.write_text(re.sub("^        ", "", text, flags=re.MULTILINE))
    assert {word for _, word in found_in(source)} == set(WORDS)
    for variable in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        folder = company.home / variable
        folder.mkdir()
        monkeypatch.setenv(variable, str(folder))
    keys = ("--keys", company.home / "publisher")
    company.done("seal", source, "-o", company.tasks, *keys)
    output = company.home / "out.jsonl"
    process = company.start("--keep-running", "--output", output)
    assert process.stdin is not None
    process.stdin.write(b"1\n2\n")
    process.stdin.close()
    process.stdin = None
    wait_for(lambda: len(read_results(output)) == 2, "results")
    while_running = set(found_in(company.home))
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == ExitCode.OK
    assert {result["result"] for result in read_results(output)} == {
        len(SECRETS["deep/potoroo_table.txt"]) + len("constant Kowarivalue")
    }
    assert while_running == set(found_in(company.home)) == set()


def test_running_host_leaves_no_core_dump(company: Company) -> None:
    company.seal().rename(company.tasks / "a.bundle")
    process = company.start()
    read_until(process, b"task live")
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 ", limits)
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == ExitCode.OK
