"""MessagePack into VMs and out of them, against msgspec's."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyvm.vm import DecodeError, Outcome, Vm
from tests.vm.programs import ECHO, apart_ok, failure_of, once, pack, program, unpack, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Seeded

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary()
)
# bool before int, and no float: 1, 1.0 and True are the same key
keys = st.none() | st.integers(2, 2**64 - 1) | st.integers(-(2**63), -1) | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(keys, inner, max_size=20),
    max_leaves=60,
)
thorough = settings(
    deadline=None,
    max_examples=120,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Vm]:
    """One VM with a task that returns its payload: hypothesis makes thousands of calls."""
    with Vm() as vm:
        vm.load(program(ECHO))
        yield vm


@pytest.fixture(scope="module")
def describing() -> Iterator[Vm]:
    """A task that tells what it was given, in Python's notation."""
    with Vm() as vm:
        vm.load(program("def run(x): return ascii(x)"))
        yield vm


def same(a: Any, b: Any) -> bool:
    """Equal in type and value; a NaN equals a NaN, 0.0 is not -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack(">d", a) == struct.pack(">d", b) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    return bool(a == b)


@given(values)
@thorough
def test_round_trip(shared: Vm, value: Any) -> None:
    data = pack(value)
    outcome, back = shared.call(data)
    assert outcome is Outcome.DONE
    assert same(unpack(back), value)
    assert back == data  # both choose the shortest form


@given(values)
@thorough
def test_tasks_see_what_was_sent(describing: Vm, value: Any) -> None:
    assert value_of(describing.call(pack(value))) == ascii(value)


def test_integers_around_powers_of_two(shared: Vm) -> None:
    near = [s * 2**power + d for power in range(65) for s in (1, -1) for d in (-1, 0, 1)]
    near = [n for n in near if -(2**63) <= n < 2**64]
    outcome, data = shared.call(pack(near))
    assert (outcome, data) == (Outcome.DONE, pack(near))


# Around the points at which MessagePack's length takes another form.
SIZES = [0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["str", "wide str", "bytes", "list", "dict"])
def test_lengths(shared: Vm, kind: str, size: int) -> None:
    value: Any = {
        "str": "x" * size,
        "wide str": "é€😀" * size,
        "bytes": b"\xff" * size,
        "list": [7] * size,
        "dict": dict.fromkeys(range(size)),
    }[kind]
    data = pack(value)
    assert shared.call(data) == (Outcome.DONE, data)


def test_long_forms_are_understood(describing: Vm) -> None:
    """Not every sender picks the shortest form."""
    cases = {
        b"\xcc\x05": "5",
        b"\xcd\0\x05": "5",
        b"\xce\0\0\0\x05": "5",
        b"\xcf\0\0\0\0\0\0\0\x05": "5",
        b"\xd0\x05": "5",
        b"\xd0\xff": "-1",
        b"\xd1\xff\xff": "-1",
        b"\xd2\xff\xff\xff\xff": "-1",
        b"\xd3" + b"\xff" * 8: "-1",
        b"\xca\x3f\xc0\0\0": "1.5",
        b"\xca\x7f\x80\0\0": "inf",
        b"\xd9\x01a": "'a'",
        b"\xda\0\x01a": "'a'",
        b"\xdb\0\0\0\x01a": "'a'",
        b"\xc4\x01a": "b'a'",
        b"\xc5\0\x01a": "b'a'",
        b"\xc6\0\0\0\x01a": "b'a'",
        b"\xdc\0\x01\xc0": "[None]",
        b"\xdd\0\0\0\x01\xc0": "[None]",
        b"\xde\0\x01\xa1a\xc0": "{'a': None}",
        b"\xdf\0\0\0\x01\xd9\x01a\xc0": "{'a': None}",
        b"\x82\xa1a\x01\xa1a\x02": "{'a': 2}",
    }
    for data, text in cases.items():
        assert value_of(describing.call(data)) == text, data


def test_remembered_keys_do_not_mix(shared: Vm) -> None:
    """Short keys are cached from call to call: equal hashes must not make them equal."""
    for turn in range(3):
        for n in range(3000):
            value = {f"k{n}": turn, "a": n, f"é{n}": 1, "x" * (n % 40): 2}
            assert unpack(shared.call(pack(value))[1]) == value


def test_nesting_up_to_the_limit(shared: Vm) -> None:
    for opener, closer in ((b"\x91", b"\xc0"), (b"\x81\xa1k", b"\xc0")):
        deep = opener * 128 + closer
        assert shared.call(deep) == (Outcome.DONE, deep)
        with pytest.raises(DecodeError, match="nested too deep at byte"):
            shared.call(opener * 129 + closer)
        with pytest.raises(DecodeError, match="nested too deep"):
            shared.call(opener * 1_000_000)
    assert shared.call(b"\x01") == (Outcome.DONE, b"\x01")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it ends too early at byte 0"),
        (b"\xc1", "an extension type or a reserved tag at byte 0"),
        (b"\xd4\x03\x01", "an extension type or a reserved tag at byte 0"),
        (b"\xc7\x01\x04\x03", "an extension type or a reserved tag at byte 0"),
        (b"\x92\x01\xd6\xff\0\0\0\0", "an extension type or a reserved tag at byte 2"),
        (b"\xc0\xc0", "there is more after the value at byte 1"),
        (b"\xa2\xff\xfe", "a string is not UTF-8 at byte 1"),
        (b"\xa3\xed\xa0\x80", "a string is not UTF-8 at byte 1"),
        (b"\xa2\xc0\x80", "a string is not UTF-8 at byte 1"),
        (b"\x81\x90\x01", "a map key is an array or a map"),
        (b"\x81\x80\x01", "a map key is an array or a map"),
        (b"\xdd\xff\xff\xff\xff", "an array is cut short at byte 5"),
        (b"\xdf\xff\xff\xff\xff\x01\x01", "a map is cut short at byte 5"),
        (b"\xdb\xff\xff\xff\xff", "a string is cut short at byte 5"),
        (b"\xc6\xff\xff\xff\xff", "a byte string is cut short at byte 5"),
        (b"\xcf\0", "a number is cut short at byte 1"),
        (b"\xcb\0\0", "a number is cut short at byte 1"),
        (b"\xdc\0", "a length is cut short at byte 1"),
    ],
)
def test_what_is_no_payload(shared: Vm, data: bytes, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        shared.call(data)
    assert str(caught.value).startswith(f"ValueError: payload is not valid MessagePack: {message}")


SAMPLE: dict[object, object] = {
    "none": None,
    "flags": [True, False],
    "small": [0, -1, 127, -32, 128, -33],
    "wide": [2**16, -(2**31), 2**64 - 1, -(2**63)],
    "floats": [1.5, math.inf],
    "text": "é" * 40,
    "raw": b"\0" * 300,
    "deep": [[{"a": [{}]}]],
    5: "x" * 40,
}


def test_every_truncation_is_refused(shared: Vm) -> None:
    data = pack(SAMPLE)
    for cut in range(len(data)):
        with pytest.raises(DecodeError, match=r"^ValueError: payload is not valid MessagePack: .*"):
            shared.call(data[:cut])
    assert unpack(shared.call(data)[1]) == SAMPLE


def test_damaged_and_random_payloads(shared: Vm, rand: Seeded) -> None:
    """Each is either refused, or what msgspec reads from the same bytes."""
    sample = pack(SAMPLE)
    refused = 0
    for turn in range(6000):
        if turn % 3 == 0:
            data = rand.randbytes(rand.randrange(1, 60))
        else:
            damaged = bytearray(sample)
            for _ in range(rand.randrange(1, 4)):
                damaged[rand.randrange(len(damaged))] = rand.randrange(256)
            data = bytes(damaged)
        try:
            outcome, back = shared.call(data)
        except DecodeError:
            refused += 1
            continue
        assert outcome is Outcome.DONE
        theirs, ours = msgspec.msgpack.decode(data), unpack(back)
        assert same(ours, theirs), data.hex()
    assert 1000 < refused < 6000


# ---- What tasks return


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(1, (2, 3))", [1, [2, 3]]),
        ("sorted({3, 1, 2})", [1, 2, 3]),
        ("{7}", [7]),
        ("frozenset([8])", [8]),
        ("bytearray(b'ab')", b"ab"),
        ("memoryview(b'abcdef')[1:4]", b"bcd"),
        ("memoryview(b'abcdef')[::2]", b"ace"),
        ("Point(1, 'a')", {"x": 1, "y": "a"}),
        ("Slotted(2, Point(3, []))", {"x": 2, "y": {"x": 3, "y": []}}),
        ("Frozen()", {"n": 5}),
        ("Empty()", {}),
        ("[Colour.RED, Level.HIGH, Name.A, Flags.A | Flags.B]", ["red", 9, "a", 3]),
        ("{Colour.RED: Colour.RED}", {"red": "red"}),
        ("collections.OrderedDict(b=1, a=2)", {"b": 1, "a": 2}),
        ("collections.defaultdict(int, a=1)", {"a": 1}),
        ("collections.Counter('aab')", {"a": 2, "b": 1}),
        ("Pair(1, 2)", [1, 2]),
        ("[Int(5), Str('s'), Float(1.5), List([1]), Dict(a=1)]", [5, "s", 1.5, [1], {"a": 1}]),
        ("{None: 1, True: 2, 3: 4, 1.5: 5, 'k': 6, b'r': 7}", None),
        ("[float('inf'), -0.0]", [math.inf, -0.0]),
        ("'\\0'", "\0"),
    ],
)
def test_kinds_of_results(expression: str, expected: object) -> None:
    source = f"""
    import collections, dataclasses, enum
    @dataclasses.dataclass
    class Point:
        x: int
        y: object
    @dataclasses.dataclass(slots=True)
    class Slotted:
        x: int
        y: object
    @dataclasses.dataclass(frozen=True)
    class Frozen:
        n: int = 5
    @dataclasses.dataclass
    class Empty: pass
    class Colour(enum.Enum):
        RED = "red"
    class Level(enum.IntEnum):
        HIGH = 9
    class Name(enum.StrEnum):
        A = "a"
    class Flags(enum.Flag):
        A = 1
        B = 2
    Pair = collections.namedtuple("Pair", "a b")
    class Int(int): pass
    class Str(str): pass
    class Float(float): pass
    class List(list): pass
    class Dict(dict): pass
    def run(_):
        return {expression}
    """
    outcome, data = once(source)
    assert outcome is Outcome.DONE, data.decode()
    if expected is None:
        assert unpack(data) == {None: 1, True: 2, 3: 4, 1.5: 5, "k": 6, b"r": 7}
    else:
        assert same(unpack(data), expected)


NOT_RETURNED = "cannot be returned from a task: return None, bool, int, float, str, bytes, a list"


@pytest.mark.parametrize(
    ("source", "last"),
    [
        ("return object()", f"TypeError: a value of type 'object' {NOT_RETURNED}"),
        ("return [{'a': {1: complex(1)}}]", f"TypeError: a value of type 'complex' {NOT_RETURNED}"),
        ("return run", f"TypeError: a value of type 'function' {NOT_RETURNED}"),
        ("return int", f"TypeError: a value of type 'type' {NOT_RETURNED}"),
        ("return (i for i in ())", f"TypeError: a value of type 'generator' {NOT_RETURNED}"),
        ("return range(3)", f"TypeError: a value of type 'range' {NOT_RETURNED}"),
        (
            "async def f(): pass\n    c = f(); c.close(); return c",
            "TypeError: a value of type 'corou",
        ),
        (
            "import decimal\n    return decimal.Decimal(1)",
            "TypeError: a value of type 'decimal.Dec",
        ),
        (
            "import enum\n    return enum.Enum",
            f"TypeError: a value of type 'EnumType' {NOT_RETURNED}",
        ),
        ("return 2**64", "OverflowError: an int of more than 64 bits cannot be returned"),
        ("return [-2**63 - 1]", "OverflowError: an int of more than 64 bits cannot be returned"),
        ("return {2**70: 1}", "OverflowError: an int of more than 64 bits cannot be returned"),
        ("return 'a\\ud800'", "ValueError: a string with lone surrogates cannot be returned"),
        ("return {'\\udfff': 1}", "ValueError: a string with lone surrogates cannot be returned"),
        ("a = []; a.append(a); return a", "ValueError: a value nested more than 128 deep cannot"),
        ("a = {}; a['a'] = a; return a", "ValueError: a value nested more than 128 deep cannot"),
        ("m = memoryview(b'x'); m.release(); return m", "ValueError: operation forbidden on rele"),
    ],
)
def test_what_cannot_be_returned(source: str, last: str) -> None:
    text = failure_of(once(f"def run(_):\n    {source}\n"))
    assert text.splitlines()[-1].startswith(last)


@pytest.mark.parametrize(
    "body",
    [
        # a property that empties the list which is being encoded
        "p.owner.clear(); return 1",
        "p.owner.append(1); return 1",
        "p.owner[:] = [object()] * 9; return 1",
        "raise ValueError('from the property')",
        "return p",
    ],
)
def test_results_that_change_while_they_are_encoded(body: str) -> None:
    """A dataclass may run code when its fields are read: an error, never a crash."""
    for make, add in (("[]", "owner.append(p)"), ("{}", "owner[1] = p; owner[2] = 3")):
        if make == "{}" and "[:]" in body:
            continue
        code = body.replace("append(1)", "update({9: 9})") if make == "{}" else body
        source = f"""
        class P:
            __dataclass_fields__ = {{"x": None}}
            def __init__(self, owner): self.owner = owner
            @property
            def x(p): {code}
        def run(_):
            owner = {make}
            p = P(owner)
            {add}
            return owner
        """
        text = failure_of(once(source))
        assert text.splitlines()[-1].startswith(("RuntimeError: a ", "ValueError: "))


def test_a_result_that_lies_about_being_a_dataclass() -> None:
    for fields in ("5", "['a']", "{1: 2}", "{'nosuch': 2}"):
        source = f"""
        class P: __dataclass_fields__ = {fields}
        def run(_): return P()
        """
        assert "Error" in failure_of(once(source)).splitlines()[-1]


def test_large_values() -> None:
    value = [{"id": n, "tags": ["a", "b"], "score": n / 7} for n in range(50_000)]
    outcome, data = once(ECHO, value)
    assert outcome is Outcome.DONE
    assert data == pack(value)


def test_a_payload_of_one_hundred_megabytes() -> None:
    out = apart_ok(
        """
        from polyvm.vm import Vm
        from tests.vm.programs import ECHO, pack, program
        data = pack(b"\\x07" * 100_000_000)
        with Vm() as vm:
            vm.load(program(ECHO))
            assert vm.call(data)[1] == data
        print("same")
        """
    )
    assert out == "same\n"
