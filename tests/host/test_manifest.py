from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyvm.host import manifest
from polyvm.host.errors import ManifestError

GOOD = {"name": '"a"', "version": '"1.0"', "entry": '"main:run"'}


def text(**fields: str) -> bytes:
    merged = {**GOOD, **fields}
    return "\n".join(f"{key} = {value}" for key, value in merged.items() if value).encode()


def test_defaults() -> None:
    parsed = manifest.parse(text(), "task.toml")
    assert (parsed.lane, parsed.events, parsed.description) == ("regular", None, "")
    assert parsed.isolation == "vm"
    assert manifest.parse(text(isolation='"process"'), "f").isolation == "process"
    assert (parsed.entry_module, parsed.entry_function) == ("main", "run")
    assert parsed.bundle_name == "a-1.0.bundle"


def test_all_fields() -> None:
    parsed = manifest.parse(
        text(entry='"pkg.sub:go"', lane='"core"', events='["x", "y"]', description='"d"'), "f"
    )
    assert (parsed.entry_module, parsed.lane, parsed.events) == ("pkg.sub", "core", ("x", "y"))


def test_limits() -> None:
    table = 'deadline = "2s", timeout = "500ms", cpu = "1m", memory = "64MiB"'
    table = f"{{{table}, running = 2, rate = 100, burst = 5}}"
    parsed = manifest.parse(text(limits=table), "f")
    assert parsed.limits.amounts == {
        "deadline_ns": 2 * 10**9,
        "timeout_ns": 500 * 10**6,
        "cpu_ns": 60 * 10**9,
        "memory_bytes": 2**26,
        "max_running": 2,
        "rate": 100.0,
        "burst": 5,
    }
    none = manifest.parse(text(), "f").limits.amounts
    assert {key for key, value in none.items() if value} == {"burst"}


def test_permissions() -> None:
    parsed = manifest.parse(text(permissions='{read = ["/srv/a", "/srv/b"], write = ["/c"]}'), "f")
    assert parsed.permissions == manifest.Permissions(read=("/srv/a", "/srv/b"), write=("/c",))
    assert parsed.permissions
    assert not manifest.parse(text(), "f").permissions
    for only in ("network", "unconfined"):
        parsed = manifest.parse(text(isolation='"process"', permissions=f"{{{only} = true}}"), "f")
        assert parsed.permissions == manifest.Permissions(**{only: True})
        assert parsed.permissions


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            text(permissions='{read = ["data"]}'),
            "permissions.read names 'data'; paths are absolute",
        ),
        (text(permissions='{write = ["/a/../b"]}'), "permissions.write names '/a/../b'; paths are"),
        (text(permissions='{read = ["/\\u0000"]}'), "permissions.read names"),
        (text(permissions=f'{{read = ["/{"a" * 1024}"]}}'), "permissions.read names '/aaa"),
        (text(permissions=f"{{read = {['/a'] * 17}}}"), "permissions.read has more than 16 paths"),
        (text(permissions='{exec = ["/a"]}'), "unknown field `exec`"),
        (text(permissions='["/a"]'), "field 'permissions': expected `object`, got `array`"),
        (text(limits='{timeout = "5"}'), "limits.timeout '5' must be a number and one of ms, s"),
        (text(limits='{timeout = "0ms"}'), "limits.timeout '0ms' is too little to run anything"),
        (text(limits='{memory = "1MB"}'), "limits.memory '1MB' is too little to run anything"),
        (text(limits='{memory = "1MX"}'), "limits.memory '1MX' must be a number and one of B"),
        (text(limits="{timeout = 5}"), "field 'limits.timeout': expected `str | null`, got `int`"),
        (text(limits="{rate = 0}"), "field 'limits.rate': expected `float` > 0.0"),
        (text(limits="{running = 0}"), "field 'limits.running': expected `int` >= 1"),
        (text(priority="101"), "field 'priority': expected `int` <= 100"),
        (text(breaker='{open = "0s"}'), "f: breaker.open '0s' would let the task go on at once"),
        (text(breaker="{rate = 101}"), "field 'breaker.rate': expected `int` <= 100"),
        (text(limits='{time = "5s"}'), "unknown field `time`"),
        (text(name=""), "f: field 'name' is missing; add name = \"session-features\""),
        (text(entry=""), "f: field 'entry' is missing"),
        (text(lanes='"core"'), "field 'lanes' is unknown; did you mean 'lane'? Known fields: name"),
        (text(zzz="1"), "field 'zzz' is unknown; take it out. Known fields"),
        (text(name='"A"'), "name 'A' must be a lower-case letter"),
        (text(name=f'"{"a" * 65}"'), "must be a lower-case letter followed by up to 63"),
        (text(name="3"), "field 'name': expected `str`, got `int`"),
        (text(version='"one"'), "version 'one' must be dotted numbers"),
        (text(version='"1/../2"'), "must be dotted numbers"),
        (text(version="1.0"), "field 'version': expected `str`, got `float`"),
        (text(entry='"main.run"'), "entry 'main.run' must be module:function"),
        (text(entry='"../x:run"'), "must be module:function"),
        (text(entry='"class:run"'), "must be module:function"),
        (text(lane='"fast"'), "lane 'fast' must be one of core, regular, low"),
        (text(isolation='"thread"'), "isolation 'thread' must be one of vm, process"),
        (
            text(permissions="{network = true}"),
            "permissions.network is for tasks in processes, and no VM has it; take it out, or",
        ),
        (text(permissions="{unconfined = true}"), "permissions.unconfined is for tasks in proc"),
        (
            text(isolation='"process"', permissions='{unconfined = true, read = ["/a"]}'),
            "permissions.unconfined permits everything, so the others say nothing; keep one or",
        ),
        (text(permissions="{network = 1}"), "field 'permissions.network': expected `bool`"),
        (text(events="[]"), "events is empty"),
        (text(events="[1]"), "field 'events[0]': expected `str`, got `int`"),
        (b"name = ", "f: not TOML: "),
        (b"\xff", "f: byte 0 is not UTF-8; save it as UTF-8"),
        (b"a" * 70_000, "f: larger than 65536 bytes"),
    ],
)
def test_refusals_say_what_and_where(content: bytes, sentence: str) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest.parse(content, "f")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_versions_are_ordered() -> None:
    ordered = ["0.9", "1.0-alpha", "1.0-rc1", "1.0", "1.0.1", "1.2", "1.10", "2"]
    orders = [manifest.parse(text(version=f'"{each}"'), "f").order for each in ordered]
    assert orders == sorted(orders)
    assert len(set(orders)) == len(orders)
    assert (
        manifest.parse(text(version='"1.0.0"'), "f").order
        == manifest.parse(text(version='"1"'), "f").order
    )


@given(st.binary(max_size=300))
def test_any_bytes_give_a_manifest_or_a_sentence(content: bytes) -> None:
    try:
        manifest.parse(content, "f")
    except ManifestError as error:
        assert str(error).startswith("f: ")
