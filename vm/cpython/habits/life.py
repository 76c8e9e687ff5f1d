"""The life of a VM: made, given code, imports, ended."""

from __future__ import annotations

import importlib
import marshal
import sys
import typing

from habits.registry import habit

SOURCE = """
import json, math, re, collections
class Model:
    def __init__(self, weights): self.weights = weights
    def score(self, row): return sum(w * x for w, x in zip(self.weights, row))
MODEL = Model([0.5, 1.5, -2.0])
def run(payload):
    words = collections.Counter(re.findall(r"[a-z]+", payload["text"]))
    return {"score": MODEL.score(payload["row"]), "words": dict(words), "root": math.sqrt(2)}
"""


@habit
def loading_code() -> object:
    """Unmarshal code, run a module's body, call its entry."""
    code = marshal.dumps(compile(SOURCE, "task/main.py", "exec", dont_inherit=True))
    out = []
    for n in range(6):
        scope: dict[str, typing.Any] = {"__name__": "main"}
        exec(marshal.loads(code), scope)  # noqa: S102, S302 - our own code
        out.append(scope["run"]({"text": "to be or not to be", "row": [n, 1.0, 2.0]}))
    return out


@habit
def importing() -> object:
    """Import modules afresh, pure ones with their regular expressions and classes."""
    for name in ("fractions", "textwrap", "csv", "string", "statistics", "bisect", "calendar"):
        sys.modules.pop(name, None)
        importlib.import_module(name)
    return len(sys.modules)


@habit
def interpreters() -> object:
    """Make an interpreter, run a little in it, end it."""
    # The one module that only the interpreter being trained has.
    vms = importlib.import_module("_interpreters")
    vm = vms.create("isolated")
    try:
        return vms.exec(vm, "import json, collections; x = json.dumps({'a': [1, 2.5, None]})")
    finally:
        vms.destroy(vm)
