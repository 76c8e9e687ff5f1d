"""Birth, reset and memory of VMs, and the size of the library."""

import lzma
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from bench.contender import Contender
from bench.rows import Row, Table, at_most, duration, size
from bench.settings import MODERN, Setup

TITLE = "VM create, acquire, reset, memory; library size"


def measure(setup: Setup) -> dict[str, Any]:
    """Several processes of each kind, taking turns; within each, VMs one after the other."""
    launches = setup.rounds(2, 4)
    count = setup.rounds(50, 100)
    cpu = setup.cpus[-1:]
    found: dict[str, dict[str, list[float]]] = {"vm": {}}

    def take(name: str, told: dict[str, Any]) -> None:
        mine = found.setdefault(name, {})
        for key, value in told.items():
            if isinstance(value, list):
                mine.setdefault(key, []).extend(value)
            else:
                mine.setdefault(key, []).append(value / count)

    for launch in range(launches):
        setup.progress(f"launch {launch + 1} of {launches}: creating VMs")
        with Contender.vm("vm-life", cpu) as vm:
            take("vm", vm.ask("create", count=count))
            take("vm", vm.ask("resets", count=count))
        with Contender.vm("vm-warm", setup.cpus) as vm:
            take("vm", vm.ask("warm", count=setup.rounds(20, 40)))
        if setup.modern is not None:
            setup.progress(f"launch {launch + 1} of {launches}: creating interpreters")
            with Contender.stock("interpreters-life", setup.modern, cpu) as stock:
                take("interpreters", stock.ask("create", count=count))
    return {
        "count": count,
        "found": found,
        "library": library_size(Path(setup.library)),
        "build": setup.build,
    }


def library_size(library: Path) -> dict[str, int]:
    """Bytes of the library as it is, stripped, and stripped and compressed with xz -9e."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / library.name
        shutil.copyfile(library, copy)
        if shutil.which("strip"):
            subprocess.run(["strip", "--strip-all", copy], check=True)
        stripped = copy.read_bytes()
    compressed = lzma.compress(stripped, preset=9 | lzma.PRESET_EXTREME)
    return {
        "bytes": library.stat().st_size,
        "stripped": len(stripped),
        "compressed": len(compressed),
    }


def rows(data: dict[str, Any]) -> list[Row]:
    vm = data["found"]["vm"]
    theirs = data["found"].get("interpreters")
    acquire = median(vm["load_ns"])
    made = [
        at_most(
            "warm VM acquire, loading a one-line task",
            "absolute",
            "<= 50 µs",
            50_000,
            value=acquire,
            reached=duration(acquire),
        )
    ]
    if theirs:
        create, reference = median(vm["create_ns"]), median(theirs["create_ns"])
        made.append(
            at_most(
                "cold VM create",
                f"{MODERN} interpreters.create(), {duration(reference)}",
                "<= 1/6",
                1 / 6,
                value=create / reference,
                reached=f"{duration(create)} = 1/{reference / create:.1f}",
            )
        )
    held = median(vm["bytes"])
    reference_text = f", {size(median(theirs['bytes']))} in {MODERN}" if theirs else ""
    made.append(
        at_most(
            "idle VM memory (resident)",
            f"absolute{reference_text}",
            "<= 1 MB",
            1e6,
            value=held,
            reached=size(held),
        )
    )
    compressed = data["library"]["compressed"]
    small = data["build"] == "small"
    made.append(
        at_most(
            "runtime library + frozen stdlib, stripped and compressed",
            "Walle's 1.3 MB",
            "<= 1.3 MB (small build)" if small else "<= 2.5 MB (fast build)",
            1.3e6 if small else 2.5e6,
            value=compressed,
            reached=size(compressed),
        )
    )
    return made


def tables(data: dict[str, Any]) -> list[Table]:
    vm = data["found"]["vm"]
    theirs = data["found"].get("interpreters", {})

    def times(key: str, of: dict[str, list[float]]) -> list[str]:
        if key not in of:
            return ["", ""]
        ordered = sorted(of[key])
        return [duration(median(ordered)), duration(ordered[int(len(ordered) * 0.99)])]

    def memory(key: str, of: dict[str, list[float]]) -> list[str]:
        return [size(median(of[key])) if key in of else "", ""]

    lines = [
        ["create", *times("create_ns", vm), *times("create_ns", theirs)],
        ["retire / close", *times("retire_ns", vm), *times("retire_ns", theirs)],
        ["reset after a task", *times("reset_ns", vm), "", ""],
        ["warm acquire + load", *times("load_ns", vm), "", ""],
        ["first invocation, round trip", *times("trip_ns", vm), "", ""],
        ["resident memory each", *memory("bytes", vm), *memory("bytes", theirs)],
        ["of it counted by the VM", *memory("counted_bytes", vm), "", ""],
        ["left after retiring, each", *memory("left_bytes", vm), *memory("left_bytes", theirs)],
    ]
    library = data["library"]
    return [
        Table(
            TITLE,
            ["what", "VM, median", "p99", f"{MODERN} interpreter, median", "p99"],
            lines,
            f"{data['count']} alive at once, several launches.",
        ),
        Table(
            "Library",
            ["what", "bytes"],
            [
                ["as built", f"{library['bytes']:,}"],
                ["stripped", f"{library['stripped']:,}"],
                ["stripped, xz -9e", f"{library['compressed']:,}"],
            ],
        ),
    ]
