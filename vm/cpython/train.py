"""What the compiler learns from: work of the kind that tasks do.

Run by the build on an interpreter that counts; the counts decide what the final compiler
inlines, how branches are laid out, and which code is kept small because nothing here needs
it. So breadth matters more than any one loop: each function in `habits` is one habit of
task code, and all get the same share of the time. Only modules that the SDK's own
interpreter has are used.

Usage: python train.py [SECONDS], the time to spend (default 30); prints a line a round.
"""

import sys
import time

from habits import (  # noqa: F401 - each registers its functions
    algorithms,
    arithmetic,
    features,
    formats,
    functions,
    life,
    objects,
    text,
)
from habits.registry import HABITS

DEFAULT_SECONDS = 30.0
SLICE_SECONDS = 0.25  # of one habit in one round


def main() -> None:
    """Go round all habits until the time is up."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_SECONDS
    started = time.monotonic()
    rounds = max(1, round(seconds / (SLICE_SECONDS * len(HABITS))))
    for number in range(1, rounds + 1):
        for habit in HABITS:
            end = time.monotonic() + SLICE_SECONDS
            while time.monotonic() < end:
                habit()
        elapsed = time.monotonic() - started
        sys.stdout.write(f"round {number}/{rounds}, {len(HABITS)} habits, {elapsed:.0f} s\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
