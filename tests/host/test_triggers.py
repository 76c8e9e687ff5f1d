"""Triggers as authors write them: what is taken, and what is refused with which sentence."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host import bundle, event_fields, manifest, packer, triggers
from polyvm.host.errors import ManifestError, UsageError
from polyvm.host.schedules import Cron, Every
from polyvm.host.timers import Plan
from polyvm.host.triggers import Step, Trigger
from polyvm.vm import Executor, TriggerMode, VmError, info

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = 'name = "t"\nversion = "1"\nentry = "main:run"\n'
FULL = """
[[triggers]]
name = "basket"
sequence = [
  {type = "page_enter", page = "item"},
  {type = "click", ids = ["buy", "cart"], where = [{field = "price", op = ">", value = 10}]},
]
within = "30s"
key = "user_id"

[[triggers]]
sequence = [{type = "exit"}]
"""


def parse(text: str) -> manifest.Manifest:
    return manifest.parse((HEAD + text).encode(), "task.toml")


def test_toml() -> None:
    found = triggers.named(parse(FULL).triggers)
    assert list(found) == ["basket", "2"]
    assert msgspec.msgpack.decode(found["basket"].condition) == {
        "steps": [
            {"type": "page_enter", "page": "item", "ids": None, "where": []},
            {
                "type": "click",
                "page": None,
                "ids": ["buy", "cart"],
                "where": [["price", ">", 10]],
            },
        ],
        "within_ns": 30 * 10**9,
        "key": "user_id",
    }


def step(text: str) -> str:
    return f"[[triggers]]\nsequence = [{{{text}}}]\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[triggers]]\n", "sequence"),
        ("[[triggers]]\nsequence = []\n", "0 events; it has 1 to 16"),
        ("[[triggers]]\nevery = '5s'\nsequence = [{type = 'a'}]\n", "with sequence has no every"),
        ("[[triggers]]\nevery = '5s'\ncron = '* * * * *'\n", "with cron has no every"),
        ("[[triggers]]\nevery = '5s'\nstream = 's'\n", "how much of 's' is enough"),
        ("[[triggers]]\nevents = 5\n", "it does not say when it fires"),
        ("[[triggers]]\nstream = 's'\nevents = 0\n", ">= 1"),
        ("[[triggers]]\nstream = 's'\nbytes = '0B'\n", "is nothing"),
        ("[[triggers]]\nstream = 's'\nbytes = 'big'\n", "bytes 'big' must be"),
        ("[[triggers]]\nstream = ''\nevents = 1\n", "1 to 64 bytes"),
        ("[[triggers]]\nstream = 's'\nevents = 1\nat_start = true\n", "has no at_start"),
        ("[[triggers]]\nevery = 'often'\n", "every 'often' must be"),
        ("[[triggers]]\nevery = '9ms'\n", "at least 10ms"),
        ("[[triggers]]\nevery = '1s'\njitter = '501ms'\n", "half of every"),
        ("[[triggers]]\nevery = '1s'\ntimezone = 'Asia/Tokyo'\n", "has no timezone"),
        ("[[triggers]]\ncron = '* * * *'\n", "five fields"),
        ("[[triggers]]\ncron = '61 * * * *'\n", "bad minute"),
        ("[[triggers]]\ncron = '* * * * *'\ntimezone = 'Mars/Base'\n", "no time zone"),
        ("[[triggers]]\ncron = '* * * * *'\ntimezone = '../etc/passwd'\n", "no time zone"),
        ("[[triggers]]\ncron = '* * * * *'\nmissed = 'twice'\n", "one of once, skip"),
        ("[[triggers]]\nevery = '1s'\naction = 'stop'\n", "one of start, preload"),
        (step('page = "p"'), "type"),
        (step('type = ""'), "must have 1 to 256 bytes"),
        (step('type = "a", colour = "red"'), "colour"),
        (step('type = "a", ids = []'), "0 ids"),
        (step('type = "a", ids = [1]'), "str"),
        (step('type = "a", where = [{field = "f", op = "=", value = 1}]'), "== !="),
        (step('type = "a", where = [{field = "f", op = "in", value = 1}]'), "a list of 1 to 256"),
        (step('type = "a", where = [{field = "f", op = "<", value = [1]}]'), "a text, a number"),
        (step('type = "a", where = [{field = "f", op = "exists", value = 1}]'), "true or false"),
        (step('type = "a"') + 'within = "soon"\n', "within"),
        (step('type = "a"') + 'within = "0s"\n', "leaves no time"),
        (step('type = "a"') + 'name = "A b"\n', "lower-case"),
        (step('type = "a"') + 'name = "2"\n' + step('type = "a"'), "same name"),
        ('after = ["first"]\n' + step('type = "a"'), "has no triggers"),
    ],
)
def test_mistakes_in_toml(text: str, reason: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(text)
    assert str(caught.value).startswith("task.toml: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_kinds() -> None:
    text = """
[[triggers]]
every = "1.5s"
jitter = "200ms"
at_start = true
missed = "skip"

[[triggers]]
name = "morning"
cron = "30 6 * * mon-fri"
timezone = "Europe/Berlin"

