"""Damages bundles in every layer; nothing but a PolyvmError may come out of the loader.

``python -m tests.host.sealing.fuzz --cases N --seed S``; an input that fails is kept in build/fuzz
and tried again with ``--input FILE``. Keys are fixed, so that such a file can be opened anywhere.
"""

from __future__ import annotations

import argparse
import base64
import copy
import io
import random
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from polyvm.host import bundle
from polyvm.host.bundle import Seal
from polyvm.host.errors import PolyvmError
from polyvm.host.sealing import content, keys
from polyvm.host.sealing.format import is_sealed
from polyvm.host.sealing.keys import HostKey, PublisherKey
from polyvm.host.sealing.opener import open_sealed
from tests.host.sealing.builder import GOOD, HERE, PYTHON, Craft, table

FAILURES = Path("build/fuzz")
INTEGERS = [0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, -1]
VALUES: list[Any] = [*INTEGERS, -(2**63), None, True, 0.5, "", "../x", "x" * 5000, b"", b"x" * 80]
VALUES += [[], {}, [[]], ["/x"] * 20, {"read": 1}, {"read": ["/"], "write": []}, [None] * 5000]


def _secret(kind: str) -> PublisherKey | HostKey:
    seed = base64.b64encode(bytes(range(32))).decode()
    return keys.parse_secret(f"polyvm-{kind}-secret-1 {seed}\n".encode(), "fuzz")


_publisher, _host = _secret("publisher"), _secret("host")
assert isinstance(_publisher, PublisherKey)
assert isinstance(_host, HostKey)
PUBLISHER, HOST = _publisher, _host

MEMBERS: dict[str, bytes] = {
    **GOOD,
    "pkg/__init__.pyc": GOOD["main.pyc"],
    "data/text": b"text " * 300,
    "data/large": bytes(range(256)) * 300,
    "data/empty": b"",
}
PLAN = content.plan(MEMBERS, HERE)
CONTENT = b"".join(PLAN.pieces())
ENTRIES = msgspec.to_builtins(PLAN.entries)
STORED = CONTENT[len(table(ENTRIES)) :]


def load(data: bytes) -> None:
    """All that a host does before it runs a task."""
    if not is_sealed(data):
        bundle.from_zip(data, HERE, PYTHON).bundle()
        return
    with open_sealed(data, HERE) as sealed:
        sealed.verify(PUBLISHER.public_key)
        header = sealed.header
        seal = Seal(
            header.publisher.hex(), header.sequence, header.created, header.expires, sealed.digest
        )
        sealed.unseal([HOST], PYTHON).bundle(seal)


def damaged(rand: random.Random, data: bytes) -> bytes:
    """Bytes with one to three random changes."""
    changed = bytearray(data)
    for _ in range(rand.randint(1, 3)):
        start = rand.randrange(len(changed) + 1)
        end = min(len(changed), start + rand.choice([1, 2, 8, 100, 10_000]))
        match rand.randrange(6):
            case 0 if start < len(changed):
                changed[start] ^= 1 << rand.randrange(8)
            case 1:
                del changed[start:end]
            case 2:
                del changed[start:]
            case 3:
                changed[start:start] = changed[start:end]
            case 4:
                other = rand.randrange(len(changed) + 1)
                changed[start:end] = changed[other : other + end - start]
            case _:
                width = rand.choice([1, 2, 4, 8])
                value = rand.choice(INTEGERS) % 2 ** (8 * width)
                order: Any = rand.choice(["little", "big"])
                changed[start : start + width] = value.to_bytes(width, order)
    return bytes(changed)


def raw(rand: random.Random) -> bytes:
    """A file that was damaged after it was signed."""
    sound = Craft(PUBLISHER, [HOST], CONTENT).file()
    file = sound
    while file == sound:
        file = damaged(rand, sound)
    return file


