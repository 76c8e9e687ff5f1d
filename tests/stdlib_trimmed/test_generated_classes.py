"""Random dataclasses, named tuples and annotations: the same in a VM as anywhere else.

Methods that a VM puts together from templates must not be told from those that ordinary
Python compiles: by result, by error message or by signature.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import pytest

from .conftest import call

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Shell

PRELUDE = """
from __future__ import annotations
import collections, copy, dataclasses, inspect, pickle, re, typing
from collections import namedtuple
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import Annotated, Callable, ClassVar, Literal, Optional

def show(make):
    try:
        print(re.sub(r" at 0x[0-9a-f]+", "", str(make())))
    except RecursionError:
        print("RecursionError")
    except Exception as error:
        print(type(error).__name__, error)
"""

USES = """
show(lambda: inspect.signature({name}))
show(lambda: {name}.__doc__)
show(lambda: sorted(n for n in vars({name}) if n.startswith("__") and callable(vars({name})[n])))
show(lambda: {name}.__init__.__annotations__)
for arguments in {calls!r}:
    show(lambda: {name}(*arguments))
    show(lambda: {name}(*arguments) == {name}(*arguments))
    show(lambda: {name}(*arguments) != {name}(*{calls!r}[0]))
    show(lambda: {name}(*arguments) < {name}(*{calls!r}[0]))
    show(lambda: {name}(*arguments) >= {name}(*{calls!r}[0]))
    show(lambda: hash({name}(*arguments)) == hash({name}(*arguments)))
    show(lambda: vars({name}(*arguments)))
    show(lambda: setattr({name}(*arguments), "a", 1))
    show(lambda: setattr({name}(*arguments), "stranger", 1))
    show(lambda: dataclasses.asdict({name}(*arguments)))
    show(lambda: dataclasses.replace({name}(*arguments), a=0))
    show(lambda: copy.copy({name}(*arguments)))
    show(lambda: pickle.loads(pickle.dumps({name}(*arguments))) == {name}(*arguments))
