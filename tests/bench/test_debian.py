"""Where stock packages come from: the machine's own sources, read, never changed."""

import os
import subprocess
from pathlib import Path

import pytest

from bench.peers import debian
from bench.peers.python import PeerError

STANZA = """\
Types: deb
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def sources(etc: Path, name: str, text: str) -> None:
    folder = etc / "sources.list.d"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def test_mirrors_are_read_from_stanzas_and_security_is_left_out(tmp_path: Path) -> None:
    sources(tmp_path, "debian.sources", STANZA)
    assert debian.distribution_mirrors(tmp_path) == [
        debian.Mirror(
            "http://mirror.example/debian", "/usr/share/keyrings/debian-archive-keyring.gpg"
        )
    ]


def test_mirrors_are_read_from_lines(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "# deb http://old.example/debian bookworm main\n"
        "deb-src http://mirror.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.example/debian bookworm main\n"
        "deb http://plain.example/debian bookworm main non-free\n"
    )
    assert debian.distribution_mirrors(tmp_path) == [
        debian.Mirror("http://mirror.example/debian", "/keys/debian.gpg"),
        debian.Mirror("http://plain.example/debian", ""),
    ]


def test_other_peoples_archives_are_left_alone(tmp_path: Path) -> None:
    sources(
        tmp_path, "tool.list", "deb [signed-by=/keys/tool.gpg] http://tool.example/apt any main\n"
    )
    sources(
        tmp_path,
        "node.sources",
        "Types: deb\nURIs: http://node.example/x\nSuites: nodistro\nComponents: main\n"
        "Signed-By: /keys/node.gpg\n",
    )
    assert debian.distribution_mirrors(tmp_path) == []


def test_the_private_apt_keeps_all_state_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "apt"
    debian.PrivateApt(folder, "testing", [debian.Mirror("http://m.example/debian", "/k.gpg")])
    assert (folder / "sources.list").read_text() == (
        "deb [signed-by=/k.gpg] http://m.example/debian testing main\n"
    )
    for line in (folder / "apt.conf").read_text().splitlines():
        if line.startswith("Dir::"):
            assert f'"{folder}/' in line


def test_the_launcher_names_itself_to_what_it_starts(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "lib64").mkdir(parents=True)
    (root / "usr" / "lib" / "x86_64-linux-gnu").mkdir(parents=True)
    (root / "usr" / "bin").mkdir(parents=True)
    loader = root / "lib64" / "ld-test.so.2"
    loader.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    loader.chmod(0o755)
    debian.write_launcher(root, "python9.9")
    launcher = root / "usr" / "bin" / "python"
    said = subprocess.run([launcher, "-c", "x y"], capture_output=True, text=True, check=True)
    arguments = said.stdout.splitlines()
    assert arguments[arguments.index("--argv0") + 1] == str(launcher)
    assert arguments[-3:] == [str(root / "usr" / "bin" / "python9.9"), "-c", "x y"]
    assert "usr/lib/x86_64-linux-gnu" in arguments[arguments.index("--library-path") + 1]


def test_a_library_without_a_loader_is_refused(tmp_path: Path) -> None:
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    with pytest.raises(PeerError, match="has no loader"):
        debian.write_launcher(tmp_path, "python9.9")


def test_without_apt_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(PeerError, match="no apt-get here"):
        debian.obtain("3.13", "3.13.15")
