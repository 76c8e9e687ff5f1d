"""Chaos, in the long form: `python -m tests.chaos [--minutes N] [--tasks N] [--seed N]`.

Exit status 0: no faults. 1: there were some; they are listed, and the folder is kept.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from .population import KINDS
from .report import DOCUMENT, document, summary
from .run import long


def main(argv: list[str]) -> int:
    options = arguments(argv)
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="polyvm-chaos-"))
    rand = random.Random(options.seed)
    run = long(folder, options.tasks, options.minutes, options.every, rand)
    print(summary(run))
    if options.write_docs:
        DOCUMENT.write_text(document(run, options.seed, options.every), encoding="utf-8")
        print(f"written: {DOCUMENT.name}")
    if run.faults:
        print(f"input, results and log: {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long (10)")
    parser.add_argument("--tasks", type=int, default=200, help="a tenth of them is bad (200)")
    parser.add_argument("--every", type=float, default=60, help="seconds between kills (60)")
    parser.add_argument("--seed", type=int, help="of the input and of the kills (random)")
    parser.add_argument("--write-docs", action="store_true", help="write docs/chaos.md")
    options = parser.parse_args(argv)
    if options.minutes <= 0 or options.every <= 0 or options.tasks <= len(KINDS):
        parser.error(f"--minutes and --every are more than 0, --tasks more than {len(KINDS)}")
    if options.seed is None:
        options.seed = random.SystemRandom().getrandbits(32)
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
