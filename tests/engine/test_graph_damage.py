"""Damaged models: ONNX's own test models, cut and changed at random, are errors or models; never a
crash, and never memory that is out of all proportion."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

ROOT = Path(__file__).resolve().parents[2]
COUNT = 1500
MORE_MEMORY = 6 << 30  # than is mapped at first: a sanitizer maps terabytes


def damaged(source: bytes, rand: random.Random) -> bytes:
    kind = rand.randrange(5)
    if kind == 0:
        return source[: rand.randrange(len(source) + 1)]
    changed = bytearray(source)
    for _ in range(rand.choice((1, 1, 2, 8))):
        at = rand.randrange(len(changed))
        if kind == 1:
            changed[at] ^= 1 << rand.randrange(8)
        elif kind == 2:
            changed[at] = rand.choice((0, 1, 127, 128, 255))
        elif kind == 3:
            changed[at:at] = changed[rand.randrange(len(changed)) :][: rand.randrange(40)]
        else:
            del changed[at : at + rand.randrange(1, 20)]
            changed = changed or bytearray(b"\0")
    return bytes(changed)


def main(seed: int) -> None:
    """In a process of its own: load them all, and run those that load."""
    from onnx.backend.test.loader import load_model_tests

    from polyvm import np as pnp
    from polyvm.engine import _tensor

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    rand = random.Random(seed)
    cases: list[Any] = [case for case in load_model_tests(kind="node") if case.model is not None]
    loaded = ran = 0
    for i in range(COUNT):
        case = rand.choice(cases)
        source = damaged(case.model.SerializeToString(), rand)
        print(i, case.name, source.hex() if len(source) < 4000 else "", file=sys.stderr)
        try:
            model = _tensor.Model(source, budget=-1.0)
            loaded += 1
            if b"Loop" in source or b"Scan" in source:
                continue  # a changed count of rounds is no damage, and may take for ever
            model.run(*map(pnp.asarray, case.data_sets[0][0]))
            ran += 1
        except (ValueError, TypeError, RuntimeError, MemoryError, IndexError):
            pass
    print(f"{loaded} of {COUNT} loaded, {ran} ran")


def test_damaged_models_are_errors_or_models(rand: Random) -> None:
    seed = rand.getrandbits(32)
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.test_graph_damage", str(seed)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.splitlines()[-3:]
    assert done.returncode == 0, f"seed {seed}, status {done.returncode}: {last}"
    assert "loaded" in done.stdout


if __name__ == "__main__":
    main(int(sys.argv[1]))
