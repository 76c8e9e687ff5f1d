"""The patches, and the SDK that this checkout builds, if it is in the user's cache."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.vm.sdk_scripts import SCRIPTS, cache, cli, errors, options, progress, releases, source

if TYPE_CHECKING:
    from pathlib import Path

PATCHES = cli.patch_files()
RELEASES = releases.load_releases(SCRIPTS / "releases.toml")


def unpacked(release: releases.Release, folder: Path) -> Path:
    tarball = cache.cache_root() / "downloads" / release.file_name
    if not tarball.is_file():
        pytest.skip(f"{tarball} was never downloaded")
    return source.unpack(tarball, folder)


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.version)
def test_the_patches_apply(release: releases.Release, tmp_path: Path) -> None:
    # Inside a checkout, where git by itself would skip files without a word.
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    tree = unpacked(release, tmp_path / "unpacked")
    shown = progress.Progress(tmp_path / "log", steps=1)
    before = (tree / "Include/exports.h").read_text()
    source.apply_patches(tree, PATCHES, shown)
    assert (tree / "Include/exports.h").read_text() != before
    assert "may not use raw file descriptors" in (tree / "Modules/_io/fileio.c").read_text()
    with pytest.raises(errors.SdkError, match=rf"patch {PATCHES[0].name} does not apply"):
        source.apply_patches(tree, PATCHES, shown)
    shown.close()


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_each_patch_says_why(patch: Path) -> None:
    head = patch.read_text().split("\ndiff --git ")[0]
    assert "\nWhy: " in head
    assert "\nUpstream: " in head


@pytest.fixture(scope="module")
def sdk() -> Path:
    """Return any SDK of this checkout's pins, patches and modules."""
    compiler = "gcc" if shutil.which("gcc") else "cc"
    version = cache.compiler_version(compiler)
    for variant in options.VARIANTS:
        request = cli.Request(options.Options(variant=variant), 1, None, False, compiler, version)
        for release in RELEASES:
            found = cache.finished_sdk(cache.cache_root(), request.key(release.sha256))
            if found is not None:
                return found
    pytest.skip("no SDK is in the cache; run vm/cpython/build.py")


def python(sdk: Path, code: str, cwd: Path) -> str:
    run = subprocess.run(
        [str(sdk / "bin/python"), "-I", "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert run.stderr == ""
    assert run.returncode == 0
    return run.stdout.strip()


def test_the_interpreter_works_wherever_the_sdk_is_moved(sdk: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    (moved / "bin").mkdir(parents=True)
    shutil.copy2(sdk / "bin/python", moved / "bin/python")
    (moved / "lib").symlink_to(sdk / "lib")
    told = python(moved, "import json, sys; print(json.__file__, sys.flags.isolated)", tmp_path)
    assert told.startswith(str(moved))


def test_what_the_sdk_says_of_itself_is_true(sdk: Path, tmp_path: Path) -> None:
    told = json.loads((sdk / "sdk.json").read_text())
    script = (
        "import json, sys; print(json.dumps([sys.version.split()[0], sys.builtin_module_names]))"
    )
    release, modules = json.loads(python(sdk, script, tmp_path))
    assert told["release"] == release
    assert told["builtin_modules"] == sorted(modules)
    assert (sdk / told["archive"]).is_file()
    assert told["source_sha256"] in {pinned.sha256 for pinned in RELEASES}


def test_the_library_needs_and_shows_nothing(sdk: Path) -> None:
    symbols = subprocess.run(
        ["readelf", "-sW", str(sdk / "lib/libpython.a")], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in symbols.splitlines() if " GLOBAL " in line]
    assert len(rows) > 10_000
    shown = {row[7] for row in rows if row[5] == "DEFAULT" and row[6] != "UND"}
    assert shown == set(), "every symbol of the library is hidden"
    defined = {row[7] for row in rows if row[6] != "UND"}
    foreign = {row[7] for row in rows if row[6] == "UND" and len(row) > 7} - defined
    assert not {name for name in foreign if name.startswith(("XML_", "mpd_", "deflate", "inflate"))}
    assert set(json.loads((sdk / "sdk.json").read_text())["link_libs"]) <= {"-lm", "-ldl"}


VM_SCRIPT = """
import _interpreters
vm = _interpreters.create("isolated")
failed = _interpreters.exec(vm, {code!r})
print(failed.formatted if failed else "fine")
_interpreters.destroy(vm)
"""


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "import sys; assert sys.stdin is sys.stdout is sys.__stderr__ is sys.stderr is None",
            "fine",
        ),
        ("print(1)", "fine"),
        ("import io; assert open is io.open", "fine"),
        ("assert open('/dev/null').read() == ''", "fine"),
        ("open(1)", "OSError: [Errno 9] a VM may not use raw file descriptors"),
        ("open(True, 'w')", "OSError: [Errno 9] a VM may not use raw file descriptors"),
        ("import _io; _io.FileIO(2, 'w')", "OSError: [Errno 9] a VM may not use raw"),
        ("open('/x', opener=lambda *_: 1)", "OSError: [Errno 9] a VM may not use raw"),
        ("open(-1)", "ValueError: negative file descriptor"),
        ("open('/no/such')", "FileNotFoundError: [Errno 2]"),
    ],
)
def test_subinterpreters_have_no_streams_and_no_raw_descriptors(
    sdk: Path, tmp_path: Path, code: str, told: str
) -> None:
    assert told in python(sdk, VM_SCRIPT.format(code=code), tmp_path)


def test_the_main_interpreter_is_as_ever(sdk: Path, tmp_path: Path) -> None:
    code = "import sys; print(open(1, 'w', closefd=False).fileno(), sys.stdin.fileno())"
    assert python(sdk, code, tmp_path) == "1 0"
