"""The operators of docs/arrays.md, counted; ``python -m tests.docs.operators`` writes them.

Counts come from the engine's catalogue, bytes from the regions that chains of transforms make.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from tests.engine.direct import call, ffi, lib

PAGE = Path(__file__).resolve().parents[2] / "docs" / "arrays.md"
BEGIN, END = "<!-- operators: begin -->", "<!-- operators: end -->"
ITEM = np.dtype(np.float32)
SIZES = (16, 64, 48, 48)  # images, channels, rows, columns
Step = tuple[str, tuple[Any, ...], tuple[int, ...]]  # its name, what it needs beside x, its shape


def counted(kind: str) -> int:
    return int(lib.pvt_operator_count(getattr(lib, kind)))


def permute(order: tuple[int, ...], shape: tuple[int, ...]) -> Step:
    return "permute", (ffi.new("int[]", list(order)),), tuple(shape[i] for i in order)


def reshape(shape: tuple[int, ...]) -> Step:
    return "reshape", (), shape


def flip(axis: int, shape: tuple[int, ...]) -> Step:
    return "flip", (ffi.cast("uint32_t", 1 << axis),), shape


def chains() -> dict[str, list[Step]]:
    n, c, h, w = SIZES
    grouped = (n, 4, c // 4, h, w)
    turned = (n, h, w, c)
    return {
        "permute, permute": [permute((0, 2, 3, 1), SIZES), permute((1, 0, 2, 3), turned)],
        "reshape, permute, reshape (channels shuffled)": [
            reshape(grouped),
            permute((0, 2, 1, 3, 4), grouped),
            reshape(SIZES),
        ],
        "permute, flip, permute back": [
            permute((0, 2, 3, 1), SIZES),
            flip(2, turned),
            permute((0, 3, 1, 2), turned),
        ],
    }


def regions() -> Any:
    return ffi.gc(ffi.new("pvt_regions *"), lib.pvt_regions_release)


def placeholder(shape: tuple[int, ...]) -> Any:
    made = ffi.new("pvt_array *")
    call("array_placeholder", made, "PVT_FLOAT32", len(shape), ffi.new("int64_t[]", list(shape)))
    return made


def moved(made: Any) -> int:
    """Bytes that a list of regions reads and writes."""
    total = 0
    for i in range(made.count):
        region = made.items[i]
        total += math.prod(region.size[d] for d in range(region.ndim))
    return 2 * total * ITEM.itemsize


def bytes_of(steps: list[Step]) -> tuple[int, int]:
    """Bytes moved by a chain: step by step, and as what its steps compose to."""
    source = placeholder(SIZES)
    apart = 0
    whole: Any = None
    for name, rest, shape in steps:
        target, own = placeholder(shape), regions()
        call(f"transform_{name}", own, source, *rest, target)
        apart += moved(own)
        if whole is not None:
            both, possible = regions(), ffi.new("bool *")
            call("regions_compose", whole, source, own, both, possible)
            assert possible[0], name
            own = both
        whole, source = own, target
    return apart, moved(whole)


def section() -> str:
    atomic, transforms = counted("PVT_ATOMIC"), counted("PVT_TRANSFORM")
    composites = counted("PVT_COMPOSITE")
    every = atomic + transforms + composites
    saved = 100 * (every - atomic) / every
    sizes = " x ".join(map(str, SIZES))
    text = (
        f"The engine has {every} operators: {atomic} atomic ones, which have kernels, "
        f"{transforms} that only move elements,\nand {composites} composites of others. A library "
        f"in which each has a kernel needs {every} for every\ninstruction set; here it is "
        f"{atomic}, {saved:.0f} % fewer, as whatever moves elements is a list of regions\nfor the "
        "one raster kernel. Lists are composed before they run, so that a chain moves its "
        "elements\nonce; beside it, what is moved if each step writes its result "
        f"(float32, {sizes}):"
    )
    lines = [text, "", "| chain | bytes moved step by step | composed |", "| --- | --- | --- |"]
    for name, steps in chains().items():
        apart, together = bytes_of(steps)
        lines.append(f"| {name} | {apart / 2**20:.1f} MiB | {together / 2**20:.1f} MiB |")
    return "\n".join(lines)


def main() -> None:
    """Write the section between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n{section()}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
