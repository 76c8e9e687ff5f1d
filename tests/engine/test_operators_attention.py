"""Attention of models, ONNX's and onnxruntime's, and what is joined to it, against NumPy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import Ways, agree, one, run
from .windows_reference import convolve, draw

if TYPE_CHECKING:
    from tests.conftest import Seeded

MS = "com.microsoft"
DTYPES = [np.float32, np.float64, np.float16]


def close(dtype: Any) -> float:
    return {np.float16: 6e-3, np.float32: 2e-5, np.float64: 1e-10}[dtype]


def some(rand: Seeded, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(rand.randrange(2**32)).uniform(-1, 1, shape).astype(dtype)


def weights(scores: np.ndarray) -> np.ndarray:
    """Soft-max of rows; those that see nothing are 0."""
    most = scores.max(-1, keepdims=True)
    e = np.exp(scores - np.where(np.isinf(most), 0, most))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


def attend(q: np.ndarray, k: np.ndarray, v: np.ndarray, bias: Any = 0.0, **more: Any) -> np.ndarray:
    """[batch, heads, rows, size], keys and values repeated for heads that share them."""
    times = q.shape[1] // k.shape[1]
    k, v = (np.repeat(x.astype(np.float64), times, 1) for x in (k, v))
    scale = more.get("scale") or 1 / math.sqrt(q.shape[-1])
    scores = q.astype(np.float64) @ k.swapaxes(-1, -2) * scale
    cap = more.get("softcap", 0)
    if cap:
        scores = cap * np.tanh(scores / cap)
    return weights(scores + bias) @ v


def heads(x: np.ndarray, count: int) -> np.ndarray:
    return x.reshape(*x.shape[:2], count, -1).swapaxes(1, 2)


def flat(x: np.ndarray) -> np.ndarray:
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)


def hidden(visible: np.ndarray, value: float = -np.inf) -> np.ndarray:
    return np.where(visible, 0.0, value)


@pytest.mark.parametrize("dtype", DTYPES)
def test_onnx_attention(rand: Seeded, dtype: Any) -> None:
    for _ in range(15):
        b, shared, rows, new = (
            rand.randint(1, 2),
            rand.randint(1, 2),
            rand.randint(1, 5),
            rand.randint(1, 5),
        )
        h, size, width = shared * rand.randint(1, 3), rand.randint(1, 5), rand.randint(1, 5)
        q = some(rand, (b, h, rows, size), dtype)
        k, v = some(rand, (b, shared, new, size), dtype), some(rand, (b, shared, new, width), dtype)
        past, before = [None, None], 0
        if rand.random() < 0.5:
            before = rand.randint(1, 3)
            past = [some(rand, (b, shared, before, n), dtype) for n in (size, width)]
        all_k, all_v = (
            x if p is None else np.concatenate([p, x], 2) for p, x in zip(past, (k, v), strict=True)
        )
        columns = before + new
        bias: np.ndarray | float = 0.0
        mask = None
        if rand.random() < 0.6:
            shape = rand.choice(
                [(rows, columns), (1, columns), (b, 1, rows, columns), (h, 1, columns)]
            )
            mask = some(rand, shape, dtype)
            bias = mask.astype(np.float64)
            if rand.random() < 0.5:
                mask = mask > -0.3
                bias = hidden(mask)
        more: dict[str, Any] = {}
        if rand.random() < 0.5:
            more["is_causal"] = 1
            bias = bias + hidden(np.arange(columns) <= np.arange(rows)[:, None] + before)
        if rand.random() < 0.3:
            more["softcap"] = 0.5
        if rand.random() < 0.3:
            more["scale"] = 0.75
        wanted = attend(q, all_k, all_v, bias, **more)
        ways = Ways(rand.randrange(2**32), plain=False)
        is_flat = rand.random() < 0.5
        if is_flat:
            more |= {"q_num_heads": h, "kv_num_heads": shared}
            q, k, v, wanted = flat(q), flat(k), flat(v), flat(wanted)
        got = run("Attention", q, k, v, mask, *past, outputs=3, opset=23, ways=ways, **more)
        agree(got[0], wanted.astype(dtype), close(dtype))
        agree(got[1], all_k)
        agree(got[2], all_v)


@pytest.mark.parametrize("dtype", DTYPES)
def test_multi_head_attention(rand: Seeded, dtype: Any) -> None:
    b, n, rows, columns, size = 2, 3, 4, 5, 2
    q, k, v = (some(rand, (b, r, n * size), dtype) for r in (rows, columns, columns))
    bias, extra = some(rand, (3 * n * size,), dtype), some(rand, (1, n, rows, columns), dtype)
    parts = [
        heads(x.astype(np.float64) + p.astype(np.float64), n)
        for x, p in zip((q, k, v), np.split(bias, 3), strict=True)
    ]
    mask = np.array([[1, 1, 0, 1, 1], [1, 0, 1, 1, 0]], np.int32)
    seen = hidden(mask[:, None, None] != 0, -10000) + extra.astype(np.float64)
    got = one("MultiHeadAttention", q, k, v, bias, mask, extra, domain=MS, num_heads=n)
    agree(got, flat(attend(*parts, seen)).astype(dtype), close(dtype))
    ends = np.array([5, 2], np.int32)
    seen = hidden(np.arange(columns) < ends[:, None, None, None], -10000)
    got = one("MultiHeadAttention", q, k, v, bias, ends, domain=MS, num_heads=n)
    agree(got, flat(attend(*parts, seen)).astype(dtype), close(dtype))
    past = [some(rand, (b, n, 3, size), dtype) for _ in range(2)]
    got = run(
        "MultiHeadAttention", q, k, v, None, None, None, *past, outputs=3, domain=MS, num_heads=n
    )
    whole = [np.concatenate([p, heads(x, n)], 2) for p, x in zip(past, (k, v), strict=True)]
    agree(got[0], flat(attend(heads(q, n), *whole)).astype(dtype), close(dtype))
    agree(got[1], whole[0])
    agree(got[2], whole[1])
    packed = some(rand, (b, rows, n, 3, size), dtype)
    got = one("MultiHeadAttention", packed, domain=MS, num_heads=n)
    wanted = attend(*(packed[:, :, :, i].swapaxes(1, 2) for i in range(3)))
    agree(got, flat(wanted).astype(dtype), close(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_attention_with_its_projection(rand: Seeded, dtype: Any) -> None:
    b, n, rows, size, inputs = 2, 2, 4, 3, 5
    x, w = some(rand, (b, rows, inputs), dtype), some(rand, (inputs, 3 * n * size), dtype)
    bias = some(rand, (3 * n * size,), dtype)
    projected = x.astype(np.float64) @ w.astype(np.float64) + bias.astype(np.float64)
    q, k, v = (heads(p, n) for p in np.split(projected, 3, -1))
    triangle = hidden(np.tri(rows, dtype=bool))
    got = one("Attention", x, w, bias, domain=MS, num_heads=n, unidirectional=1)
    agree(got, flat(attend(q, k, v, triangle)).astype(dtype), close(dtype))
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    got = one("Attention", x, w, bias, mask, domain=MS, num_heads=n)
    seen = hidden(mask[:, None, None] != 0, -10000)
    agree(got, flat(attend(q, k, v, seen)).astype(dtype), close(dtype))
    past = some(rand, (2, b, n, 2, size), dtype)
    got = run(
        "Attention", x, w, bias, None, past, outputs=2, domain=MS, num_heads=n, unidirectional=1
    )
    whole = np.concatenate([past.astype(np.float64), np.stack([k, v])], 3)
    seen = hidden(np.arange(rows + 2) <= np.arange(rows)[:, None] + 2)
    agree(got[0], flat(attend(q, *whole, seen)).astype(dtype), close(dtype))
    agree(got[1], whole.astype(dtype), close(dtype))


@pytest.mark.parametrize("interleaved", [0, 1])
def test_rotary_embedding(rand: Seeded, interleaved: int) -> None:
    b, n, rows, size, half = 2, 3, 4, 6, 2
    x = some(rand, (b, n, rows, size), np.float64)
    cosine, sine = some(rand, (9, half), np.float64), some(rand, (9, half), np.float64)
    at = np.random.default_rng(rand.randrange(2**32)).integers(0, 9, (b, rows))
    first, second = (slice(0, 4, 2), slice(1, 4, 2)) if interleaved else (slice(0, 2), slice(2, 4))
    c, s = cosine[at][:, None], sine[at][:, None]
    wanted = x.copy()
    wanted[..., first] = c * x[..., first] - s * x[..., second]
    wanted[..., second] = s * x[..., first] + c * x[..., second]
    more = {"interleaved": interleaved, "rotary_embedding_dim": 4}
    agree(one("RotaryEmbedding", x, cosine, sine, at, opset=23, **more), wanted)
    got = one("RotaryEmbedding", flat(x), cosine, sine, at, opset=23, num_heads=n, **more)
    agree(got, flat(wanted))
    agree(one("RotaryEmbedding", x, at, cosine, sine, domain=MS, **more), wanted)
    got = one("RotaryEmbedding", flat(x), cosine[at], sine[at], opset=23, num_heads=n, **more)
    agree(got, flat(wanted))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_that_are_normalised(rand: Seeded, dtype: Any) -> None:
    x, skip = some(rand, (2, 3, 8), dtype), some(rand, (1, 3, 8), dtype)
    gamma, beta, bias = (some(rand, (8,), dtype) for _ in range(3))
    total = x.astype(np.float64) + skip.astype(np.float64) + bias.astype(np.float64)
    g, epsilon = gamma.astype(np.float64), 2.0**-10

    def normal(x: np.ndarray) -> np.ndarray:
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)

    got = run(
        "SkipLayerNormalization", x, skip, gamma, beta, bias, outputs=4, domain=MS, epsilon=epsilon
    )
    agree(got[0], (normal(total) * g + beta.astype(np.float64)).astype(dtype), 3 * close(dtype))
    agree(got[3], total.astype(dtype), close(dtype))
    got = run("SkipSimplifiedLayerNormalization", x, skip, gamma, bias, domain=MS, epsilon=epsilon)
    square = np.sqrt((total**2).mean(-1, keepdims=True) + epsilon)
    agree(got[0], (total / square * g).astype(dtype), 3 * close(dtype))
    ids, segments = (
        np.array([[1, 3, 0], [2, 2, 4]], np.int32),
        np.array([[0, 0, 1], [1, 0, 1]], np.int32),
    )
    words, places, kinds = (some(rand, (n, 8), dtype) for n in (5, 4, 2))
    mask = np.array([[1, 1, 0], [1, 1, 1]], np.int32)
    got = run(
        "EmbedLayerNormalization", ids, segments, words, places, kinds, gamma, beta, mask,
        outputs=3, domain=MS, epsilon=epsilon,
    )  # fmt: skip
    total = sum(t.astype(np.float64) for t in (words[ids], places[:3][None], kinds[segments]))
    agree(got[0], (normal(total) * g + beta.astype(np.float64)).astype(dtype), 3 * close(dtype))
    agree(got[1], np.array([2, 3], np.int32))
    agree(got[2], total.astype(dtype), close(dtype))


def test_gelus(rand: Seeded) -> None:
    x, bias = some(rand, (2, 3, 5)) * 4, some(rand, (5,))
    erf = np.vectorize(math.erf, otypes=[np.float64])

    def gelu(x: np.ndarray) -> np.ndarray:
        return (x / 2 * (1 + erf(x / math.sqrt(2)))).astype(np.float32)

    def fast(x: np.ndarray) -> np.ndarray:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return (x / 2 * (1 + np.tanh(inner))).astype(np.float32)

    agree(one("Gelu", x, domain=MS), gelu(x), 1e-5)
    agree(one("BiasGelu", x, bias, domain=MS), gelu(x + bias), 1e-5)
    agree(one("FastGelu", x, domain=MS), fast(x), 1e-5)
    agree(one("FastGelu", x, bias, domain=MS), fast(x + bias), 1e-5)
    agree(one("QuickGelu", x, domain=MS), x / (1 + np.exp(-np.float32(1.702) * x)), 1e-5)


def test_joined_convolutions_and_products(rand: Seeded) -> None:
    window = draw(rand, 2)
    x, w, b = some(rand, (2, 4, *window.size)), some(rand, (6, 2, *window.kernel)), some(rand, (6,))
    exact = convolve(x, w, b, 2, window)
    z = some(rand, exact.shape)
    more = {"group": 2, "strides": window.strides, "pads": window.pads}
    more |= {"dilations": window.dilations, "domain": MS}
    got = one("FusedConv", x, w, b, z, activation="Relu", **more)
    agree(got, np.maximum(exact + z, 0).astype(np.float32), 1e-5)
    got = one("FusedConv", x, w, b, activation="LeakyRelu", activation_params=[0.25], **more)
    agree(got, np.where(exact < 0, exact / 4, exact).astype(np.float32), 1e-5)
    got = one("FusedConv", x, w, b, activation="Clip", activation_params=[-0.5, 0.5], **more)
    agree(got, np.clip(exact, -0.5, 0.5).astype(np.float32), 1e-5)
    m, n, c = some(rand, (4, 3)), some(rand, (5, 4)), some(rand, (3, 5))
    got = one(
        "FusedGemm", m, n, c, domain=MS, transA=1, transB=1, alpha=0.5, beta=2.0, activation="Tanh"
    )
    agree(got, np.tanh(m.T @ n.T / 2 + 2 * c), 1e-5)


def test_what_does_not_fit_is_said(rand: Seeded) -> None:
    x = some(rand, (1, 2, 6))
    with pytest.raises((ValueError, RuntimeError), match="do not make 4 heads"):
        one("MultiHeadAttention", x, x, x, domain=MS, num_heads=4)
    with pytest.raises((ValueError, RuntimeError), match="q_num_heads"):
        one("Attention", x, x, x, opset=23)
    cache = some(rand, (2, 3))
    with pytest.raises((IndexError, RuntimeError), match="position 7 of 2"):
        one("RotaryEmbedding", x[None], cache, cache, np.array([[0, 7]]), opset=23)
