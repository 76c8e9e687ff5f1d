"""Calls as data, and their performance with either package.

This file also runs inside VMs, beside the task that performs calls, so it imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def view_of(xp: Any, base: Any, layout: str, shape: Any) -> Any:
    """The view of an array in C order that is the argument."""
    if layout == "T":
        return base.T
    if layout == "back":
        return base[::-1]
    if layout == "half":
        return base[..., ::2]
    if layout == "wide":
        return xp.broadcast_to(base, tuple(shape))
    if layout == "offset":
        return base[1:]
    if layout == "swap":
        return xp.swapaxes(base, 0, -1)
    return base


def named(xp: Any, path: str) -> Any:
    for part in path.split("."):
        xp = getattr(xp, part)
    return xp


def resolved(xp: Any, thing: Any, arrays: Callable[[Any], Any]) -> Any:
    """An argument as the package takes it. What is not plain data is a dict with one mark."""
    if isinstance(thing, list):
        return [resolved(xp, one, arrays) for one in thing]
    if not isinstance(thing, dict):
        return thing
    if "array" in thing:
        return view_of(xp, arrays(thing["array"]), thing["layout"], thing["shape"])
    if "name" in thing:
        return named(xp, thing["name"])
    if "tuple" in thing:
        return tuple(resolved(xp, thing["tuple"], arrays))
    if "slice" in thing:
        return slice(*resolved(xp, thing["slice"], arrays))
    if "integer" in thing:
        return int(thing["integer"])
    if "complex" in thing:
        return complex(*thing["complex"])
    return (
        Ellipsis
        if "ellipsis" in thing
        else {key: resolved(xp, one, arrays) for key, one in thing["dict"].items()}
    )


def perform(xp: Any, call: Any, arrays: Callable[[Any], Any]) -> Any:
    """What a call gives; where that is None, its first argument afterwards. Errors pass."""
    name, args, options = call
    args = resolved(xp, args, arrays)
    options = {key: resolved(xp, one, arrays) for key, one in options.items()}
    kind, _, member = name.partition(".")
    use = USES.get(name)
    if use is None and kind in DRAWN:
        use = DRAWN[kind](member)
    if use is not None:
        return use(xp, *args, **options)
    if name.startswith("ndarray."):
        found = getattr(args[0], name[len("ndarray.") :])
        if not callable(found):
            return found
        args, rest = args[:1], args[1:]
        found = found(*rest, **options)
    else:
        found = named(xp, name)(*args, **options)
    return args[0] if found is None and args else found


# ---- How things are used that are no functions, or whose results are no arrays -----------------


def _raised(error: Any, *args: Any) -> list[Any]:
    made = error(*args)
    try:
        raise made
    except ValueError as caught:
        return [str(caught), isinstance(caught, IndexError)]


def _errstate(xp: Any, **options: Any) -> Any:
    before = xp.geterr()
    with xp.errstate(**options):
        within = xp.geterr()
        found = xp.divide(xp.asarray([1.0]), xp.asarray([0.0]))
    return [before == xp.geterr(), [within[name] for name in options], found]


def _seterr(xp: Any, **options: Any) -> Any:
    before = xp.seterr(**options)
    within = xp.geterr()
    xp.seterr(**before)
    return [[within[name] for name in options], xp.geterr() == before]


def _printed(xp: Any, x: Any, **options: Any) -> Any:
    before = xp.get_printoptions()["precision"]
    with xp.printoptions(**options):
        within = str(x)
    return [before, within, str(x)]


def _set_printed(xp: Any, x: Any, **options: Any) -> Any:
    before = xp.get_printoptions()
    xp.set_printoptions(**options)
    within = str(x)
    xp.set_printoptions(**{name: before[name] for name in options})
    return [within, str(x)]


def _broadcast(xp: Any, *arrays: Any) -> Any:
    made = xp.broadcast(*arrays)
    walked = [list(each) for each in made]
    return [made.shape, made.size, made.nd, made.numiter, walked]


def _nditer(xp: Any, *arrays: Any, **options: Any) -> Any:
    walk = xp.nditer(arrays[0] if len(arrays) == 1 else list(arrays), **options)
    found = []
    told = walk.itersize
    if "multi_index" in options.get("flags", ()):
        found += [[walk.multi_index, each.copy()] for each in walk]
        return found
    for each in walk:
        if options.get("op_flags"):
            each[...] = 2 * each
        found.append([one.copy() for one in each] if isinstance(each, tuple) else each.copy())
    return [found, told]


def _poly1d(xp: Any, a: Any, b: Any, x: Any) -> Any:
    p, q = xp.poly1d(a), xp.poly1d(b)
    found = [p(x), (p + q).coeffs, (p * q).coeffs, (p - q).c, (-p).coeffs, (p * 2).coeffs]
    found += [p.deriv().coeffs, p.integ().coeffs, p.order, p[0], p[1], (p**2).coeffs, len(p)]
    return [*found, str(p), bool(p == q), list((p / q)[0].coeffs) if q.order else None]


def _flat(_: Any, x: Any) -> Any:
    walk = x.flat
    return [list(walk), len(x.flat), x.flat[0] if x.size else None, x.flat[::2]]


def _saved(xp: Any, x: Any) -> Any:
    sink = _Sink()
    xp.save(sink, x)
    return xp.load(_Source(sink.data))


def _saved_many(name: str) -> Callable[..., Any]:
    def use(xp: Any, x: Any, y: Any) -> Any:
        sink = _Sink()
        getattr(xp, name)(sink, x, second=y)
        loaded = xp.load(_Source(sink.data))
        return [sorted(loaded.files), loaded["arr_0"], loaded["second"]]

    return use


def _text(xp: Any, x: Any, **options: Any) -> Any:
    sink = _Sink()
    xp.savetxt(sink, x, **options)
    return bytes(sink.data)


class _Sink:
    """A binary file to write."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.at = 0

    def write(self, data: Any) -> int:
        data = bytes(data)
        self.data[self.at : self.at + len(data)] = data
        self.at += len(data)
        return len(data)

    def tell(self) -> int:
        return self.at

    def seek(self, to: int, whence: int = 0) -> int:
        self.at = to + (0, self.at, len(self.data))[whence]
        return self.at

    def read(self, count: int = -1) -> bytes:
        end = len(self.data) if count is None or count < 0 else self.at + count
        found = bytes(self.data[self.at : end])
        self.at += len(found)
        return found

    def flush(self) -> None:
        pass

    def seekable(self) -> bool:
        return True