[[triggers]]
stream = "clicks"
events = 1000
bytes = "1MB"
every = "1m"
key = "user_id"
"""
    timer, morning, counter = parse(text).triggers
    assert (timer.kind, morning.kind, counter.kind) == ("every", "cron", "stream")
    assert timer.plan == Plan(Every(1_500_000_000), 200_000_000, at_start=True, skip=True)
    assert morning.plan == Plan(Cron("30 6 * * mon-fri", "Europe/Berlin"))
    assert (timer.condition, counter.plan) == (None, None)
    assert msgspec.msgpack.decode(counter.condition or b"") == {
        "stream": "clicks",
        "events": 1000,
        "bytes": 1_000_000,
        "wait_ns": 60 * 10**9,
        "key": "user_id",
    }


def read(*entries: Any) -> tuple[Trigger, ...]:
    text = json.dumps({"triggers": entries}).encode()
    return triggers.parse_json(text, "triggers.json", "t")


def test_json() -> None:
    click = {"type": "click", "pageId": "p1", "clickIds": ["c1", "c2"]}
    pv = {"type": "pv", "pageId": "p1"}
    own, view = Step("click", "p1", ("c1", "c2")), Step("pv", "p1")
    for events, sequence in (
        ([click], (own,)),
        ([{**click, "needPv": True}], (view, own)),
        ([{**pv, "needPv": True}], (view,)),
        ([pv, {**click, "needPv": True}], (view, own)),
        ([{**click, "needPv": True}] * 2, (view, own, view, own)),
    ):
        (found,) = read({"taskName": "t", "events": events})
        assert found == Trigger(sequence)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "JSON"),
        (b'{"triggers": ' + b"[" * 100_000, "object"),
        (b"{}", "triggers"),
        (b'{"triggers": [], "more": 1}', "more"),
        (b'{"triggers": [{"taskName": "other", "events": [{"type": "a"}]}]}', "'other'"),
        (b'{"triggers": [{"taskName": "t", "events": []}]}', "0 events"),
        (b'{"triggers": [{"taskName": "t"}]}', "events"),
        (b'{"triggers": [{"taskName": "t", "events": [{"type": 1}]}]}', "str"),
        (b'{"triggers": [{"taskName": "t", "events": [{"type": "a", "need": 1}]}]}', "need"),
        (b'{"triggers": [{"taskName": "t", "events": [{"type": "a", "needPv": true}]}]}', "pageId"),
        (b" " * (2**20 + 1), "larger"),
    ],
)
def test_mistakes_in_json(text: bytes, reason: str) -> None:
    with pytest.raises(ManifestError) as caught:
        triggers.parse_json(text, "b/triggers.json", "t")
    assert str(caught.value).startswith("b/triggers.json: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_taken_the_stream_store_takes_too() -> None:
    """Damaged files give a ManifestError or triggers that can be added, and nothing else."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    toml = (HEAD + FULL).encode()
    entry = {"taskName": "t", "events": [{"type": "pv", "pageId": "é", "clickIds": ["1"]}]}
    text = json.dumps({"triggers": [entry]}).encode()
    taken = 0
    with Executor(workers=1) as executor:
        for _ in range(3000):
            for original, read_one in (
                (toml, lambda data: manifest.parse(data, "f").triggers),
                (text, lambda data: triggers.parse_json(data, "f", "t")),
            ):
                data = bytearray(original)
                for _ in range(chance.randint(1, 3)):
                    data[chance.randrange(len(data))] = chance.choice(b'"[]{},:x1=. \xff\x00')
                try:
                    found = read_one(bytes(data))
                except ManifestError:
                    continue
                for each in found:
                    try:
                        added = executor.triggers.add(
                            0, "t", each.condition, mode=TriggerMode.HAND_OUT
                        )
                    except VmError as error:
                        assert "16th other field" in str(error)  # a limit over time
                        continue
                    executor.triggers.remove(added)
                    taken += 1
    assert taken > 0


def test_a_bundle_brings_both_forms(tmp_path: Path, make_task: Callable[..., Path]) -> None:
    folder = make_task("t")
    with (folder / "task.toml").open("a") as file:
        file.write(FULL)
    (folder / "triggers.json").write_text(
        '{"triggers": [{"taskName": "t", "events": [{"type": "pv", "pageId": "p1"}]}]}'
    )
    packed = packer.pack(folder, tmp_path)
    contents = bundle.read(packed, info().bytecode_magic)
    assert list(triggers.named(contents.manifest.triggers)) == ["basket", "2", "3"]
    assert contents.assets == {}
    (folder / "triggers.json").write_text('{"triggers": [{"taskName": "u", "events": []}]}')
    with pytest.raises(ManifestError, match="taskName is 'u'"):
        packer.pack(folder, tmp_path)


def test_event_fields() -> None:
    made = event_fields.parse(["key=user", "unit=ms", "keys=5"])
    assert made.configuration["key"] == "user"
    assert made.configuration["time_unit_ns"] == 10**6
    assert made.configuration["max_keys"] == 5
    for wrong in ("key", "colour=red", "key=", "unit=h", "keys=0", "keys=many", "ttl=long"):
        with pytest.raises(UsageError):
            event_fields.parse([wrong])
    with Executor(workers=1) as executor:
        executor.triggers.configure(**made.configuration)
