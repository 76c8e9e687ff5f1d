"""polyvm.np.einsum against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .against_numpy import compare

SUBSCRIPTS = [
    "ii", "ii->i", "ij->ji", "ij->", "ij->j", "i,i",
    "i,i->i", "i,j", "ij,j", "ij,jk", "ij,jk->ki",
    "ij,kj->ik", "bij,bjk->bik", "bij,bjk", "ij,ij->", "ijk,jk->i", "ij,jk,kl->il", "i,ij,j->",
    "ij,jk,ki",
    "ijj->i", "iij,j->i", "...i,...i", "...ij,...jk->...ik", "...ij->...ji", "i...->...",
    "b...,b...->b...", "ab,cd->abcd", "ab,b,b->a", "ij,ij,ij->ij",
]  # fmt: skip


def operands(text: str, dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(len(text))
    sizes = {letter: 2 + k % 3 for k, letter in enumerate("abcdijklb")}
    made = []
    for term in text.partition("->")[0].split(","):
        head, dots, tail = term.partition("...")
        shape = [sizes[c] for c in head] + [3, 4] * bool(dots) + [sizes[c] for c in tail]
        made.append((rng.normal(0, 5, shape)).astype(dtype))
    return made


@pytest.mark.parametrize("text", SUBSCRIPTS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "complex128"])
def test_subscripts(text: str, dtype: str) -> None:
    compare("einsum", text, *operands(text, dtype), rtol=1e-4 if dtype == "float32" else 1e-9)


@settings(max_examples=150, deadline=None, print_blob=True)
@given(
    terms=st.lists(st.text("abcd", min_size=0, max_size=3), min_size=1, max_size=3),
    data=st.data(),
)
def test_any_subscripts(terms: list[str], data: st.DataObject) -> None:
    letters = sorted(set("".join(terms)))
    text = ",".join(terms)
    if data.draw(st.booleans()):
        text += "->" + "".join(data.draw(st.permutations(letters)))[: data.draw(st.integers(0, 4))]
    sizes = dict(zip("abcd", (2, 3, 1, 4), strict=True))
    rng = np.random.default_rng(3)
    arrays = [rng.integers(-4, 5, [sizes[c] for c in term]) for term in terms]
    compare("einsum", text, *arrays)


def test_numbers_as_subscripts() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    compare("einsum", a, [0, 1], b, [1, 2], [0, 2])
    compare("einsum", a, [0, 1], b, [1, 2])


def test_bad_subscripts() -> None:
    a = np.arange(6.0).reshape(2, 3)
    for text in ("ij->ijk", "i", "ijk", "ij,jk", "i1", "ij->ii", "ii", "ij->k"):
        compare("einsum", text, a)
    compare("einsum", "ij,jk", a, a)
    compare("einsum", "ij", a, a)