class _Source(_Sink):
    """A binary file to read."""

    def __init__(self, data: Any) -> None:
        super().__init__()
        self.data = bytearray(data)


def _written(_: Any, x: Any, **options: Any) -> Any:
    import tempfile

    with tempfile.TemporaryFile() as file:
        x.tofile(file, **options)
        file.seek(0)
        return file.read()


def _from_file(xp: Any, x: Any, **options: Any) -> Any:
    import tempfile

    with tempfile.TemporaryFile() as file:
        x.tofile(file)
        file.seek(0)
        return xp.fromfile(file, **options)


def _walked(name: str) -> Callable[..., Any]:
    def use(xp: Any, *args: Any) -> Any:
        return [list(one) if isinstance(one, tuple) else one for one in getattr(xp, name)(*args)]

    return use


def _indexed(name: str) -> Callable[..., Any]:
    return lambda xp, key: getattr(xp, name)[key]


def _distribution(name: str) -> Callable[..., Any]:
    return lambda xp, seed, *args, **options: getattr(xp.random.default_rng(seed), name)(
        *args, **options
    )


def _legacy(name: str) -> Callable[..., Any]:
    return lambda xp, seed, *args, **options: getattr(xp.random.RandomState(seed), name)(
        *args, **options
    )


def _global(name: str) -> Callable[..., Any]:
    def use(xp: Any, seed: Any, *args: Any, **options: Any) -> Any:
        xp.random.seed(seed)
        return getattr(xp.random, name)(*args, **options)

    return use


def _bits(name: str) -> Callable[..., Any]:
    return lambda xp, seed, count: getattr(xp.random, name)(seed).random_raw(count)


def _seeds(xp: Any, entropy: Any, count: Any) -> Any:
    made = xp.random.SeedSequence(entropy)
    return [made.generate_state(count), made.spawn(2)[1].generate_state(count)]


def _shuffled(xp: Any, seed: Any, x: Any, *args: Any) -> Any:
    xp.random.default_rng(seed).shuffle(x, *args)
    return x


def _shuffled_state(xp: Any, seed: Any, x: Any) -> Any:
    xp.random.RandomState(seed).shuffle(x)
    return x


def _shuffled_global(xp: Any, seed: Any, x: Any) -> Any:
    xp.random.seed(seed)
    xp.random.shuffle(x)
    return x


def _seeded(xp: Any, seed: Any) -> Any:
    made = xp.random.RandomState(1)
    made.seed(seed)
    first = made.randn(3)
    made.seed([seed, 5])
    return [first, made.rand(2)]


