"""One test module in one process: `python -m tests.conformance.child REQUEST.json ANSWER.json`.

A test that takes the process down, or never ends, takes nothing else with it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from polyvm import vm

from .vendor import Library


def main(request_file: str, answer_file: str) -> None:
    request = json.loads(Path(request_file).read_bytes())
    library = Library(Path(request["lib"]), Path(request["cache"]))
    program = library.program(request["modules"], request["also"])
    payload = {key: request[key] for key in ("modules", "prefix", "progress", "only")}
    # CPython's tests work on files of their own, which confined workers may not open.
    with vm.Executor(workers=1, confine=False) as executor:
        done = executor.invoke(executor.add(program), msgspec.msgpack.encode(payload))
    if done.outcome is vm.Outcome.DONE:
        answer = msgspec.msgpack.decode(done.data)
    else:
        answer = {"broken": f"{done.outcome.name}: {done.data.decode('utf-8', 'replace')}"}
    Path(answer_file).write_bytes(msgspec.json.encode(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
