"""Ray as a peer: what is not to be had is said in one sentence."""

import sys
from pathlib import Path

import pytest

from bench.peers import ray
from bench.peers.python import PeerError


def test_a_python_without_ray_is_no_peer() -> None:
    with pytest.raises(PeerError, match=r"^Ray cannot be had: ModuleNotFoundError"):
        ray.named(Path(sys.executable))


def test_a_python_that_is_not_there_is_no_peer(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="No such file"):
        ray.named(tmp_path / "python")


def test_an_installation_that_fails_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for _ in range(2):
        with pytest.raises(PeerError, match=r"^Ray cannot be had: ERROR: No matching distribution"):
            ray.obtain()
    assert not list(tmp_path.rglob("complete"))
