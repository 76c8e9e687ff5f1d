"""RNN, LSTM and GRU of models against the standard's equations in NumPy, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import Ways, agree, bfloat16, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Seeded

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STANDARD = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
TOLERANCE = {np.float16: 6e-3, bfloat16: 4e-2, np.float32: 2e-5, np.float64: 1e-12}

FUNCTIONS: dict[str, tuple[Callable[..., np.ndarray], list[float]]] = {
    "Sigmoid": (lambda x: 1 / (1 + np.exp(-x)), []),
    "Tanh": (np.tanh, []),
    "Relu": (lambda x: np.maximum(x, 0), []),
    "Affine": (lambda x, a, b: a * x + b, [0.5, 0.25]),
    "LeakyRelu": (lambda x, a: np.where(x < 0, a * x, x), [0.125]),
    "ThresholdedRelu": (lambda x, a: np.where(x > a, x, 0), [0.125]),
    "ScaledTanh": (lambda x, a, b: a * np.tanh(b * x), [0.5, 0.75]),
    "HardSigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), [0.25, 0.5]),
    "Elu": (lambda x, a: np.where(x < 0, a * np.expm1(x), x), [0.5]),
    "Softsign": (lambda x: x / (1 + abs(x)), []),
    "Softplus": (lambda x: np.log1p(np.exp(x)), []),
}


class Layer:
    """One drawn layer: its weights, and what it is to compute."""

    def __init__(self, rand: Seeded, op: str, dtype: Any) -> None:
        generator = np.random.default_rng(rand.randrange(2**32))
        self.op, self.gates = op, GATES[op]
        self.direction = rand.choice(["forward", "reverse", "bidirectional"])
        d = self.directions = 2 if self.direction == "bidirectional" else 1
        self.seq, self.batch = rand.randint(1, 5), rand.randint(1, 3)
        self.inputs, self.hidden = rand.randint(1, 5), rand.randint(1, 6)
        n, h = self.gates * self.hidden, self.hidden

        def some(*shape: int) -> np.ndarray:
            return (generator.uniform(-0.8, 0.8, shape)).astype(dtype)

        def perhaps(*shape: int) -> np.ndarray | None:
            return some(*shape) if rand.random() < 0.5 else None

        self.x = some(self.seq, self.batch, self.inputs)
        self.w, self.r, self.b = some(d, n, self.inputs), some(d, n, h), perhaps(d, 2 * n)
        self.h = perhaps(d, self.batch, h)
        self.c = perhaps(d, self.batch, h) if op == "LSTM" else None
        self.p = perhaps(d, 3 * h) if op == "LSTM" else None
        self.lengths = None
        if rand.random() < 0.5:
            self.lengths = generator.integers(0, self.seq + 1, self.batch).astype(np.int32)
        self.layout = rand.choice([0, 1])
        self.attributes: dict[str, Any] = {"direction": self.direction, "layout": self.layout}
        self.attributes["hidden_size"] = h
        names = STANDARD[op] * d
        if rand.random() < 0.5:
            names = [rand.choice(list(FUNCTIONS)) for _ in names]
            self.attributes["activations"] = names
            values = [FUNCTIONS[name][1] for name in names]
            alphas, betas = [v[0] for v in values if v], [v[1] for v in values if len(v) > 1]
            self.attributes |= {"activation_alpha": alphas} if alphas else {}
            self.attributes |= {"activation_beta": betas} if betas else {}
        self.clip = 0.0
        if rand.random() < 0.3:
            self.clip = self.attributes["clip"] = 0.375
        self.functions = [self.function(name) for name in names]
        self.late = self.coupled = False
        if op == "GRU":
            self.late = rand.random() < 0.5
            self.attributes["linear_before_reset"] = int(self.late)
        if op == "LSTM" and rand.random() < 0.3:
            self.coupled = True
            self.attributes["input_forget"] = 1

    def function(self, name: str) -> Callable[[np.ndarray], np.ndarray]:
        call, values = FUNCTIONS[name]

        def apply(x: np.ndarray) -> np.ndarray:
            return call(np.clip(x, -self.clip, self.clip) if self.clip else x, *values)

        return apply

    def given(self) -> list[np.ndarray | None]:
        def turned(x: np.ndarray | None) -> np.ndarray | None:
            return x if x is None or not self.layout else np.swapaxes(x, 0, 1)

        given = [turned(self.x), self.w, self.r, self.b, self.lengths, turned(self.h)]
        if self.op == "LSTM":
            given += [turned(self.c), self.p]
        while given[-1] is None:
            given.pop()
        return given

    def step(
        self, d: int, x: np.ndarray, h: np.ndarray, c: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        each, n = len(STANDARD[self.op]), self.hidden
        f = self.functions[d * each : (d + 1) * each]
        w, r = self.w[d].astype(np.float64), self.r[d].astype(np.float64)
        b = np.zeros(2 * len(w)) if self.b is None else self.b[d].astype(np.float64)
        p = np.zeros((3, n)) if self.p is None else self.p[d].astype(np.float64).reshape(3, n)
        from_x, bias = (w @ x + b[: len(w)]).reshape(-1, n), b[len(w) :].reshape(-1, n)
        rows = r.reshape(-1, n, n)
        z = from_x + rows @ h + bias
        if self.op == "RNN":
            return f[0](z[0]), c
        if self.op == "LSTM":
            i = f[0](z[0] + p[0] * c)
            forget = 1 - i if self.coupled else f[0](z[2] + p[2] * c)
            c = forget * c + i * f[1](z[3])
            return f[0](z[1] + p[1] * c) * f[2](c), c
        update, reset = f[0](z[0]), f[0](z[1])
        linear = reset * (rows[2] @ h + bias[2]) if self.late else rows[2] @ (reset * h) + bias[2]
        return (1 - update) * f[1](from_x[2] + linear) + update * h, c

    def wanted(self) -> list[np.ndarray]:
        d, shape = self.directions, (self.directions, self.batch, self.hidden)
        y = np.zeros((self.seq, *shape))
        last = [np.zeros(shape) if s is None else s.astype(np.float64) for s in (self.h, self.c)]
        for k in range(d):
            backwards = k == 1 or self.direction == "reverse"
            for b in range(self.batch):
                length = self.seq if self.lengths is None else int(self.lengths[b])
                h, c = last[0][k, b], last[1][k, b]
                for t in range(length)[:: -1 if backwards else 1]:
                    h, c = self.step(k, self.x[t, b].astype(np.float64), h, c)
                    y[t, k, b] = h
                last[0][k, b], last[1][k, b] = h, c
        if self.layout:
            y = y.transpose(2, 0, 1, 3)
            last = [np.swapaxes(s, 0, 1) for s in last]
        return [y, *last][: 3 if self.op == "LSTM" else 2]


@pytest.mark.parametrize("op", list(GATES))
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_layers(rand: Seeded, op: str, dtype: Any) -> None:
    for _ in range(25):
        layer = Layer(rand, op, dtype)
        wanted = layer.wanted()
        ways = Ways(rand.randrange(2**32), plain=False)
        got = run(op, *layer.given(), outputs=len(wanted), opset=14, ways=ways, **layer.attributes)
        for one, other in zip(got, wanted, strict=True):
            agree(one, other.astype(dtype), TOLERANCE[dtype])


def test_weights_of_8_bits_come_near_to_those_of_32(rand: Seeded) -> None:
    for _ in range(20):
        layer = Layer(rand, "LSTM", np.float32)
        if "activations" in layer.attributes:
            continue  # some jump, and make much of little
        layer.attributes.pop("layout")
        layer.layout = 0
        w = [np.swapaxes(x, 1, 2) for x in (layer.w, layer.r)]
        codes, scales = [], []
        for x in w:
            scale = abs(x).max(1).astype(np.float32) / 127  # one for each column
            codes.append(np.rint(x / scale[:, None]).astype(np.int8))
            scales += [scale, np.zeros(scale.shape, np.int8)]
        given = [*layer.given(), *[None] * 8][:8]
        given[1:3] = codes
        wanted = layer.wanted()
        got = run(
            "DynamicQuantizeLSTM", *given, *scales, outputs=3, opset=14, domain="com.microsoft",
            **layer.attributes,
        )  # fmt: skip
        for one, other in zip(got, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"direction": "sideways"}, "sideways"),
        ({"activations": ["Tanh"]}, "1 activations are given, but 3"),
        ({"activations": ["Tanh", "Tanh", "Sine"]}, "no activation 'Sine'"),
    ],
)
def test_what_cannot_be_is_said(changes: dict[str, Any], words: str) -> None:
    x, w = np.zeros((2, 1, 3), np.float32), np.zeros((1, 8, 3), np.float32)
    r = np.zeros((1, 8, 2), np.float32)
    with pytest.raises((ValueError, RuntimeError), match=words):
        run("LSTM", x, w, r, outputs=3, opset=14, hidden_size=2, **changes)
    with pytest.raises((ValueError, RuntimeError), match="do not fit"):
        run("LSTM", x, w, np.zeros((1, 12, 3), np.float32), outputs=3, opset=14)
    with pytest.raises((ValueError, RuntimeError), match="a sequence of 5"):
        run("LSTM", x, w, r, None, np.array([5], np.int32), outputs=3, opset=14)