def _state_of(xp: Any, seed: Any) -> Any:
    made = xp.random.RandomState(seed)
    first = made.randn(3)
    state = made.get_state()
    drawn = made.randn(3)
    xp.random.set_state(state)
    name, key, place, has, value = xp.random.get_state()
    return [first, drawn, xp.random.randn(3), name, key, place, has, value]


def _random_types(name: str) -> Callable[..., Any]:
    def use(xp: Any, seed: Any) -> Any:
        made = getattr(xp.random, name)
        bits = xp.random.PCG64(seed)
        if name == "BitGenerator":
            return isinstance(bits, made)
        return made(bits).random(3)

    return use


def _set_item(_: Any, x: Any, key: Any, value: Any) -> Any:
    x[key] = value
    return x


USES: dict[str, Callable[..., Any]] = {
    "AxisError": lambda xp, *args: (
        _raised(xp.exceptions.AxisError, *args)
        if hasattr(xp, "exceptions")
        else _raised(xp.AxisError, *args)
    ),
    "LinAlgError": lambda xp, *args: _raised(xp.linalg.LinAlgError, *args),
    "errstate": _errstate,
    "seterr": _seterr,
    "geterr": lambda xp: sorted(xp.geterr()),
    "printoptions": _printed,
    "set_printoptions": _set_printed,
    "get_printoptions": lambda xp: [xp.get_printoptions()[k] for k in ("precision", "threshold")],
    "broadcast": _broadcast,
    "nditer": _nditer,
    "poly1d": _poly1d,
    "flatiter": _flat,
    "save": _saved,
    "load": _saved,
    "savez": _saved_many("savez"),
    "savez_compressed": _saved_many("savez_compressed"),
    "savetxt": _text,
    "loadtxt": lambda xp, lines, **options: xp.loadtxt(lines, **options),
    "ndindex": _walked("ndindex"),
    "ndenumerate": _walked("ndenumerate"),
    "vectorize": lambda xp, name, *args: xp.vectorize(named(xp, name))(*args),
    "ufunc": lambda xp, x: [xp.add.reduce(x), xp.add.outer(x, x), xp.multiply.accumulate(x)],
    "ndarray": lambda xp, x: [isinstance(x, xp.ndarray), x.shape, x.ndim, x.size, x.itemsize],
    "linalg.LinAlgError": lambda xp, *args: _raised(xp.linalg.LinAlgError, *args),
    "random.SeedSequence": _seeds,
    "random.BitGenerator": _random_types("BitGenerator"),
    "random.Generator": _random_types("Generator"),
    "random.default_rng": lambda xp, seed: xp.random.default_rng(seed).random(3),
    "random.RandomState": lambda xp, seed: xp.random.RandomState(seed).random_sample(3),
    "Generator.shuffle": _shuffled,
    "ndarray.__setitem__": _set_item,
    "ndarray.__iter__": lambda _, x: list(x),
    "ndarray.tofile": _written,
    "ndarray.dtype": lambda _, x: x.dtype.name,
    "ndarray.setflags": lambda _, x, **options: [x.setflags(**options), x.flags.writeable],
    "ndarray.flags": lambda _, x: [x.flags[name] for name in ("C", "F", "W", "OWNDATA", "ALIGNED")],
    "ndarray.base": lambda _, x: [x.base is None, x[1:].base is None],
    "ndarray.data": lambda _, x: [x.data.shape, x.data.nbytes, x.data.readonly],
    "ndarray.flat": _flat,
    "fromfile": _from_file,
    "Generator.spawn": lambda xp, seed: xp.random.default_rng(seed).spawn(2)[1].random(3),
    "random.seed": lambda xp, seed: [xp.random.seed(seed), xp.random.rand(3)],
    "RandomState.seed": _seeded,
    "RandomState.shuffle": _shuffled_state,
    "random.shuffle": _shuffled_global,
    "RandomState.get_state": _state_of,
    "RandomState.set_state": _state_of,
    "random.get_state": _state_of,
    "random.set_state": _state_of,
}
for _name in ("mgrid", "ogrid", "r_", "c_", "s_", "index_exp"):
    USES[_name] = _indexed(_name)
for _name in ("PCG64", "PCG64DXSM", "SFC64", "Philox", "MT19937"):
    USES[f"random.{_name}"] = _bits(_name)

# Of np.random, what is no class: the first argument is the seed.
DRAWN = {"Generator": _distribution, "RandomState": _legacy, "random": _global}
