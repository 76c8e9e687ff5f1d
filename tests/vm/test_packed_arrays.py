"""Arrays in payloads and results: as MessagePack's extension, against numpy; hostile bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec
import numpy  # noqa: ICN001 - np is polyvm.np
import pytest

from polyvm import np
from polyvm.host import codec
from polyvm.vm import DecodeError, Executor, Outcome, Vm
from tests.vm.programs import ECHO, failure_of, program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Seeded

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]
SHAPES: list[tuple[int, ...]] = [(), (0,), (1,), (7,), (3, 4), (2, 0, 5), (2, 3, 4, 5), (1,) * 32]
SHAPES += [(30_000,), (100, 700)]  # lengths of two and of four bytes


@pytest.fixture(scope="module")
def echo() -> Iterator[Vm]:
    with Vm() as vm:
        vm.load(program(ECHO))
        yield vm


def call(vm: Vm, value: Any) -> Any:
    outcome, data = vm.call(codec.encode_payload(value))
    assert outcome is Outcome.DONE, data.decode()
    return codec.decode(data)


def returned(source: str, payload: Any = None) -> Any:
    with Vm() as vm:
        vm.load(program(source))
        return call(vm, payload)


def elements(rand: Seeded, dtype: str, shape: tuple[int, ...]) -> numpy.ndarray[Any, Any]:
    """Any bits at all, NaNs included; bools are 0 or 1."""
    made = numpy.empty(shape, dtype)
    raw = numpy.frombuffer(rand.randbytes(made.nbytes), numpy.uint8)
    if dtype == "bool":
        raw = raw & 1
    return raw.view(dtype).reshape(shape).copy()  # from bytes it could only be read


def agrees(array: Any, with_numpy: numpy.ndarray[Any, Any]) -> None:
    assert (str(array.dtype), array.shape) == (str(with_numpy.dtype), with_numpy.shape)
    assert array.tobytes() == with_numpy.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_come_back_as_they_went(echo: Vm, rand: Seeded, dtype: str) -> None:
    for shape in SHAPES:
        given = elements(rand, dtype, shape)
        agrees(call(echo, np.asarray(given)), given)


def test_bfloat16(echo: Vm) -> None:
    given = np.asarray([1.5, -0.0, float("inf"), 3e38]).astype(np.bfloat16)
    back = call(echo, [given])[0]
    assert back.dtype == np.bfloat16
    assert back.tobytes() == given.tobytes()


def test_views_go_in_c_order(echo: Vm, rand: Seeded) -> None:
    base = elements(rand, "int32", (6, 8, 5))
    ours = np.asarray(base)
    for index in (
        numpy.s_[::2],
        numpy.s_[::-1, :, ::-2],
        numpy.s_[1:5, 3],
        numpy.s_[4:2],
        numpy.s_[2, 3, 1:2],
    ):
        agrees(call(echo, ours[index]), base[index])
    agrees(call(echo, ours.T), base.T.copy())
    agrees(call(echo, np.broadcast_to(ours[0], (3, 8, 5))), numpy.stack([base[0]] * 3))


def test_arrays_lie_anywhere_in_a_value(echo: Vm) -> None:
    back = call(echo, {"a": [np.arange(3), {"b": np.ones((2, 2))}], "c": numpy.arange(4.0), "d": 1})
    assert back["a"][0].tolist() == [0, 1, 2]
    assert back["a"][1]["b"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert back["c"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert back["d"] == 1


def test_what_a_host_gets_may_be_written_and_read_by_numpy(echo: Vm) -> None:
    back = call(echo, numpy.arange(6).reshape(2, 3).T)
    back[0, 0] = 9
    seen = numpy.asarray(back)
    assert seen.tolist() == [[9, 3], [1, 4], [2, 5]]
    seen[0, 0] = 8
    assert back[0, 0] == 8  # the same memory


def test_a_task_computes_with_what_it_got() -> None:
    source = """
    from polyvm import np
    def run(x):
        x["a"][0] = 10
        return {"sum": x["a"].sum(), "twice": x["a"] * 2, "type": type(x["a"]) is np.ndarray}
    """
    assert returned(source, {"a": np.arange(3.0)})["twice"].tolist() == [20.0, 2.0, 4.0]
    assert returned(source, {"a": np.arange(3.0)})["sum"] == 13.0
    assert returned(source, {"a": np.arange(3.0)})["type"] is True


SCALARS = """
from polyvm import np
def run(x):
    a = np.asarray([1, 2, 3])
    return [a.sum(), a[0], a.mean(), a.max() > 2, np.float32(0.5), {a[1]: "key"},
            np.asarray(2**64 - 1, dtype=np.uint64).max()]
