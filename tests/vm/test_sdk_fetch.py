"""Where the source comes from, and what is refused."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.vm.sdk_scripts import SCRIPTS, apt, errors, fetch, progress, releases, source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = b"not really a tarball"
RELEASE = releases.Release(
    version="3.13.99",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    # A port that nothing may listen on: refused at once, without a name to be looked up.
    url="https://127.0.0.1:1/Python-3.13.99.tar.xz",
    package="python3.13",
    suite="forky",
)


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[progress.Progress]:
    opened = progress.Progress(tmp_path / "log", steps=1)
    yield opened
    opened.close()


def archive(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:xz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def test_a_tarball_of_another_hash_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mine.tar.xz"
    path.write_bytes(b"other")
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "build.py"), "--tarball", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert str(path) in lines[0]
    assert hashlib.sha256(b"other").hexdigest() in lines[0]
    assert "3.13.15, 3.13.5" in lines[0]
    assert "--allow-unpinned" in lines[0]


def test_a_tarball_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(errors.SdkError, match=r"cannot read the tarball .*absent: No such file"):
        fetch.local_tarball(tmp_path / "absent", [RELEASE], allow_unpinned=True)


def test_a_pinned_and_an_unpinned_tarball_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "any.tar.xz"
    path.write_bytes(CONTENT)
    assert fetch.local_tarball(path, [RELEASE], allow_unpinned=False).sha256 == RELEASE.sha256
    path.write_bytes(b"other")
    taken = fetch.local_tarball(path, [RELEASE], allow_unpinned=True)
    assert taken.sha256 == hashlib.sha256(b"other").hexdigest()


def test_an_earlier_download_needs_nothing_else(tmp_path: Path, shown: progress.Progress) -> None:
    (tmp_path / RELEASE.file_name).write_bytes(CONTENT)
    found = fetch.obtain([replace(RELEASE, version="3.13.100"), RELEASE], tmp_path, shown)
    assert found.path == tmp_path / RELEASE.file_name


def test_when_nothing_can_be_had(
    tmp_path: Path, shown: progress.Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    damaged = downloads / RELEASE.file_name
    damaged.write_bytes(CONTENT[:-1])
    monkeypatch.setattr(apt, "SYSTEM_APT", tmp_path / "no-apt")
    monkeypatch.setattr(apt.system_mirrors, "__defaults__", (tmp_path / "no-apt",))
    with pytest.raises(errors.SdkError) as caught:
        fetch.obtain([RELEASE], downloads, shown)
    said = str(caught.value)
    assert "--tarball PATH" in said
    assert RELEASE.url in said
    assert "source package python3.13: no mirror in" in said
    assert not damaged.exists(), "a damaged download is not kept"


def test_a_mirror_that_answers_with_other_bytes(
    tmp_path: Path, shown: progress.Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> Path:
        path = tmp_path / "python3.13_3.13.99.orig.tar.xz"
        path.write_bytes(b"something else")
        return path

    monkeypatch.setattr(apt, "system_mirrors", lambda: (apt.Mirror("file:/srv/mirror"),))
    monkeypatch.setattr(apt, "download_orig", wrong)
    with pytest.raises(errors.SdkError) as caught:
        fetch.obtain([RELEASE], tmp_path / "downloads", shown)
    assert f"{RELEASE.sha256} is pinned; refused" in str(caught.value)
    assert not (tmp_path / "downloads" / RELEASE.file_name).exists()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"Python-3.13.99/README": ""}, "is not a CPython source archive"),
        ({"a/x": "", "b/y": ""}, "is not a CPython source archive"),
        ({}, "is not a CPython source archive"),
    ],
)
def test_archives_that_are_not_cpython(tmp_path: Path, files: dict[str, str], said: str) -> None:
    path = archive(tmp_path / "odd.tar.xz", files)
    with pytest.raises(errors.SdkError, match=said):
        source.unpack(path, tmp_path / "unpacked")


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "odd.tar.xz"
    path.write_bytes(CONTENT)
    with pytest.raises(errors.SdkError, match="does not unpack"):
        source.unpack(path, tmp_path / "unpacked")


@pytest.mark.parametrize(
    ("version", "accepted"),
    [("3.13.0", True), ("3.14.1", True), ("3.15.0a2+", True), ("3.12.9", False)],
)
def test_series(tmp_path: Path, version: str, accepted: bool) -> None:
    header = f'#define PY_VERSION      \t"{version}"\n'
    path = archive(tmp_path / "a.tar.xz", {"Python/Include/patchlevel.h": header})
    tree = source.unpack(path, tmp_path / "unpacked")
    if accepted:
        assert source.release_of(tree) == version
    else:
        with pytest.raises(errors.SdkError, match=r"CPython 3\.12\.9 is too old"):
            source.release_of(tree)
