"""Which tasks start which: graphs from manifests, what is refused, and what is handed down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host import chains, manifest
from polyvm.host.admission import Policy
from polyvm.host.bundle import PYC_HEADER_BYTES, Bundle
from polyvm.host.chains import Chains
from polyvm.host.deployment import State
from polyvm.host.embedded import Host, Options
from polyvm.host.errors import ChainError, ManifestError
from polyvm.host.invocations import NotDone
from polyvm.host.registry import Registry
from polyvm.host.switches import Disabled, Paused, Switches, Verb
from polyvm.host.triggers import Step, Trigger
from polyvm.vm import Module, Outcome, Program, toolchain
from tests.host.runner import ManualRunner
from tests.vm.programs import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyvm.host.manifest import Manifest

CODE = toolchain.compile(b"def run(payload):\n    return payload\n", "main.py")[PYC_HEADER_BYTES:]


def made(name: str, after: str = "", extra: str = "") -> Manifest:
    lines = [f'name = "{name}"', 'version = "1.0"', 'entry = "main:run"']
    if after:
        lines.append(f"after = {json.dumps(after.split())}")
    return manifest.parse("\n".join([*lines, extra]).encode(), "task.toml")


def world(**after: str) -> dict[str, Manifest]:
    return {name: made(name, names) for name, names in after.items()}


def bundle(name: str, after: str = "", extra: str = "") -> Bundle:
    program = Program(name, "1.0", "main:run", {"main": Module(CODE)})
    return Bundle(made(name, after, extra), program, Path(name))


# ---- Manifests ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("after = []", "after names 1 to 16 tasks, each once"),
        ('after = ["a", "a"]', "after names 1 to 16 tasks, each once"),
        (f"after = {json.dumps([f't{i}' for i in range(17)])}", "after names 1 to 16 tasks"),
        ('after = ["me"]', "after names the task itself"),
        ('after = ["No Name"]', "which no task is called"),
        ('after = "a"', "after"),
        ('after = ["a"]\nafter_failure = "retry"', "must be one of skip, stop, continue"),
        ('after_failure = "stop"', "there is none"),
        ('after = ["a"]\nevents = ["x"]', "takes no lines"),
        ('after = ["a"]\nisolation = "process"', "cannot be part of a chain"),
    ],
)
def test_what_a_manifest_may_not_say(extra: str, sentence: str) -> None:
    with pytest.raises(ManifestError, match=sentence):
        made("me", extra=extra)


def test_what_a_manifest_may_say() -> None:
    names = [f"t{i}" for i in range(16)]
    both = made("me", " ".join(names), 'after_failure = "continue"')
    assert (both.after, both.after_failure) == (tuple(names), "continue")


# ---- Graphs --------------------------------------------------------------------


def test_a_graph_is_all_that_a_trigger_starts() -> None:
    found = Chains(world(a="", b="a", c="a", d="b c", e="d x", f="e", x="", y="x"))
    assert found.graph("a") == ("a", "b", "c", "d")
    assert found.graph("b") == ("b",)  # d comes after c as well
    assert found.graph("x") == ("x", "y")
    assert found.graph("d") == ("d",)
    assert found.graph("nobody") == ("nobody",)
    assert found.graphs() == {"a": ("a", "b", "c", "d"), "x": ("x", "y"), "e": ("e", "f")}
    assert found.waiting() == {
        "e": "it comes after d and x, which no single trigger starts",
        "f": "it comes after e, which no single trigger starts",
    }


def test_the_order_does_not_depend_on_that_of_deployment() -> None:
    tasks = world(z="", c="z", a="z", b="a z", d="a b c")
    assert Chains(tasks).graph("z") == ("z", "a", "b", "c", "d")
    assert Chains(dict(reversed(tasks.items()))).graph("z") == ("z", "a", "b", "c", "d")


def test_what_is_missing_is_waited_for() -> None:
    found = Chains(world(b="a", c="b", d="b x"))
    found.check("d")
    assert found.waiting() == {
        "b": "it comes after a, not deployed or switched off",
        "c": "it comes after a, not deployed or switched off",
        "d": "it comes after a and x, not deployed or switched off",
    }


@pytest.mark.parametrize(
    ("tasks", "name", "sentence"),
    [
        ({"a": "b", "b": "a"}, "a", "a would come after itself: a -> b -> a;"),
        ({"a": "c", "b": "a", "c": "b"}, "c", "c would come after itself: c -> a -> b -> c;"),
        ({"a": "", "x": "", "d": "a x"}, "d", "d comes after a and x, which no single trigger"),
        (
            {"a": "", "b": "a", "x": "", "d": "a b x"},
            "d",
            "d comes after a, b and x, which no single trigger starts",
        ),
    ],
)
def test_what_cannot_be(tasks: dict[str, str], name: str, sentence: str) -> None:
    with pytest.raises(ChainError, match=sentence):
        Chains(world(**tasks)).check(name)


def test_a_chain_has_an_end() -> None:
    tasks = world(first="", **{f"t{i}": "first" for i in range(63)})
    Chains(tasks).check("t0")
    tasks["more"] = made("more", "first")
    with pytest.raises(ChainError, match="would start 65 tasks; the most is 64"):
        Chains(tasks).check("more")


def test_no_chain_starts_in_processes() -> None:
    tasks = {"p": made("p", extra='isolation = "process"'), "b": made("b", "p")}
    with pytest.raises(ChainError, match="b comes after p, which runs in processes"):
        Chains(tasks).check("b")
    assert Chains(tasks).graph("p") == ("p",)
    assert Chains(tasks).waiting() == {
        "b": "it comes after p, in processes, where no chain can start"
    }


def test_what_comes_after_others_starts_by_no_trigger() -> None:
    tasks = world(a="", b="a")
    some = Trigger(sequence=(Step(type="x"),))
    tasks["b"] = msgspec.structs.replace(tasks["b"], triggers=(some,))
    with pytest.raises(ChainError, match="starts by no trigger"):
        Chains(tasks).check("b")


def test_order_of_deployment() -> None:
    order = chains.in_order(world(d="b c", c="a", b="a", a="", x="y", y="x", z="nobody"))
    assert order.index("a") < order.index("b") < order.index("d")
    assert order.index("c") < order.index("d")
    assert sorted(order) == ["a", "b", "c", "d", "x", "y", "z"]


# ---- What is handed down ---------------------------------------------------------


def nodes(runner: ManualRunner, registry: Registry, name: str) -> list[tuple[str, Any, str]]:
    """What is handed down for the live version, by names."""
    names = {each.id: each.manifest.name for each in map(registry.live, "abcdx") if each}
    live = registry.live(name)
    assert live is not None
    return [
        (names[node.task], node.after, node.failure.name) for node in runner.chains.get(live.id, ())
    ]


def test_graphs_follow_what_is_live() -> None:
    runner = ManualRunner()
    registry = Registry(runner)
    registry.deploy(bundle("a"))
    registry.deploy(bundle("d", "b c", 'after_failure = "stop"'))
    registry.deploy(bundle("b", "a"))
    assert nodes(runner, registry, "a") == [("b", (0,), "SKIP")]
    registry.deploy(bundle("c", "a", 'after_failure = "continue"'))
    whole = [("b", (0,), "SKIP"), ("c", (0,), "CONTINUE"), ("d", (1, 2), "STOP")]
    assert nodes(runner, registry, "a") == whole
    assert registry.chain("a") == ("a", "b", "c", "d")
    assert registry.waiting() == {}
    for name, after in (("b", "a"), ("a", "")):  # replaced: graphs are of live versions
        registry.deploy(bundle(name, after))
        assert nodes(runner, registry, "a") == whole
    registry.withdraw("b")
    assert nodes(runner, registry, "a") == [("c", (0,), "CONTINUE")]
    assert set(registry.waiting()) == {"d"}
    registry.withdraw("c")
    assert nodes(runner, registry, "a") == []


def test_a_trigger_counts_for_the_whole_graph() -> None:
    runner = ManualRunner()
    registry = Registry(runner)
    for name, after in (("a", ""), ("b", "a")):
        registry.deploy(bundle(name, after))
    assert registry.targets("any") == ("a",)
    registry.submit("a", b"", 1)
    assert registry.pending == 2
    registry.deploy(bundle("b", "a"))
    assert [row.state for row in registry.snapshot() if row.name == "b"] == [
        State.LIVE,
        State.DRAINING,
    ]


def test_switches_reach_chains() -> None:
    runner = ManualRunner()
    switches = Switches()
    registry = Registry(runner, switches)
    for name, after in (("a", ""), ("b", "a"), ("c", "b")):
        registry.deploy(bundle(name, after))
    switches.turn("task", "b", Verb.DISABLE)
    assert nodes(runner, registry, "a") == []
    switches.turn("task", "b", Verb.ENABLE)
    assert [name for name, _, _ in nodes(runner, registry, "a")] == ["b", "c"]
    switches.turn("task", "c", Verb.PAUSE)
    with pytest.raises(Paused):
        registry.submit("a", b"", 1)
    switches.turn("task", "a", Verb.DISABLE)
    with pytest.raises(Disabled):
        registry.submit("a", b"", 1)


def test_what_is_refused_changes_nothing() -> None:
    runner = ManualRunner()
    registry = Registry(runner)
    registry.deploy(bundle("a"))
    registry.deploy(bundle("b", "a"))
    with pytest.raises(ChainError, match="a -> b -> a"):
        registry.deploy(bundle("a", "b"))
    assert registry.chain("a") == ("a", "b")
    assert len(runner.programs) == 2


# ---- A host ----------------------------------------------------------------------


@pytest.fixture
def options(tmp_path: Path) -> Options:
    (tmp_path / "tasks").mkdir()
    return Options(
        tasks=tmp_path / "tasks",
        workers=2,
        output=str(tmp_path / "out.jsonl"),
        packed=tmp_path / "packed",
        policy=Policy(keys=tmp_path / "keys", state=tmp_path / "state"),
    )


def lines(options: Options) -> list[dict[str, Any]]:
    assert options.output is not None
    return [json.loads(line) for line in Path(options.output).read_text().splitlines()]


def test_results_of_the_whole_graph(options: Options, make_task: Callable[..., Path]) -> None:
    make_task("a")
    make_task("b", "def run(x):\n    return x['results']['a'] + 1\n", after='["a"]')
    make_task("c", "def run(x):\n    1 / 0\n", after='["a"]')
    make_task("d", after='["b", "c"]', after_failure="continue")
    make_task("e", after='["c"]')
    with Host(options) as host:
        asked = host.submit("a", 5)
        assert asked.result() == 5
        ends = asked.chain(timeout=60)
        assert {name: each.completion.outcome for name, each in ends.items()} == {
            "a": Outcome.DONE,
            "b": Outcome.DONE,
            "c": Outcome.FAILED,
            "d": Outcome.DONE,
            "e": Outcome.CANCELLED,
        }
        assert msgspec.msgpack.decode(ends["b"].completion.data) == 6
        alone = host.submit("b", {"results": {"a": 1}})
        assert (alone.result(), list(alone.chain(timeout=60))) == (2, ["b"])
        with pytest.raises(NotDone):
            host.submit("c", None).result()
    written = lines(options)
    chain = {each["task"]: each for each in written if each["line"] == asked.id}
    first = asked.run_id
    assert {name: each["outcome"] for name, each in chain.items()} == {
        "b": "done",
        "c": "failed",
        "d": "done",
        "e": "cancelled",
    }
    assert {each["trigger"] for each in chain.values()} == {first}
    assert [chain[name]["id"] - first for name in "bcde"] == [1, 2, 3, 4]
    assert chain["d"]["result"] == {"input": 5, "results": {"b": 6}, "failures": {"c": "failed"}}
    assert chain["e"]["error"] == "skipped: c failed"


def test_refused_until_what_it_conflicts_with_goes(
    options: Options, make_task: Callable[..., Path]
) -> None:
    make_task("a", after='["c"]')
    make_task("b", after='["a"]')
    folder = make_task("c", after='["b"]')
    with Host(options) as host:
        service = host._service
        refused = service._deployer.refused
        assert len(refused) == 1
        assert "would come after itself" in refused[0][1]
        (folder / "task.toml").write_text('name = "c"\nversion = "2.0"\nentry = "main:run"\n')
        until(lambda: not service._deployer.refused)
        until(lambda: service._registry.chain("c") == ("c", "a", "b"))
