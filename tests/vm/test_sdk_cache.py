"""What names an SDK, when one counts as there, and who builds it."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.vm.sdk_scripts import cache, cli, errors, fetch, layout, options, releases, stages

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

BASE = options.Options(variant="pgo")
PATCH = b"--- a/x\n+++ b/x\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    folder = tmp_path / "inputs"
    folder.mkdir()
    for name in ("Setup.local", "0001-a.patch"):
        (folder / name).write_bytes(PATCH)
    return tuple(folder.iterdir())


def key_of(files: tuple[Path, ...], **changes: object) -> str:
    facts: dict[str, object] = {"source": "a" * 64, "chosen": BASE, "compiler": "gcc 12", **changes}
    chosen = facts["chosen"]
    assert isinstance(chosen, options.Options)
    return cache.sdk_key(str(facts["source"]), chosen, str(facts["compiler"]), files)


def test_the_key_tells_all_inputs_apart(files: tuple[Path, ...]) -> None:
    keys = [
        key_of(files),
        key_of(files, source="b" * 64),
        key_of(files, compiler="gcc 13"),
        *(
            key_of(files, chosen=replace(BASE, **change))
            for change in ({"variant": "quick"}, {"flavour": "free-threaded"}, {"sanitize": True})
        ),
        key_of(files[:1]),
    ]
    files[0].write_bytes(PATCH + b"\n")
    keys.append(key_of(files))
    files[0].write_bytes(PATCH)
    renamed = files[0].rename(files[0].with_name("0002-b.patch"))
    keys.append(key_of((renamed, *files[1:])))
    assert len(set(keys)) == len(keys)


def test_the_key_ignores_where_and_in_what_order_files_are(
    files: tuple[Path, ...], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copies = tuple((elsewhere / path.name) for path in reversed(files))
    for copy in copies:
        copy.write_bytes(PATCH)
    assert key_of(copies) == key_of(files)


def make_sdk(root: Path, key: str) -> Path:
    path = root / f"sdk-{key}"
    for name in cache.REQUIRED:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("x")
    (path / "sdk.json").write_text(json.dumps({"key": key}))
    return path


def test_a_whole_sdk_is_found(tmp_path: Path) -> None:
    assert cache.finished_sdk(tmp_path, "k1") is None
    assert cache.finished_sdk(make_sdk(tmp_path, "k1").parent, "k1") == tmp_path / "sdk-k1"


@pytest.mark.parametrize("name", cache.REQUIRED)
def test_an_sdk_that_lacks_a_part_is_not(tmp_path: Path, name: str) -> None:
    (make_sdk(tmp_path, "k1") / name).unlink()
    assert cache.finished_sdk(tmp_path, "k1") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "k2"}'])
def test_an_sdk_with_a_damaged_description_is_not(tmp_path: Path, text: str) -> None:
    (make_sdk(tmp_path, "k1") / "sdk.json").write_text(text)
    assert cache.finished_sdk(tmp_path, "k1") is None


def test_publishing_replaces_a_damaged_sdk(tmp_path: Path) -> None:
    (make_sdk(tmp_path, "k1") / "sdk.json").unlink()
    built = make_sdk(tmp_path / "work", "k1")
    (built / "mark").write_text("new")
    assert cache.publish(tmp_path, "k1", built) == tmp_path / "sdk-k1"
    assert (tmp_path / "sdk-k1/mark").read_text() == "new"
    assert cache.finished_sdk(tmp_path, "k1") is not None


def request_for(**changes: object) -> cli.Request:
    base = cli.Request(BASE, 1, None, False, "cc", "cc 1.0")
    return replace(base, **changes)  # type: ignore[arg-type]


def test_a_cached_sdk_needs_no_source_and_a_damaged_one_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    root = tmp_path / "polyvm"
    pinned = releases.load_releases(cli.HERE / "releases.toml")
    request = request_for()
    second = make_sdk(root, request.key(pinned[1].sha256))
    assert cli.find_or_build(request) == second
    first = make_sdk(root, request.key(pinned[0].sha256))
    assert cli.find_or_build(request) == first, "the better release"

    (first / "sdk.json").unlink()
    (second / "sdk.json").unlink()
    built: list[str] = []

    def build(
        _request: object, tarball: fetch.Tarball, root: Path, key: str, _shown: object
    ) -> Path:
        built.append(key)
        assert tarball.sha256 == pinned[0].sha256
        return cache.publish(root, key, make_sdk(root / "work", key))

    def obtain(*_: object) -> fetch.Tarball:
        return fetch.Tarball(tmp_path / "x", pinned[0].sha256, "test")

    monkeypatch.setattr(cli, "_build", build)
    monkeypatch.setattr(fetch, "obtain", obtain)
    assert cli.find_or_build(request) == first
    assert built == [request.key(pinned[0].sha256)]
    assert cli.find_or_build(request) == first
    assert len(built) == 1


def test_only_a_trained_build_depends_on_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {name: request_for(options=options.Options(variant=name)) for name in options.VARIANTS}
    sanitized = request_for(options=options.Options(variant="pgo", sanitize=True))
    before = {name: request.key("a") for name, request in chosen.items()}
    before_sanitized = sanitized.key("a")
    monkeypatch.setattr(cli, "TRAINING", cli.MODULES)
    assert {name for name in chosen if chosen[name].key("a") != before[name]} == {"pgo"}
    assert sanitized.key("a") == before_sanitized


def hold_lock(root: Path, held: Event, let_go: Event) -> None:
    with cache.locked(root, "one", lambda: None):
        held.set()
        let_go.wait(60)


def test_a_second_builder_waits_for_the_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, let_go = context.Event(), context.Event()
    first = context.Process(target=hold_lock, args=(tmp_path, held, let_go))
    first.start()
    assert held.wait(60)
    # Were the lock not held, nobody would let the other go, and it would fail its wait.
    with cache.locked(tmp_path, "other", let_go.set):
        assert not let_go.is_set(), "another name is another lock"
    with cache.locked(tmp_path, "one", let_go.set):
        assert let_go.is_set(), "told that it waits"
    first.join(60)
    assert first.exitcode == 0


def test_only_old_and_idle_work_is_removed(tmp_path: Path) -> None:
    for name in ("idle", "busy"):
        (tmp_path / f"work-{name}" / "source").mkdir(parents=True)
    started = (tmp_path / "work-idle").stat().st_mtime
    cache.remove_abandoned(tmp_path, started + cache.ABANDONED_S / 2)
    assert (tmp_path / "work-idle").exists()
    with cache.locked(tmp_path, "sdk-busy", lambda: None):
        cache.remove_abandoned(tmp_path, started + cache.ABANDONED_S * 2)
    assert not (tmp_path / "work-idle").exists()
    assert (tmp_path / "work-busy").exists()


def test_a_compiler_that_is_not_there() -> None:
    with pytest.raises(errors.SdkError, match=r"`no-such-cc` does not run .*build-essential"):
        cache.compiler_version("no-such-cc")


@pytest.mark.parametrize(
    ("base", "expected"), [("/var/tmp/c", "/var/tmp/c/polyvm"), ("relative", None), ("", None)]
)
def test_the_cache_folder(base: str, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert cache.cache_root() == Path(expected or Path.home() / ".cache/polyvm")


def test_stages_are_remembered_by_the_next_run(tmp_path: Path) -> None:
    first = stages.Stages(tmp_path / "work")
    assert not first.done("configured", "trained")
    assert first.seconds_of("trained") is None
    first.mark("trained")
    second = stages.Stages(tmp_path / "work")
    assert second.done("configured", "trained")
    assert not second.done("configured")
    assert second.seconds_of("trained") is not None


def test_modules_wanted_but_not_built(tmp_path: Path) -> None:
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    facts = {"builtin_modules": ["math"], "link_libs": ["-ldl", "", "-lm Modules/x.a", "-lm"]}
    python.write_text(f"#!/bin/sh\necho '{json.dumps(facts)}'\n")
    python.chmod(0o755)
    assert layout.describe(tmp_path, {"math"})["link_libs"] == ["-ldl", "-lm"]
    with pytest.raises(errors.SdkError, match=r"not built: _csv, _json"):
        layout.describe(tmp_path, {"math", "_json", "_csv"})
