"""What it costs that a bundle is signed and encrypted: loading it, against a plain one."""

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from bench.contender import Contender
from bench.rows import Row, Table, at_most, duration, size
from bench.settings import Setup

TITLE = "Loading sealed bundles"

KINDS = {
    "weights": "one module and an asset of random bytes",
    "code": "modules of the programs above, many times over",
}
SIZE = 1_000_000
TARGET = 1.3


def _host(name: str, cpus: list[int]) -> Contender:
    return Contender(name, [sys.executable], "bench.contenders.host", cpus)


def measure(setup: Setup) -> dict[str, Any]:
    """Plain and sealed in processes of their own, turn about: one that holds keys wipes more."""
    rounds, count = setup.rounds(3, 9), setup.rounds(5, 15)
    cpu = setup.cpus[-1:]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            place = str(Path(folder) / kind)
            setup.progress(f"sealing {kind}")
            with _host("host", cpu) as maker:
                made = maker.ask("prepare", folder=place, kind=kind, size=SIZE)
            mine: dict[str, Any] = {"members": made["members"]}
            for form in ("plain", "sealed"):
                mine[form] = {"bytes": made[form]["bytes"], "load_ns": [], "first_ns": []}
            for turn in range(rounds):
                for form in ("plain", "sealed"):
                    setup.progress(f"{kind}, round {turn + 1} of {rounds}: {form}")
                    with _host(f"host-{form}", cpu) as host:
                        told = host.ask("load", folder=place, path=made[form]["path"], count=count)
                    for key in ("load_ns", "first_ns"):
                        mine[form][key].append(median(told[key]))
            found[kind] = mine
    return {"found": found}


def _ratio(data: dict[str, Any], key: str) -> float:
    """The median of the rounds' own ratios: what disturbs a round disturbs both."""
    pairs = zip(data["sealed"][key], data["plain"][key], strict=True)
    return median(sealed / plain for sealed, plain in pairs)


def rows(data: dict[str, Any]) -> list[Row]:
    made = []
    for kind, found in data["found"].items():
        ratio = _ratio(found, "load_ns")
        plain, sealed = (median(found[form]["load_ns"]) for form in ("plain", "sealed"))
        made.append(
            at_most(
                f"load a sealed {size(found['plain']['bytes'])} bundle of {kind}",
                f"plain bundle, {duration(plain)}",
                f"<= {TARGET:g}x",
                TARGET,
                value=ratio,
                reached=f"{duration(sealed)} = {ratio:.2f}x",
            )
        )
    return made


def tables(data: dict[str, Any]) -> list[Table]:
    lines = []
    for kind, found in data["found"].items():
        lines += [
            [
                f"{kind}, {form}",
                size(found[form]["bytes"]),
                duration(median(found[form]["load_ns"])),
                duration(median(found[form]["first_ns"])),
            ]
            for form in ("plain", "sealed")
        ]
        lines.append(
            [
                f"{kind}, sealed to plain",
                f"{found['sealed']['bytes'] / found['plain']['bytes']:.2f}x",
                f"{_ratio(found, 'load_ns'):.2f}x",
                f"{_ratio(found, 'first_ns'):.2f}x",
            ]
        )
    return [
        Table(
            TITLE,
            ["bundle", "file", "load", "load and first result"],
            lines,
            "Load: from the path to code and assets in the VMs' memory, bytecode verified; for the "
            "sealed one also signature, rules and decryption. "
            + "; ".join(f"{kind}: {text}" for kind, text in KINDS.items())
            + ".",
        )
    ]