"""


def test_scalars_are_numbers() -> None:
    expected = [6, 1, 2.0, True, 0.5, {2: "key"}, 2**64 - 1]
    back = returned(SCALARS)
    assert back == expected
    assert [type(value) for value in back] == [type(value) for value in expected]
    # under ordinary Python as well
    scope: dict[str, Any] = {}
    exec(SCALARS, scope)
    ordinary = codec.decode(codec.encode(scope["run"](None)))
    assert ordinary == expected
    assert [type(value) for value in ordinary] == [type(value) for value in expected]


def test_a_complex_scalar_is_an_array() -> None:
    back = returned("from polyvm import np\ndef run(x): return np.asarray([1j, 2]).sum()\n")
    assert (back.shape, complex(back)) == ((), 2 + 1j)


def test_bytes_are_the_same_from_a_vm_and_from_ordinary_python() -> None:
    source = "from polyvm import np\ndef run(x): return [np.arange(5), np.ones((2, 3))[:, ::2]]\n"
    scope: dict[str, Any] = {}
    exec(source, scope)
    with Vm() as vm:
        vm.load(program(source))
        assert vm.call(b"\xc0") == (Outcome.DONE, codec.encode(scope["run"](None)))


# ---- What is no array


def packed(dtype: int, shape: tuple[int, ...], data: bytes) -> bytes:
    return struct.pack(f"<BB{len(shape)}q", dtype, len(shape), *shape) + data


def extension(content: bytes) -> bytes:
    return b"\xc9" + struct.pack(">IB", len(content), 1) + content


HOSTILE = [
    (b"", "an array is cut short"),
    (b"\x00", "an array is cut short"),
    (b"\x04\x02" + bytes(15), "an array is cut short"),
    (b"\x04\xff", "an array is cut short"),
    (packed(15, (), b"\0"), "an unknown element type"),
    (packed(255, (), b"\0"), "an unknown element type"),
    (packed(0, (1,) * 33, b"\0"), "more than 32 dimensions"),
    (packed(4, (-1,), b""), "an impossible shape"),
    (packed(4, (2**62,), b""), "an impossible shape"),
    (packed(4, (2**31, 2**31, 2**31), b""), "an impossible shape"),
    (packed(4, (0, 2**40, 2**40), b""), "an impossible shape"),
    (packed(4, (2**40,), bytes(8)), "number of elements differ"),
    (packed(4, (2,), bytes(15)), "number of elements differ"),
    (packed(4, (2,), bytes(17)), "number of elements differ"),
    (packed(4, (), b""), "number of elements differ"),
    (packed(4, (0,), b"\0"), "number of elements differ"),
]


@pytest.mark.parametrize(("content", "words"), HOSTILE)
def test_bad_arrays_are_refused_with_a_sentence(echo: Vm, content: bytes, words: str) -> None:
    data = extension(content)
    with pytest.raises(DecodeError, match=words):
        echo.call(data)
    with pytest.raises(DecodeError, match=words):
        echo.call(b"\x91" + data)
    with pytest.raises((ValueError, msgspec.DecodeError), match=words):
        codec.decode(data)


def test_arrays_that_are_cut_off_are_refused(echo: Vm) -> None:
    data = codec.encode_payload(np.arange(300.0))
    for end in [*range(1, 40), 1000, len(data) - 1]:
        with pytest.raises(DecodeError, match=r"cut short|ends too early"):
            echo.call(data[:end])
        with pytest.raises(msgspec.DecodeError):
            codec.decode(data[:end])


def test_random_changes_never_crash(echo: Vm, rand: Seeded) -> None:
    data = codec.encode_payload([np.arange(6.0).reshape(2, 3), np.asarray([True, False])])
    refused = 0
    for _ in range(3000):
        changed = bytearray(data)
        for _ in range(rand.choice([1, 1, 2, 5])):
            changed[rand.randrange(len(changed))] = rand.randrange(256)
        try:
            outcome, _back = echo.call(bytes(changed))
        except DecodeError:
            refused += 1
        else:
            assert outcome is Outcome.DONE
    assert 100 < refused < 3000


def test_bools_are_0_or_1(echo: Vm) -> None:
    back = codec.decode(echo.call(extension(packed(0, (4,), b"\x00\x01\x02\xff")))[1])
    assert back.tobytes() == b"\x00\x01\x01\x01"


def test_an_array_is_no_key(echo: Vm) -> None:
    with pytest.raises(DecodeError, match="a map key is an array or a map"):
        echo.call(b"\x81" + extension(packed(4, (1,), bytes(8))) + b"\x01")


def test_a_replaced_module_is_noticed() -> None:
    source = """
    import sys
    def run(x):
        sys.modules["_polyvm_tensor"] = sys if x == 1 else object()
    """
    with Vm() as vm:
        vm.load(program(source))
        for payload in (1, 2):
            assert vm.call(codec.encode_payload(payload))[0] is Outcome.DONE
            with pytest.raises(DecodeError, match="the module of arrays has been replaced"):
                vm.call(codec.encode_payload(np.arange(3)))


def test_other_values_are_refused_as_before() -> None:
    with Vm() as vm:
        vm.load(program("from polyvm import np\ndef run(x): return np.int64\n"))
        text = failure_of(vm.call(b"\xc0"))
    assert "cannot be returned from a task" in text
    assert "an array of polyvm.np" in text
    with pytest.raises(TypeError, match="unsupported"):
        codec.encode_payload(object())


# ---- Through an executor


def test_many_values_in_one_array_of_invocations() -> None:
    source = "def run(x):\n    return x[::-1] * 2\n"
    with Executor(2) as executor:
        task = executor.add(program(source))
        values = [np.arange(n) for n in range(200)]
        batch = executor.submit_array(task, codec.encode_payload(values)).result()
    assert batch.not_done == 0
    for n, value in enumerate(codec.decode(batch.packed)):
        assert value.tolist() == [2 * i for i in reversed(range(n))]
