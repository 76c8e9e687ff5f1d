"""Finding the machine's mirrors in its own apt sources."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.vm.sdk_scripts import apt, errors, progress, releases

if TYPE_CHECKING:
    from pathlib import Path

RELEASE = releases.Release(
    "3.13.99", "a" * 64, "https://example.org/Python-3.13.99.tar.xz", "python3.13", "forky"
)


def one_line(text: str) -> list[apt.Mirror]:
    return list(apt.parse_one_line(textwrap.dedent(text)))


def deb822(text: str) -> list[apt.Mirror]:
    return list(apt.parse_deb822(textwrap.dedent(text)))


def test_one_line_sources() -> None:
    found = one_line("""\
        # deb http://commented.example.org/debian bookworm main
        deb http://ftp2.de.example.org/debian/ bookworm main contrib
        deb-src   https://src.example.org/debian\tbookworm   main # why
        deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] https://b.example.org/d stable main
        deb [ trusted=yes ] file:/srv/mirror stable main
        deb mirror+file:/etc/apt/mirrors.list stable main
    """)
    assert found == [
        apt.Mirror("http://ftp2.de.example.org/debian/"),
        apt.Mirror("https://src.example.org/debian"),
        apt.Mirror("https://b.example.org/d", "/usr/share/keyrings/a.gpg"),
        apt.Mirror("file:/srv/mirror", "", trusted=True),
        apt.Mirror("mirror+file:/etc/apt/mirrors.list"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_ - Official amd64]/ bookworm main",
        "deb http://security.example.org/debian bookworm-security main",
        "deb http://flat.example.org/debian ./",
        "deb http://vendor.example.org/apt stable vendor",
        "deb http://broken.example.org/debian",
        "deb [arch=amd64 http://broken.example.org/debian bookworm main",
        "rpm http://other.example.org/debian bookworm main",
        "deb",
    ],
)
def test_lines_that_name_no_mirror(line: str) -> None:
    assert one_line(line) == []


def test_deb822_sources() -> None:
    found = deb822("""\
        Types: deb
        # a comment within a stanza
        URIs: http://ftp2.example.org/debian
          http://more.example.org/debian
        Suites: bookworm
         bookworm-updates
        Components: main
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

        types: deb deb-src
        uris: https://embedded.example.org/debian
        suites: stable
        components: contrib main
        signed-by:
         -----BEGIN PGP PUBLIC KEY BLOCK-----
         .
         mDMEY865UxYJKwYBBAHaRw8BAQdAd7Z0srwuhlB6JKFkcf4HU4SSS
         -----END PGP PUBLIC KEY BLOCK-----

        Enabled: no
        Types: deb
        URIs: http://disabled.example.org/debian
        Suites: bookworm
        Components: main

        Types: deb
        URIs: http://security.example.org/debian-security
        Suites: bookworm-security
        Components: main
    """)
    assert [mirror.uri for mirror in found] == [
        "http://ftp2.example.org/debian",
        "http://more.example.org/debian",
        "https://embedded.example.org/debian",
    ]
    assert (
        found[0].signed_by
        == found[1].signed_by
        == ("/usr/share/keyrings/debian-archive-keyring.gpg")
    )
    assert "BEGIN PGP" in found[2].signed_by


def test_an_embedded_key_survives_the_round_trip() -> None:
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----"
    mirror = apt.Mirror("https://a.example.org/debian", key, trusted=True)
    stanza = mirror.stanza("forky")
    assert list(apt.parse_deb822(stanza)) == [mirror]
    assert "Types: deb-src" in stanza
    assert "Suites: forky" in stanza


def test_mirrors_of_a_machine(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example.org/debian stable main\n")
    (parts / "b.list").write_text("deb http://b.example.org/debian stable main\n")
    (parts / "c.sources").write_text(
        "Types: deb\nURIs: http://a.example.org/debian/ http://c.example.org/debian\n"
        "Suites: stable\nComponents: main\n"
    )
    (parts / "d.sources.disabled").write_text(
        "Types: deb\nURIs: http://d.example.org/debian\nSuites: stable\nComponents: main\n"
    )
    assert [mirror.uri for mirror in apt.system_mirrors(tmp_path)] == [
        "http://a.example.org/debian",
        "http://b.example.org/debian",
        "http://c.example.org/debian",
    ]


def test_a_machine_without_sources(tmp_path: Path) -> None:
    assert apt.system_mirrors(tmp_path / "absent") == ()


def test_a_machine_without_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    shown = progress.Progress(tmp_path / "log", steps=1)
    with pytest.raises(errors.SdkError, match="no apt"):
        apt.download_orig(RELEASE, apt.Mirror("file:/nowhere"), tmp_path / "apt", shown)
    shown.close()
