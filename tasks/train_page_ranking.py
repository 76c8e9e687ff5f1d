"""Train page-ranking/model.onnx: which page a visitor opens next, by a small interest network.

    pip install numpy onnx
    python tasks/train_page_ranking.py

The network is DIN's (Zhou and others, 2018) in small: each candidate page is scored by the pages
seen so far, each weighted by how it goes with the candidate. It is written down here with its
gradients, in NumPy, and trained with Adam on the demo's events (see prepare_data.py): the older
four fifths of the sessions train it, the newest test it. The same seed gives the same file, up to
the last bits of the machine's matrix products. About half a minute on two cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from prepare_data import PROFILE, download, feed

FOLDER = Path(__file__).parent / "page-ranking"
sys.path.insert(0, str(FOLDER))

from history import END, LENGTH, NONE, Vocabulary  # noqa: E402 - a module of the task

SEED = 19
DWELLS = (2, 5, 10, 20, 45, 120, 300)  # seconds; the borders between kinds of stay
WIDTH, ATTENTION, HIDDEN, OF_PROFILE = 16, 16, (32, 16), 4
TRAITS = PROFILE[1:3] + PROFILE[4:]  # platform, channel, lifecycle
EPOCHS, BATCH, RATE, DECAY = 5, 256, 4e-3, 0.6
Arrays = dict[str, Any]
NEVER = -1e9


def sessions() -> list[dict[str, Any]]:
    """All sessions in the order of their ends."""
    return [line for line in feed(download()) if line["event"] == "session_end"]


def vocabulary(lines: list[dict[str, Any]]) -> Vocabulary:
    """Pages, and the values of each trait, in order."""
    pages = sorted({page for line in lines for page, _ in line["events"]})
    traits = {name: sorted({line[name] for line in lines}) for name in TRAITS}
    return Vocabulary([NONE, END, *pages], DWELLS, traits)


def examples(lines: list[dict[str, Any]], known: Vocabulary) -> Arrays:
    """One for each page of a session but the first, and one for its end."""
    rows: dict[str, list[Any]] = {"pages": [], "dwells": [], "traits": [], "next": []}
    for line in lines:
        pages, dwells = known.histories(line["events"])
        rows["pages"] += pages
        rows["dwells"] += dwells
        rows["traits"] += [known.numbers_of(line)] * len(pages)
        rows["next"] += [*(row[-1] for row in pages[1:]), known.pages.index(END)]
    return {name: np.array(values, np.int64) for name, values in rows.items()}


# -- the network ------------------------------------------------------------------------------


def initial(known: Vocabulary, rng: Any) -> Arrays:
    """The weights before training, all float32."""

    def normal(*shape: int, spread: float) -> Any:
        return (rng.standard_normal(shape) * spread).astype(np.float32)

    into = 3 * WIDTH + OF_PROFILE * len(TRAITS)
    first, second = HIDDEN
    made = {
        "page": normal(len(known.pages), WIDTH, spread=0.3),
        "dwell": normal(len(DWELLS) + 2, WIDTH, spread=0.1),
        "place": normal(LENGTH, WIDTH, spread=0.1),
        "a1": normal(4 * WIDTH, ATTENTION, spread=(1 / (4 * WIDTH)) ** 0.5),
        "a1b": np.zeros(ATTENTION, np.float32),
        "a2": normal(ATTENTION, 1, spread=(1 / ATTENTION) ** 0.5),
        "d1": normal(into, first, spread=(2 / into) ** 0.5),
        "d1b": np.zeros(first, np.float32),
        "d1s": np.full(first, 0.2, np.float32),
        "d2": normal(first, second, spread=(2 / first) ** 0.5),
        "d2b": np.zeros(second, np.float32),
        "d2s": np.full(second, 0.2, np.float32),
        "d3": normal(second, 1, spread=(1 / second) ** 0.5),
        "bias": np.zeros(len(known.pages), np.float32),
    }
    for name in TRAITS:
        made[name] = normal(len(known.traits[name]), OF_PROFILE, spread=0.3)
    return made


def forward(w: Arrays, x: Arrays, candidates: Any) -> Arrays:
    """Scores [batch, candidates] as `scores`, and what `backward` needs."""
    keys = w["page"][x["pages"]] + w["dwell"][x["dwells"]] + w["place"]  # [B, H, D]
    query = w["page"][candidates]  # [N, D]
    k, q = np.broadcast_arrays(keys[:, None], query[None, :, None])  # [B, N, H, D]
    pairs = np.concatenate([q, k, q - k, q * k], axis=-1)
    hidden = 1 / (1 + np.exp(-(pairs @ w["a1"] + w["a1b"])))
    logits = (hidden @ w["a2"])[..., 0]
    logits = np.where((x["pages"] > 0)[:, None], logits, np.float32(NEVER))
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)  # [B, N, H]
    interest = shares @ keys  # [B, N, D]
    profile = np.concatenate([w[n][x["traits"][:, i]] for i, n in enumerate(TRAITS)], axis=-1)
    batch, count = interest.shape[:2]
    query_too = np.broadcast_to(query, interest.shape)
    whole = (batch, count, profile.shape[-1])
    joined = np.concatenate(
        [interest, query_too, interest * query, np.broadcast_to(profile[:, None], whole)], axis=-1
    )
    z1 = joined @ w["d1"] + w["d1b"]
    y1 = np.where(z1 > 0, z1, z1 * w["d1s"])
    z2 = y1 @ w["d2"] + w["d2b"]
    y2 = np.where(z2 > 0, z2, z2 * w["d2s"])
    scores = (y2 @ w["d3"])[..., 0] + w["bias"][candidates]
    names = "keys query k q pairs hidden shares interest joined z1 y1 z2 y2 scores"
    found = locals()
    return {name: found[name] for name in names.split()}


def loss_of(scores: Any, wanted: Any) -> tuple[float, Any]:
    """Mean of -ln p of the wanted candidates, and its gradient by the scores."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances = powers / powers.sum(axis=1, keepdims=True)
    rows = np.arange(len(wanted))
    loss = float(-np.log(chances[rows, wanted] + 1e-12).mean())
    chances[rows, wanted] -= 1
    return loss, chances / np.float32(len(wanted))


