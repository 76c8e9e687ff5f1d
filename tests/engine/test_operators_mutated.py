"""Operators of models meet what no model should say."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from tests.conftest import Seeded


def test_no_node_ends_the_process(rand: Seeded) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.engine.mutated_nodes",
        str(rand.getrandbits(32)),
        "1500",
    ]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-3:]
    assert done.returncode == 0, (command, done.returncode, last)
    worked, refused = map(int, done.stdout.split())
    assert worked > 100
    assert refused > 100
