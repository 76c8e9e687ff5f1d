"""Einstein's summation convention."""

from __future__ import annotations

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


def _expanded(text: str, arrays: list[Any]) -> tuple[list[str], str]:
    """Return one letter a dimension for each input and for the result, without ellipses."""
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(arrays):
        raise ValueError(
            "more operands provided to einstein sum function than specified in the subscripts "
            "string"
            if len(inputs) < len(arrays)
            else "fewer operands provided to einstein sum function than specified in the "
            "subscripts string"
        )
    free = [letter for letter in reversed(_LETTERS) if letter not in text]
    widest = 0
    for term, array in zip(inputs, arrays, strict=True):
        if "..." in term:
            widest = max(widest, array.ndim - (len(term) - 3))
    dots = "".join(free[:widest])
    made = []
    for k, (term, array) in enumerate(zip(inputs, arrays, strict=True)):
        letters = term
        if "..." in term:
            count = array.ndim - (len(term) - 3)
            letters = term.replace("...", dots[widest - count :] if count > 0 else "")
        if not all(letter in _LETTERS for letter in letters):
            wrong = next(letter for letter in letters if letter not in _LETTERS)
            raise ValueError(
                f"invalid subscript {wrong!r} in einstein sum subscripts string, subscripts must "
                "be letters"
            )
        if len(letters) != array.ndim:
            raise ValueError(
                f"einstein sum subscripts string contains too many subscripts for operand {k}"
                if len(letters) > array.ndim
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


def _once(term: str, array: Any) -> tuple[str, Any]:
    """Take the diagonals of letters that come twice."""
    from polyvm.np._choosing import diagonal

    i = 0
    while i < len(term):
        j = term.find(term[i], i + 1)
        if j < 0:
            i += 1
            continue
        if array.shape[i] != array.shape[j]:
            raise ValueError(
                f"dimensions in single operand for collapsing index '{term[i]}' don't match "
                f"({array.shape[i]} != {array.shape[j]})"
            )
        array = diagonal(array, 0, i, j)
        term = term[:i] + term[i + 1 : j] + term[j + 1 :] + term[i]
        i = 0
    return term, array


def _summed(term: str, array: Any, kept: set[str]) -> tuple[str, Any]:
    """Sum over the letters that nothing else needs."""
    axes = tuple(i for i, letter in enumerate(term) if letter not in kept)
    if axes:
        array = core.sum(array, axis=axes, dtype=array.dtype)
        term = "".join(letter for letter in term if letter in kept)
    return term, array


def _ordered(term: str, array: Any, wanted: str) -> Any:
    """Return ``array`` with the dimensions of ``wanted``, of size 1 where ``term`` lacks one."""
    present = [letter for letter in wanted if letter in term]
    array = core.permute_dims(array, tuple(term.index(letter) for letter in present))
    sizes = dict(zip(present, array.shape, strict=True))
    return core.reshape(array, tuple(sizes.get(letter, 1) for letter in wanted))


def _pair(a: tuple[str, Any], b: tuple[str, Any], kept: set[str]) -> tuple[str, Any]:
    """Multiply two inputs as one matrix product, summing over what is not needed later."""
    (first, x), (second, y) = a, b
    first, x = _summed(first, x, kept | set(second))
    second, y = _summed(second, y, kept | set(first))
    sizes: dict[str, int] = {}
    for term, array in ((first, x), (second, y)):
        for letter, size in zip(term, array.shape, strict=True):
            if sizes.get(letter, 1) == 1:
                sizes[letter] = size
    shared = [letter for letter in first if letter in second]
    batch = [letter for letter in shared if letter in kept]
    inner = [letter for letter in shared if letter not in kept]
    rows = [letter for letter in first if letter not in second]
    columns = [letter for letter in second if letter not in first]
    stretched = any(
        x.shape[first.index(letter)] != y.shape[second.index(letter)] for letter in shared
    )
    term = "".join(batch + rows + columns)
    if not inner or stretched:
        whole = term + "".join(inner)
        product = core.multiply(_ordered(first, x, whole), _ordered(second, y, whole))
        return _summed(whole, product, kept)

    def volume(letters: list[str]) -> int:
        size = 1
        for letter in letters:
            size *= sizes[letter]
        return size

    lead = tuple(sizes[letter] for letter in batch)
    left = core.reshape(
        _ordered(first, x, "".join(batch + rows + inner)), (*lead, volume(rows), volume(inner))
    )
    right = core.reshape(
        _ordered(second, y, "".join(batch + inner + columns)),
        (*lead, volume(inner), volume(columns)),
    )
    product = core.matmul(left, right)
    return term, core.reshape(product, tuple(sizes[letter] for letter in term))


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
        common = core.tensor._promote(common, array.dtype)
    arrays = [array.astype(common, copy=False) for array in arrays]
    inputs, output = _expanded(text, arrays)
    sizes: dict[str, int] = {}
    for term, array in zip(inputs, arrays, strict=True):
        for letter, size in zip(term, array.shape, strict=True):
            if sizes.setdefault(letter, size) != size and 1 not in (size, sizes[letter]):
                raise ValueError(
                    "operands could not be broadcast together with remapped shapes: "
                    f"dimension '{letter}' is {sizes[letter]} and {size}"
                )
    terms = [_once(term, array) for term, array in zip(inputs, arrays, strict=True)]
    so_far = terms[0]
    for k, following in enumerate(terms[1:], 1):
        later = {letter for other, _ in terms[k + 1 :] for letter in other}
        so_far = _pair(so_far, following, later | set(output))
    letters, result = _summed(*so_far, set(output))
    result = _ordered(letters, result, output) if letters != output else result
    if len(terms) == 1 and result.ndim == 0:
        result = result[()]
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
    inputs, output = _expanded(text, arrays)
    count = len(inputs)
    path: list[Any] = ["einsum_path"]
    # the product of those before is the last of what is left
    path += [(0, 1)] if count > 1 else [(0,)]
    path += [(0, left) for left in range(count - 2, 0, -1)]
    told = f"  Complete contraction:  {','.join(inputs)}->{output}\n  Steps:  {len(path) - 1}"
    return path, told
