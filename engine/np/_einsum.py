"""Einstein's summation convention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyvm.np import _core as core

__all__ = ["einsum", "einsum_path"]

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _text(operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """Return subscripts and arrays; the arguments may also be arrays and lists of numbers."""
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), [core.asarray(one) for one in operands[1:]]

    def letters(numbers: Any) -> str:
        return "".join("..." if n is Ellipsis else _LETTERS[n] for n in numbers)

    pairs = len(operands) // 2
    inputs = [letters(operands[2 * i + 1]) for i in range(pairs)]
    text = ",".join(inputs)
    if len(operands) % 2:
        text += "->" + letters(operands[-1])
    return text, [core.asarray(operands[2 * i]) for i in range(pairs)]


def _expanded(text: str, counts: list[int]) -> tuple[list[str], str]:
    """Return one letter a dimension for each input and for the result, without ellipses.

    ``counts``: how many dimensions the inputs have.
    """
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(counts):
        raise ValueError(
            "more operands provided to einstein sum function than specified in the subscripts "
            "string"
            if len(inputs) < len(counts)
            else "fewer operands provided to einstein sum function than specified in the "
            "subscripts string"
        )
    free = [letter for letter in reversed(_LETTERS) if letter not in text]
    widest = 0
    for term, ndim in zip(inputs, counts, strict=True):
        if "..." in term:
            widest = max(widest, ndim - (len(term) - 3))
    dots = "".join(free[:widest])
    made = []
    for k, (term, ndim) in enumerate(zip(inputs, counts, strict=True)):
        letters = term
        if "..." in term:
            count = ndim - (len(term) - 3)
            letters = term.replace("...", dots[widest - count :] if count > 0 else "")
        if not all(letter in _LETTERS for letter in letters):
            wrong = next(letter for letter in letters if letter not in _LETTERS)
            raise ValueError(
                f"invalid subscript {wrong!r} in einstein sum subscripts string, subscripts must "
                "be letters"
            )
        if len(letters) != ndim:
            raise ValueError(
                f"einstein sum subscripts string contains too many subscripts for operand {k}"
                if len(letters) > ndim
                else "operand has more dimensions than subscripts given in einstein sum, but no "
                "'...' ellipsis provided to broadcast the extra dimensions."
            )
        made.append(letters)
    if arrow:
        output = right.replace("...", dots)
    else:
        joint = "".join(made)
        output = dots + "".join(
            letter for letter in sorted(set(joint) - set(dots)) if joint.count(letter) == 1
        )
    for letter in output:
        if output.count(letter) > 1:
            raise ValueError(
                "einstein sum subscripts string includes output subscript "
                f"'{letter}' multiple times"
            )
        if not any(letter in term for term in made):
            raise ValueError(
                f"einstein sum subscripts string included output subscript '{letter}' which never "
                "appeared in an input"
            )
    return made, output


# ---- Plans ---------------------------------------------------------------------------------
#
# What is to be done depends on subscripts and shapes only, and is found once for each. A plan is a
# function of the arrays; so is each step of one. What has no effect is None.

Shape = tuple[int, ...]
Function = Callable[..., Any]


def _once(term: str, shape: Shape) -> tuple[str, Shape, list[tuple[int, int]]]:
    """Find the diagonals to take of letters that come twice, and what is left then."""
    pairs = []
    i = 0
    while i < len(term):
        j = term.find(term[i], i + 1)
        if j < 0:
            i += 1
            continue
        if shape[i] != shape[j]:
            raise ValueError(
                f"dimensions in single operand for collapsing index '{term[i]}' don't match "
                f"({shape[i]} != {shape[j]})"
            )
        pairs.append((i, j))
        rest = [k for k in range(len(term)) if k not in (i, j)]
        term = "".join(term[k] for k in rest) + term[i]
        shape = (*(shape[k] for k in rest), shape[i])
        i = 0
    return term, shape, pairs


def _diagonals(array: Any, pairs: list[tuple[int, int]]) -> Any:
    from polyvm.np._choosing import diagonal

    for i, j in pairs:
        array = diagonal(array, 0, i, j)
    return array


def _left(term: str, shape: Shape, kept: set[str]) -> tuple[str, Shape, Shape | None]:
    """Find what is left, and the axes to sum over: letters that nothing else needs."""
    axes = tuple(i for i, letter in enumerate(term) if letter not in kept)
    if not axes:
        return term, shape, None
    rest = [i for i in range(len(term)) if i not in axes]
    return "".join(term[i] for i in rest), tuple(shape[i] for i in rest), axes


def _arranged(term: str, shape: Shape, wanted: str, whole: Shape | None) -> tuple[Any, Any]:
    """Find the order of axes that gives ``wanted``, and the shape after that: ``whole``, or ones
    where the term lacks a letter.
    """
    present = [letter for letter in wanted if letter in term]
    order = tuple(term.index(letter) for letter in present)
    after = tuple(shape[i] for i in order)
    if whole is None:
        sizes = dict(zip(present, after, strict=True))
        whole = tuple(sizes.get(letter, 1) for letter in wanted)
    in_order = order == tuple(range(len(order)))
    return None if in_order else order, None if whole == after else whole


def _step(axes: Any, order: Any, shape: Any) -> Function | None:
    """Return what sums, permutes and reshapes; None where nothing is to be done."""
    if axes is None and order is None and shape is None:
        return None

    def run(x: Any) -> Any:
        if axes is not None:
            x = core.sum(x, axis=axes, dtype=x.dtype)
        if order is not None:
            x = core.permute_dims(x, order)
        return x if shape is None else core.reshape(x, shape)

    return run


def _volume(letters: list[str], sizes: dict[str, int]) -> int:
    size = 1
    for letter in letters:
        size *= sizes[letter]
    return size


def _pair(
    a: tuple[str, Shape], b: tuple[str, Shape], kept: set[str]
) -> tuple[str, Shape, Function]:
    """Plan the product of two inputs as one matrix product, summing over what nothing else needs.

    Returns the letters and the shape of the result, and what computes it.
    """
    first, x_shape, x_axes = _left(*a, kept | set(b[0]))
    second, y_shape, y_axes = _left(*b, kept | set(first))
    sizes: dict[str, int] = {}
    for term, shape in ((first, x_shape), (second, y_shape)):
        for letter, size in zip(term, shape, strict=True):
            if sizes.get(letter, 1) == 1:
                sizes[letter] = size
    shared = [letter for letter in first if letter in second]
    batch = [letter for letter in shared if letter in kept]
    inner = [letter for letter in shared if letter not in kept]
    rows = [letter for letter in first if letter not in second]
    columns = [letter for letter in second if letter not in first]
    stretched = any(
        x_shape[first.index(letter)] != y_shape[second.index(letter)] for letter in shared
    )
    term = "".join(batch + rows + columns)
    made = tuple(sizes[letter] for letter in term)
    multiply: Function
    if not inner or stretched:
        whole = term + "".join(inner)
        left = _step(x_axes, *_arranged(first, x_shape, whole, None))
        right = _step(y_axes, *_arranged(second, y_shape, whole, None))
        multiply = core.multiply
        after = _step(tuple(range(len(term), len(whole))) or None, None, None)
    else:
        lead = tuple(sizes[letter] for letter in batch)
        m, k, n = _volume(rows, sizes), _volume(inner, sizes), _volume(columns, sizes)
        left = _step(
            x_axes, *_arranged(first, x_shape, "".join(batch + rows + inner), (*lead, m, k))
        )
        right = _step(
            y_axes, *_arranged(second, y_shape, "".join(batch + inner + columns), (*lead, k, n))
        )
        multiply = core.matmul
        after = _step(None, None, None if made == (*lead, m, n) else made)

    def run(x: Any, y: Any) -> Any:
        product = multiply(x if left is None else left(x), y if right is None else right(y))
        return product if after is None else after(product)

    return term, made, run


def _plan(text: str, shapes: tuple[Shape, ...]) -> Function:
    """Return a function of the arrays that gives the result."""
    inputs, output = _expanded(text, [len(shape) for shape in shapes])
    sizes: dict[str, int] = {}
    for term, shape in zip(inputs, shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            if sizes.setdefault(letter, size) != size and 1 not in (size, sizes[letter]):
                raise ValueError(
                    "operands could not be broadcast together with remapped shapes: "
                    f"dimension '{letter}' is {sizes[letter]} and {size}"
                )
    found = [_once(term, shape) for term, shape in zip(inputs, shapes, strict=True)]
    diagonals = [pairs for _, _, pairs in found]
    terms = [(term, shape) for term, shape, _ in found]
    so_far = terms[0]
    products = []
    for k, following in enumerate(terms[1:], 1):
        later = {letter for other, _ in terms[k + 1 :] for letter in other}
        term, shape, run = _pair(so_far, following, later | set(output))
        so_far = (term, shape)
        products.append(run)
    letters, shape, axes = _left(*so_far, set(output))
    last = _step(axes, *_arranged(letters, shape, output, None))
    some_diagonals = any(diagonals)

    def compute(arrays: list[Any]) -> Any:
        if some_diagonals:
            arrays = [_diagonals(*pair) for pair in zip(arrays, diagonals, strict=True)]
        result = arrays[0]
        for multiply, array in zip(products, arrays[1:], strict=True):
            result = multiply(result, array)
        if last is not None:
            result = last(result)
        return result[()] if not products and result.ndim == 0 else result

    return compute


_plans: dict[Any, Function] = {}
_MOST_PLANS = 256


def einsum(
    *operands: Any,
    out: Any = None,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
    optimize: Any = False,
) -> Any:
    """Return sums of products as subscripts say: ``einsum("ij,jk->ik", a, b)``.

    Inputs are multiplied from left to right, two at a time, as matrix products where the
    subscripts allow it.
    """
    del order, casting, optimize
    if not operands:
        raise ValueError("must specify the einstein sum subscripts string and at least one operand")
    text, arrays = _text(operands)
    if not arrays:
        raise ValueError("must provide at least an operand and a subscripts list to einsum")
    if dtype is not None:
        arrays = [array.astype(dtype) for array in arrays]
    common = arrays[0].dtype
    for array in arrays[1:]:
        if array.dtype is not common:
            common = core.tensor._promote(common, array.dtype)
    key = (text, *[array.shape for array in arrays])
    plan = _plans.get(key)
    if plan is None:
        plan = _plan(text, key[1:])
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        _plans[key] = plan
    result = plan([array if array.dtype is common else array.astype(common) for array in arrays])
    if out is None:
        return result
    out[...] = result
    return out


def einsum_path(
    *operands: Any, optimize: Any = "greedy", einsum_call: bool = False
) -> tuple[list[Any], str]:
    """Return the order in which `einsum` multiplies, and a text about it.

    The order is that of the inputs, two at a time, whatever ``optimize`` says; it is written as
    NumPy writes it: a product's inputs by their places, and the product behind the others.
    """
    del optimize, einsum_call
    if not operands:
        raise ValueError("must specify the einstein sum subscripts string and at least one operand")
    text, arrays = _text(operands)
    inputs, output = _expanded(text, [array.ndim for array in arrays])
    count = len(inputs)
    path: list[Any] = ["einsum_path"]
    # the product of those before is the last of what is left
    path += [(0, 1)] if count > 1 else [(0,)]
    path += [(0, left) for left in range(count - 2, 0, -1)]
    told = f"  Complete contraction:  {','.join(inputs)}->{output}\n  Steps:  {len(path) - 1}"
    return path, told
