"""Every public function of polyvm.np, called as the table says, beside NumPy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .every import TABLE, public_names
from .every.comparing import compare
from .every.making import Maker
from .every.table import call_of

if TYPE_CHECKING:
    import random


def test_no_public_name_is_forgotten() -> None:
    missing = [name for name in public_names() if name not in TABLE]
    assert not missing, f"not in the table of tests/engine/every: {' '.join(missing)}"
    gone = set(TABLE) - set(public_names())
    assert not gone, f"in the table, but not public: {' '.join(sorted(gone))}"


@pytest.mark.parametrize("name", sorted(TABLE))
def test_beside_numpy(name: str) -> None:
    entry = TABLE[name]

    @settings(
        max_examples=entry.examples,
        deadline=None,
        database=None,
        derandomize="POLYVM_TEST_SEED" not in os.environ,  # the same calls in every run, or others
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(rand=st.randoms(use_true_random=False))
    def run(rand: random.Random) -> None:
        compare(call_of(name, Maker(rand)), entry.check)

    run()