def backward(w: Arrays, x: Arrays, candidates: Any, f: Arrays, slope: Any) -> Arrays:
    """The gradients of all weights, by those of the scores."""
    g = {name: np.zeros_like(value) for name, value in w.items()}

    def flat(value: Any) -> Any:
        return value.reshape(-1, value.shape[-1])

    np.add.at(g["bias"], candidates, slope.sum(axis=0))
    g["d3"] = flat(f["y2"]).T @ slope.reshape(-1, 1)
    y2 = slope[..., None] * w["d3"][:, 0]
    below = f["z2"] <= 0
    g["d2s"] = (y2 * f["z2"] * below).sum(axis=(0, 1))
    z2 = np.where(below, y2 * w["d2s"], y2)
    g["d2"], g["d2b"] = flat(f["y1"]).T @ flat(z2), z2.sum(axis=(0, 1))
    y1 = z2 @ w["d2"].T
    below = f["z1"] <= 0
    g["d1s"] = (y1 * f["z1"] * below).sum(axis=(0, 1))
    z1 = np.where(below, y1 * w["d1s"], y1)
    g["d1"], g["d1b"] = flat(f["joined"]).T @ flat(z1), z1.sum(axis=(0, 1))
    joined = z1 @ w["d1"].T
    of_interest, of_query, of_product, profile = np.split(
        joined, [WIDTH, 2 * WIDTH, 3 * WIDTH], axis=-1
    )
    of_profile = profile.sum(axis=1)
    for at, name in enumerate(TRAITS):
        part = of_profile[:, at * OF_PROFILE : (at + 1) * OF_PROFILE]
        np.add.at(g[name], x["traits"][:, at], part)
    interest = of_interest + of_product * f["query"]
    query = (of_query + of_product * f["interest"]).sum(axis=0)
    shares = interest @ f["keys"].transpose(0, 2, 1)
    keys = f["shares"].transpose(0, 2, 1) @ interest
    logits = f["shares"] * (shares - (shares * f["shares"]).sum(axis=-1, keepdims=True))
    g["a2"] = flat(f["hidden"]).T @ logits.reshape(-1, 1)
    hidden = logits[..., None] * w["a2"][:, 0] * f["hidden"] * (1 - f["hidden"])
    g["a1"], g["a1b"] = flat(f["pairs"]).T @ flat(hidden), hidden.sum(axis=(0, 1, 2))
    of_q, of_k, of_minus, of_times = np.split(hidden @ w["a1"].T, 4, axis=-1)
    query += (of_q + of_minus + of_times * f["k"]).sum(axis=(0, 2))
    keys += (of_k - of_minus + of_times * f["q"]).sum(axis=1)
    np.add.at(g["page"], candidates, query)
    np.add.at(g["page"], x["pages"], keys)
    np.add.at(g["dwell"], x["dwells"], keys)
    g["place"] = keys.sum(axis=0)
    return g


def train(data: Arrays, known: Vocabulary, epochs: int = EPOCHS) -> Arrays:
    """The trained weights."""
    rng = np.random.default_rng(SEED)
    w = initial(known, rng)
    candidates = np.arange(1, len(known.pages))
    first = {name: np.zeros_like(value) for name, value in w.items()}
    second = {name: np.zeros_like(value) for name, value in w.items()}
    step = 0
    for epoch in range(epochs):
        order = rng.permutation(len(data["next"]))
        losses = []
        for start in range(0, len(order), BATCH):
            x = {name: values[order[start : start + BATCH]] for name, values in data.items()}
            f = forward(w, x, candidates)
            loss, slope = loss_of(f["scores"], x["next"] - 1)
            losses.append(loss)
            step += 1
            rate = RATE * DECAY**epoch * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
            for name, gradient in backward(w, x, candidates, f, slope).items():
                first[name] += np.float32(0.1) * (gradient - first[name])
                second[name] += np.float32(0.001) * (gradient**2 - second[name])
                w[name] -= np.float32(rate) * first[name] / (np.sqrt(second[name]) + 1e-8)
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}")
    return w