def header(rand: random.Random) -> bytes:
    """A rightly signed file with another header."""
    craft = Craft(PUBLISHER, [HOST], CONTENT)
    if rand.random() < 0.5:
        return craft.file(damaged(rand, msgspec.msgpack.encode(craft.fields))[:70_000])
    for _ in range(rand.randint(1, 2)):
        craft.fields[rand.choice([*craft.fields, "new"])] = rand.choice(VALUES)
    return craft.file()


def inside(rand: random.Random) -> bytes:
    """A rightly signed and encrypted file with other content."""
    if rand.random() < 0.5:
        return Craft(PUBLISHER, [HOST], damaged(rand, CONTENT) or b"0").file()
    entries = [list(entry) for entry in ENTRIES]
    for _ in range(rand.randint(1, 2)):
        place = rand.randrange(len(entries))
        match rand.randrange(4):
            case 0:
                entries.insert(place, entries[rand.randrange(len(entries))])
            case 1 if len(entries) > 1:
                del entries[place]
            case 2:
                entries[place] = copy.deepcopy(rand.choice(VALUES))
            case _ if isinstance(entries[place], list) and entries[place]:
                entries[place][rand.randrange(len(entries[place]))] = copy.deepcopy(
                    rand.choice(VALUES)
                )
    stored = STORED if rand.random() < 0.5 else damaged(rand, STORED)
    return Craft(PUBLISHER, [HOST], table(entries) + stored).file()


def member(rand: random.Random) -> bytes:
    """A sealed file that is right but for the bytes of one member, most often bytecode."""
    name = rand.choice(["main.pyc", "main.pyc", "pkg/__init__.pyc", "task.toml"])
    members = {**MEMBERS, name: damaged(rand, MEMBERS[name])}
    plain = b"".join(content.plan(members, HERE).pieces())
    return Craft(PUBLISHER, [HOST], plain).file()


def plain(rand: random.Random) -> bytes:
    """A damaged plain bundle."""
    file = io.BytesIO()
    with zipfile.ZipFile(
        file, "w", rand.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    ) as zip_:
        for name, data in GOOD.items():
            zip_.writestr(zipfile.ZipInfo(name), data)
    return damaged(rand, file.getvalue())


KINDS: list[Callable[[random.Random], bytes]] = [raw, header, inside, member, plain]


def run(cases: int, seed: int, *, progress: bool = False) -> Counter[str]:
    """Try so many inputs; counts of what came out. Raises what is no PolyvmError."""
    rand = random.Random(seed)
    outcomes: Counter[str] = Counter()
    shown = time.monotonic()
    for case in range(cases):
        make = rand.choice(KINDS)
        data = make(random.Random(rand.getrandbits(64)))
        try:
            load(data)
            assert make is not raw, "loaded, though it was changed after it was signed"
            outcomes[f"{make.__name__}: loaded"] += 1
        except PolyvmError as error:
            assert "\n" not in str(error), str(error)
            outcomes[f"{make.__name__}: {type(error).__name__}"] += 1
        except BaseException as error:
            FAILURES.mkdir(parents=True, exist_ok=True)
            kept = FAILURES / f"{make.__name__}-{seed}-{case}.bundle"
            kept.write_bytes(data)
            error.add_note(f"case {case} of seed {seed}, kept as {kept}")
            raise
        if progress and time.monotonic() - shown > 1:
            shown = time.monotonic()
            print(f"{case + 1:,} of {cases:,} cases", end="\r", file=sys.stderr, flush=True)
    # CPython shares bytes objects of length 1, and wiping one would change it everywhere.
    assert [bytes([value])[0] for value in range(256)] == list(range(256)), f"seed {seed}"
    return outcomes


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Damage bundles and load them.")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--input", type=Path, help="load this file instead")
    options = parser.parse_args()
    if options.input is not None:
        try:
            load(options.input.read_bytes())
        except PolyvmError as error:
            print(f"refused: {error}")
        else:
            print("loaded")
        return
    print(f"seed {options.seed}")
    for outcome, count in sorted(run(options.cases, options.seed, progress=True).items()):
        print(f"{count:9,}  {outcome}")


if __name__ == "__main__":
    main()
