"""One model that tasks in VMs call, and as many callers in the host's own Python."""

import time
from pathlib import Path
from typing import Any

import msgspec

from bench.contenders.serve import digest, pin, serve
from bench.contenders.vm import HEADER, values_of
from polyvm import vm
from polyvm.vm import toolchain

TASK = Path(__file__).parent.parent / "models" / "task.py"

_pools: dict[int, tuple[vm.Executor, int]] = {}


def open_pools(model: str, workers: list[int]) -> None:
    """An executor for each number of workers, each warmed up; they share the model's weights."""
    code = toolchain.compile(TASK.read_bytes(), "model/main.py")[HEADER:]
    modules = {"main": vm.Module(code=code, package=False)}
    assets = {"model.onnx": Path(model).read_bytes()}
    for many in workers:
        pool = vm.Executor(workers=many)
        task = pool.add(vm.Program("model", "1", "main:run", modules=modules, assets=assets))
        _pools[many] = pool, task
        tasks(many, 4 * many)


def tasks(workers: int, count: int) -> dict[str, Any]:
    """Run so many tasks: nanoseconds, and a fingerprint of the results."""
    pool, task = _pools[workers]
    payloads = msgspec.msgpack.encode(list(range(count)))
    start = time.perf_counter_ns()
    results = values_of(pool.submit_array(task, payloads))
    return {"ns": time.perf_counter_ns() - start, "digest": digest(results)}


def main() -> None:
    """Serve until standard input ends."""
    serve({"pin": pin, "open": open_pools, "tasks": tasks})