show(lambda: {name}(a=1, b=2, c=3))
show(lambda: {name}(nonsense=1))
show(lambda: {name}.__match_args__)
"""

NAMES = [
    "a",
    "b",
    "c",
    "self",
    "other",
    "cls",
    "name",
    "value",
    "équal",
    "_private",
    "type",
    "hash",
]
TYPES = ["int", "list[int]", "Optional[str]", "ClassVar[int]", "InitVar[int]", "KW_ONLY", "'str'"]
FIELD_OPTIONS = ["init", "repr", "hash", "compare", "kw_only"]


def random_field(rand: random.Random, name: str) -> str:
    kind = rand.choice(TYPES)
    text = f"    {name}: {kind}"
    form = rand.randrange(6)
    if form == 1:
        text += f" = {rand.choice(['0', '1.5', '()', 'None', '[]'])}"
    elif form > 1:
        options = [f"{o}={rand.random() < 0.5}" for o in FIELD_OPTIONS if rand.random() < 0.2]
        if rand.random() < 0.5:
            default = ["default=7", "default_factory=list", "default_factory=lambda: 'made'"]
            options.append(rand.choice(default))
        text += f" = field({', '.join(options)})"
    return text


def random_dataclass(rand: random.Random, name: str, bases: list[str]) -> str:
    options = ["frozen", "order", "eq", "unsafe_hash", "slots", "kw_only", "repr", "init"]
    chosen = [f"{o}={rand.random() < 0.7}" for o in options if rand.random() < 0.25]
    base = f"({rand.choice(bases)})" if bases and rand.random() < 0.4 else ""
    lines = [f"@dataclass({', '.join(chosen)})", f"class {name}{base}:"]
    lines += [random_field(rand, n) for n in rand.sample(NAMES, rand.randrange(5))]
    if rand.random() < 0.2:
        lines += ["    def __post_init__(self, *values):", "        print('post', values)"]
    if rand.random() < 0.1:
        lines += ["    def __lt__(self, other):", "        return NotImplemented"]
    if len(lines) == 2:
        lines.append("    pass")
    return "\n".join(lines)


def dataclass_program(rand: random.Random, count: int) -> str:
    parts, bases = [PRELUDE], list[str]()
    for i in range(count):
        name = f"C{i}"
        definition = random_dataclass(rand, name, bases).replace("\n", "\n    ")
        calls = [(), (1,), (1, 2), (1, [2], "3"), (float("1.5"), 2, 3, 4)]
        uses = USES.format(name=name, calls=calls).replace("\n", "\n    ")
        # A definition that is an error is the same error on both sides; nothing follows it.
        parts.append(
            f"try:\n    {definition}\nexcept Exception as error:\n"
            f"    print(type(error).__name__, error)\nelse:\n    {uses}\n"
        )
        parts.append(f"if 'C{i}' not in globals():\n    class C{i}: pass\n")
        bases.append(name)
    return "\n".join(parts)


def annotation(rand: random.Random, depth: int = 3) -> str:
    if depth == 0 or rand.random() < 0.25:
        return rand.choice(["int", "str", "None", "'int'", "typing.Any", "C", "collections.deque"])

    def inner() -> str:
        return annotation(rand, depth - 1)

    forms: list[Callable[[], str]] = [
        lambda: f"list[{inner()}]",
        lambda: f"dict[{inner()}, {inner()}]",
        lambda: f"tuple[{inner()}, ...]",
        lambda: f"tuple[{inner()},]",
        lambda: f"Optional[{inner()}]",
        lambda: f"typing.Union[ {inner()} , int]",
        lambda: f"(list[{inner()}]) | None",
        lambda: f"Callable[[{inner()}, {inner()}], {inner()}]",
        lambda: "Literal[1, -2, 'a\\'b', b'c', True, None, 0x1F]",
        lambda: f"Annotated[{inner()}, {{'k': [1, 2.5]}}, (1,), dict(a=1, b='x')]",
    ]
    return rand.choice(forms)()


def compare(program: str, shell: Shell, folder: Path) -> None:
    in_vm = shell.run(program, folder)
    ordinary = call([shell.sdk.python, "-I", "-X", "utf8", folder / "cell.py"])
    assert len(ordinary.stdout.splitlines()) > 50
    difference = difflib.unified_diff(
        ordinary.stdout.splitlines(), in_vm.stdout.splitlines(), "ordinary", "VM", lineterm="", n=6
    )
    if lines := list(difference):
        pytest.fail("\n".join(lines[:40]))
    assert (in_vm.stderr, in_vm.returncode) == (ordinary.stderr, ordinary.returncode)


def test_random_dataclasses(rand: random.Random, shell: Shell, tmp_path: Path) -> None:
    compare(dataclass_program(rand, 150), shell, tmp_path)


def test_random_named_tuples(rand: random.Random, shell: Shell, tmp_path: Path) -> None:
    lines = [PRELUDE]
    for i in range(100):
        fields = [f"f{j}" for j in range(rand.randrange(0, 12))]
        defaults = list(range(rand.randrange(0, len(fields) + 2)))
        lines.append(
            f"show(lambda: (N := namedtuple('N{i}', {fields!r}, defaults={defaults!r}))"
            f" and (N.__doc__, inspect.signature(N), N._field_defaults))\n"
            f"for n in range({len(fields) + 2}):\n"
            f"    show(lambda: namedtuple('N{i}', {fields!r}, defaults={defaults!r})(*range(n)))\n"
        )
    compare("\n".join(lines), shell, tmp_path)


def test_random_annotations(rand: random.Random, shell: Shell, tmp_path: Path) -> None:
    lines = [PRELUDE, "class C: pass"]
    for _ in range(200):
        lines.append(f"def f(a: {annotation(rand)}) -> {annotation(rand)}: ...")
        lines.append("show(lambda: typing.get_type_hints(f, include_extras=True))")
        lines.append("show(lambda: inspect.get_annotations(f, eval_str=True))")
    compare("\n".join(lines), shell, tmp_path)
