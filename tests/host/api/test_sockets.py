from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from polyvm.host.api.sockets import UnixSocket, open_tcp
from polyvm.host.errors import ListenError


def test_only_the_owner_connects(tmp_path: Path) -> None:
    path = tmp_path / "s"
    made = UnixSocket(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    made.remove()
    assert not path.exists()
    made.socket.close()


def test_a_dead_hosts_socket_is_replaced_a_live_ones_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    UnixSocket(path).socket.close()
    live = UnixSocket(path)
    with pytest.raises(ListenError, match="a host listens there already"):
        UnixSocket(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    live.socket.close()


def test_removal_spares_a_successor(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = UnixSocket(path)
    path.rename(tmp_path / "moved")
    second = UnixSocket(path)
    first.remove()
    assert path.exists()
    for made in (first, second):
        made.socket.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(ListenError, match="is no socket"):
        UnixSocket(path)
    assert path.read_text() == "precious"


def test_where_no_socket_can_be(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "s", tmp_path / ("s" * 200)):
        with pytest.raises(ListenError, match=r"cannot listen at .*; choose another --socket"):
            UnixSocket(path)


def test_a_port_in_use() -> None:
    with (
        open_tcp("127.0.0.1", 0) as taken,
        pytest.raises(ListenError, match="choose another --listen"),
    ):
        open_tcp("127.0.0.1", taken.getsockname()[1])
