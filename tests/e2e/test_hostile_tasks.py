"""Tasks that try what a VM does not allow, or hurt themselves: the host and the others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polyvm.host.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Cli

LINES = 6

# Source of the entry's body, and a word that its error must have; None: it may well succeed.
HOSTILE = {
    "compile": ("compile('1', 'f', 'eval')", "compile() is not available in a VM"),
    "eval": ("eval('1')", "not available in a VM"),
    "exec": ("exec('1')", "not available in a VM"),
    "os._exit": ("import os; os._exit(3)", "_exit"),
    "os.abort": ("import os; os.abort()", "abort"),
    "os.fork": ("import os; os.fork()", "fork"),
    "os.kill": ("import os; os.kill(os.getpid(), 9)", ""),
    "os.close 1": ("import os; os.close(1)", "close"),
    "open fd 1": ("open(1, 'w').close()", None),
    "signal": ("import signal; signal.raise_signal(9)", "signal"),
    "subprocess": ("import subprocess", "subprocess"),
    "sys.exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "exit in a thread's way": ("raise SystemExit", "SystemExit"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "recursion": ("return run(payload)", "RecursionError"),
    "deep data": ("x = []\n    for _ in range(10**5): x = [x]\n    return x", "nested"),
    "del sys.modules": ("import sys; del sys.modules", None),
    "sys.modules = x": ("import sys; sys.modules = 'x'; import json", None),
    "clear sys.modules": ("import sys; sys.modules.clear()", None),
    "clear builtins": ("import builtins; vars(builtins).clear()", None),
    "close stdout": ("import sys; sys.stdout.close(); print(1)", None),
    "stdout = None": ("import sys; sys.stdout = sys.stderr = None; print(1)", None),
    "numpy": ("import numpy", 'isolation = "process"'),
    "chdir": ("import os; os.chdir('/')", "chdir"),
    "read stdin": ("input()", ""),
    "huge memory": ("bytes(10**15)", "MemoryError"),
    "excepthook": ("import sys; sys.excepthook = None; 1 / 0", "ZeroDivisionError"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_harm_to_the_others(cli: Cli, make_task: Callable[..., Path], name: str) -> None:
    body, word = HOSTILE[name]
    make_task("hostile", f"def run(payload):\n    {body}\n")
    # On the same worker: json and print are what a damaged sys.modules or stdout would break.
    make_task(
        "innocent",
        """
        def run(payload):
            import json
            print(payload)
            return json.dumps([payload])
        """,
    )
    stdin = "".join(f"{n}\n" for n in range(LINES))
    done = cli("run", "tasks", "--workers", "1", "--input", "-", "--output", "-", stdin=stdin)
    assert done.code in {ExitCode.OK, ExitCode.PARTIAL}, done.err
    by_task: dict[str, list[str]] = {"hostile": [], "innocent": []}
    for result in done.results():
        by_task[result["task"]].append(str(result.get("result", result.get("error"))))
        assert result["task"] == "hostile" or result["outcome"] == "done", result
        if word is not None and result["task"] == "hostile":
            assert result["outcome"] == "failed"
            assert word in result["error"]
    assert sorted(by_task["innocent"]) == [f"[{n}]" for n in range(LINES)]
    assert len(by_task["hostile"]) == LINES
