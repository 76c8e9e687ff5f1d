"""Find where somebody speaks in a stream of sound that comes in parts."""

from __future__ import annotations

from typing import Any

from stream import RATE, WINDOW, Stream, bytes_of

import polyvm

MOST = 32  # windows at a time; fewer in powers of two: a plan is made for each number of windows

model = polyvm.model("model.onnx", precision="exact")


def probabilities(stream: Stream, windows: Any) -> list[float]:
    """Of each window, that somebody speaks; the stream remembers what the network does."""
    found: list[float] = []
    at, size = 0, MOST
    while at < len(windows):
        while size > len(windows) - at:
            size //= 2
        told = model(input=windows[at : at + size], h=stream.hidden, c=stream.cell)
        stream.hidden, stream.cell = told["hn"], told["cn"]
        found += told["speech_probs"].tolist()
        at += size
    return found


def seconds(windows: int) -> float:
    """How long so many windows are."""
    return round(windows * WINDOW / RATE, 3)


def run(event: dict[str, Any]) -> dict[str, Any]:
    """Return the speech in one part of a stream: `sound`, 16-bit samples as bytes or in base64.

    A stream in several parts: give ``more`` with all but the last, and with each the ``state`` that
    came of the one before. Times are seconds from the stream's beginning. Speech is told when it
    has ended.
    """
    stream = Stream.restored(event.get("state"))
    more = event.get("more", False)
    windows = stream.windows(bytes_of(event["sound"]), last=not more)
    found: list[tuple[int, int]] = []
    highest = 0.0
    if windows is not None:
        told = probabilities(stream, windows)
        highest = max(told)
        found = stream.speech.follow(told)
    if not more:
        found += stream.speech.end()
    result = {
        "name": event.get("name"),
        "seconds": seconds(stream.speech.at),
        "speech": [[seconds(first), seconds(after)] for first, after in found],
        "highest": round(highest, 4),
    }
    return result | ({"state": stream.kept()} if more else {})
