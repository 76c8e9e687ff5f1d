"""Say what type a file is, by its content alone."""

from __future__ import annotations

import base64
import json
from typing import Any

from features import Window
from labels import Labels

import polyvm
from polyvm import np

config = json.loads(polyvm.asset("config.json"))
window = Window.of(config)
labels = Labels.of(config, json.loads(polyvm.asset("content_types.json")))
model = polyvm.model("model.onnx", precision="exact")


def run(event: dict[str, Any]) -> dict[str, Any]:
    """Return the type of the file whose ``content`` the event holds, as bytes or in base64.

    ``guess`` is the network's own answer, None where the file is too short to ask it.
    """
    content = event["content"]
    if isinstance(content, str):
        content = base64.b64decode(content, validate=True)
    row = window.features(content)
    if row is None:
        guess, score, label = None, 1.0, labels.without_network(content[: window.block])
    else:
        scores = model(row)[0]
        place = int(np.argmax(scores))
        guess, score = labels.names[place], float(scores[place])
        label = labels.settle(place, score)
    about = labels.about[label]
    return {
        "name": event.get("name"),
        "type": label,
        "guess": guess,
        "score": round(score, 4),
        "mime": about["mime_type"],
        "group": about["group"],
        "description": about["description"],
    }
