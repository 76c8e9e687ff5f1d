"""The host's side of loading tasks: a plain bundle, or a sealed one with all the rules."""

import os
import random
import time
from pathlib import Path
from typing import Any

from bench.contenders.serve import pin, serve
from polyvm import vm
from polyvm.host import loader, packer
from polyvm.host.admission import Admission, Policy
from polyvm.host.sealing import sealer
from polyvm.host.sealing.keyring import Keyring
from polyvm.host.sealing.keys import KeyKind

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
MAIN = "def run(payload):\n    return payload\n"


def write_task(folder: Path, name: str, kind: str, size: int) -> Path:
    """A task whose plain bundle has about `size` bytes: of weights, or of bytecode."""
    task = folder / name
    task.mkdir(parents=True)
    lines = [f'name = "{name}"', 'version = "1.0.0"', 'entry = "main:run"']
    (task / "task.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (task / "main.py").write_text(MAIN, encoding="utf-8")
    if kind == "weights":
        (task / "weights.bin").write_bytes(random.Random(1).randbytes(size))
        return task
    sources = sorted(path for path in PROGRAMS.glob("*.py") if path.stem != "__init__")
    packed = [(path, len(packer_size(task, path))) for path in sources]
    written = turn = 0
    while written < size:
        for path, each in packed:
            copy = f"{path.stem}_{turn}"
            (task / f"{copy}.py").write_bytes(path.read_bytes())
            written += each
        turn += 1
    imports = "".join(f"import {path.stem}_0\n" for path in sources)
    (task / "main.py").write_text(imports + MAIN, encoding="utf-8")
    return task


def packer_size(task: Path, source: Path) -> bytes:
    """What one module adds to a bundle of this task."""
    one = task / source.name
    _, empty = packer.build(task)
    one.write_bytes(source.read_bytes())
    try:
        _, content = packer.build(task)
    finally:
        one.unlink()
    return content[len(empty) :]


def prepare(folder: str, kind: str, size: int) -> dict[str, Any]:
    """Make one task, its plain bundle and its sealed one; their paths and sizes."""
    place = Path(folder)
    task = write_task(place / "sources", kind, kind, size)
    keys = Keyring(place / "keys")
    publisher = keys.generate(KeyKind.PUBLISHER)[1]
    keys.trust(publisher)
    keys.generate(KeyKind.HOST)
    plain = packer.pack(task, place / "plain.bundle")
    sealed = sealer.seal(
        task,
        place / "sealed.bundle",
        publisher=keys.publisher_keys()[0],
        recipients=[key.public_key for key in keys.host_keys()],
        magic=vm.info().bytecode_magic,
    )
    return {
        "plain": {"path": str(plain), "bytes": plain.stat().st_size},
        "sealed": {"path": str(sealed), "bytes": sealed.stat().st_size},
        "members": len(list(task.iterdir())),
    }


def load(folder: str, path: str, count: int) -> dict[str, Any]:
    """Load a bundle `count` times, with the keys and the state of `folder`.

    load_ns: from the path to the program that VMs share, ready to be live, as a host does it.
    first_ns: the same, and on to the first result of a VM that was waiting.
    admit_ns: what the first time took longer: remembering the sequence durably.
    """
    place = Path(folder)
    policy = Policy(keys=place / "keys", state=place / "state")
    admission = Admission(policy, vm.info().bytecode_magic)

    def once() -> Any:
        made = loader.load(Path(path), admission)
        admission.admit(made)
        return made.program

    start = time.perf_counter_ns()
    once()
    first = time.perf_counter_ns() - start
    loads, trips = [], []
    one = vm.Vm()
    for _ in range(count):
        start = time.perf_counter_ns()
        program = once()
        loads.append(time.perf_counter_ns() - start)
        one.load(program)
        outcome, data = one.call(b"\xc0")
        trips.append(time.perf_counter_ns() - start)
        if outcome != vm.Outcome.DONE:
            raise RuntimeError(data.decode())
        one.reset()
    one.retire()
    return {"load_ns": loads, "first_ns": trips, "cold_ns": first}


def main() -> None:
    """Serve until standard input ends."""
    os.umask(0o077)
    serve({"pin": pin, "prepare": prepare, "load": load})
