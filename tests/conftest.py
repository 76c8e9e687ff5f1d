"""Shared by all tests: seeded randomness, and small task folders."""

from __future__ import annotations

import os
import random
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parent.parent
SAMPLE = REPOSITORY / "tasks" / "data" / "ecom-sample.jsonl.gz"

# A machine that is busy with other things fails no test.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


class Seeded(random.Random):
    """Random numbers whose repr, which pytest prints when a test fails, is how to repeat them."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.start = seed

    def __repr__(self) -> str:
        return f"Seeded(POLYVM_TEST_SEED={self.start})"


@pytest.fixture
def rand() -> Seeded:
    """A new seed for each run, or the one in POLYVM_TEST_SEED."""
    return Seeded(int(os.environ.get("POLYVM_TEST_SEED") or random.SystemRandom().getrandbits(32)))


def write_task(folder: Path, main: str, **manifest: str) -> Path:
    """Make a task folder with one module, main.py."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = {"name": folder.name, "version": "1.0.0", "entry": "main:run", **manifest}
    lines = [
        f"{key} = {value}" if value.startswith("[") else f'{key} = "{value}"'
        for key, value in fields.items()
    ]
    (folder / "main.py").write_text(textwrap.dedent(main), encoding="utf-8")
    (folder / "task.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def make_task(tmp_path: Path) -> Callable[..., Path]:
    """Make task folders under tmp_path/tasks: ``make_task("name", source, version="2.0")``."""

    def make(
        name: str, main: str = "def run(payload):\n    return payload\n", **fields: str
    ) -> Path:
        return write_task(tmp_path / "tasks" / name, main, **fields)

    return make
