"""The tasks' unit tests run under ordinary Python, each with its own folder on the path."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host import dev

if TYPE_CHECKING:
    from collections.abc import Iterator

TASKS = Path(__file__).parent
SAMPLE = TASKS / "data" / "ecom-sample.jsonl.gz"

# The scripts that prepare the demo import each other; tests use them too.
sys.path.insert(0, str(TASKS))

from prepare_models import prepare  # noqa: E402
from wheels import UnobtainableError  # noqa: E402


@pytest.fixture
def task(request: pytest.FixtureRequest) -> Iterator[dev.OrdinaryTask]:
    """The task beside the test. While it is open, the test can import the task's modules."""
    try:
        prepare(request.path.parent)
    except UnobtainableError as error:
        pytest.skip(str(error))
    with dev.opened(request.path.parent) as opened:
        yield opened


@pytest.fixture(scope="session")
def sample() -> list[dict[str, Any]]:
    """The lines of the sample that is kept in the repository."""
    return [json.loads(line) for line in gzip.decompress(SAMPLE.read_bytes()).splitlines()]