def quality(scores: Any, wanted: Any) -> dict[str, float]:
    """How often the wanted page is first, or among the first three; the mean of -ln p."""
    better = (scores > scores[np.arange(len(wanted)), wanted][:, None]).sum(axis=1)
    return {
        "first": round(float((better == 0).mean()), 4),
        "top3": round(float((better < 3).mean()), 4),
        "log_loss": round(loss_of(scores, wanted)[0], 4),
    }


def by_last_page(train_data: Arrays, test_data: Arrays, count: int) -> Any:
    """What to be better than: log frequencies of the next page by the page before."""
    seen = np.ones((count, count - 1))
    np.add.at(seen, (train_data["pages"][:, -1], train_data["next"] - 1), 1)
    return np.log(seen / seen.sum(axis=1, keepdims=True))[test_data["pages"][:, -1]]


# -- the file -----------------------------------------------------------------------------------


def exported(w: Arrays, reached: dict[str, Any]) -> Any:
    """The network as an ONNX model; its metadata says how good it is."""
    nodes: list[Any] = []
    weights = [numpy_helper.from_array(value, name) for name, value in w.items()]

    def constant(name: str, value: Any) -> str:
        weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(op: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    last = constant("last", np.array([-1], np.int64))
    one = constant("one", np.array([1], np.int64))
    ends = constant("axes02", np.array([0, 2], np.int64))
    keys = add("Gather", "page", "pages")
    keys = add("Add", add("Add", keys, add("Gather", "dwell", "dwells")), "place")
    query = add("Gather", "page", "candidates")
    all_keys, all_queries = add("Unsqueeze", keys, one), add("Unsqueeze", query, ends)
    times = add("Mul", all_queries, all_keys)
    size = add("Shape", times)
    k, q = add("Expand", all_keys, size), add("Expand", all_queries, size)
    pairs = add("Concat", q, k, add("Sub", q, k), times, axis=-1)
    hidden = add("Sigmoid", add("Add", add("MatMul", pairs, "a1"), "a1b"))
    logits = add("Squeeze", add("MatMul", hidden, "a2"), last)
    there = add("Greater", add("Unsqueeze", "pages", one), constant("none", np.int64(0)))
    shares = add(
        "Softmax", add("Where", there, logits, constant("never", np.float32(NEVER))), axis=-1
    )
    interest = add("MatMul", shares, keys)
    parts = [
        add("Gather", name, add("Gather", "traits", constant(f"at_{name}", np.int64(at)), axis=1))
        for at, name in enumerate(TRAITS)
    ]
    profile = add("Unsqueeze", add("Concat", *parts, axis=-1), one)
    product = add("Mul", interest, query)
    rows = add("Concat", one, add("Shape", "candidates"), one, axis=0)
    joined = add(
        *("Concat", interest, add("Expand", query, add("Shape", interest)), product),
        add("Expand", profile, rows),
        axis=-1,
    )
    x = joined
    for layer in ("d1", "d2"):
        x = add("Add", add("MatMul", x, layer), f"{layer}b")
        x = add("PRelu", x, f"{layer}s")
    scores = add("Squeeze", add("MatMul", x, "d3"), constant("third", np.array([2], np.int64)))
    nodes.append(helper.make_node("Add", [scores, add("Gather", "bias", "candidates")], ["scores"]))
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, shape)
        for name, shape in (
            ("pages", ["batch", LENGTH]),
            ("dwells", ["batch", LENGTH]),
            ("traits", ["batch", len(TRAITS)]),
            ("candidates", ["candidates"]),
        )
    ]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", "candidates"])]
    graph = helper.make_graph(nodes, "page-ranking", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"reached": json.dumps(reached)})
    onnx.checker.check_model(model)
    return model


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Train the model of the task page-ranking.")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default {EPOCHS}")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder to write into")
    options = parser.parse_args()
    lines = sessions()
    known = vocabulary(lines)
    cut = len(lines) * 4 // 5
    train_data, test_data = examples(lines[:cut], known), examples(lines[cut:], known)
    w = train(train_data, known, options.epochs)
    candidates = np.arange(1, len(known.pages))
    wanted = test_data["next"] - 1
    plain = by_last_page(train_data, test_data, len(known.pages))
    reached = {
        "examples": len(train_data["next"]),
        "tested": len(wanted),
        "network": quality(forward(w, test_data, candidates)["scores"], wanted),
        "by last page": quality(plain, wanted),
    }
    print(json.dumps(reached, indent=1))
    model = exported(w, reached)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "model.onnx").write_bytes(model.SerializeToString())
    (options.output / "vocabulary.json").write_text(
        json.dumps(dataclasses.asdict(known), indent=1) + "\n",
        encoding="utf-8",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
