"""A stream of sound in windows, and all that must be remembered between two parts of it.

A host may run the parts in different VMs, or one of them twice: what is remembered is no state of
the task, but travels with the results and payloads.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from speech import Speech

from polyvm import np

if TYPE_CHECKING:
    from collections.abc import Mapping

RATE = 16_000  # samples a second, 16 bits each, lower byte first
WINDOW, BEFORE = 512, 64
"""Samples of a window, and of those before it that the network sees too."""
MEMORY = (1, 1, 128)  # shape of either array that the network remembers
LOUDEST = 32_768
SAMPLE = 2  # bytes


def bytes_of(value: bytes | str) -> bytes:
    """Bytes as they are, or out of base64, which is how they cross as JSON."""
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


@dataclass
class Stream:
    """before: the samples before the next window. rest: those that do not fill one yet."""

    before: bytes = bytes(BEFORE * SAMPLE)
    rest: bytes = b""
    hidden: Any = field(default_factory=lambda: np.zeros(MEMORY, dtype=np.float32))
    cell: Any = field(default_factory=lambda: np.zeros(MEMORY, dtype=np.float32))
    speech: Speech = field(default_factory=Speech)

    @classmethod
    def restored(cls, kept: Mapping[str, Any] | None) -> Stream:
        """The stream that `kept` describes; a new one without it."""
        if kept is None:
            return cls()
        arrays = (np.frombuffer(bytes_of(kept[n]), dtype=np.float32) for n in ("hidden", "cell"))
        hidden, cell = (np.reshape(array, MEMORY) for array in arrays)
        speech = Speech(kept["at"], kept["began"], kept["quiet"])
        return cls(bytes_of(kept["before"]), bytes_of(kept["rest"]), hidden, cell, speech)

    def kept(self) -> dict[str, Any]:
        """What `restored` needs to go on from here."""
        return {
            "before": self.before,
            "rest": self.rest,
            "hidden": np.asarray(self.hidden).tobytes(),
            "cell": np.asarray(self.cell).tobytes(),
            "at": self.speech.at,
            "began": self.speech.began,
            "quiet": self.speech.quiet,
        }

    def windows(self, sound: bytes, last: bool) -> Any:
        """The windows that `sound` completes, [count, BEFORE + WINDOW]; None if there is none.

        last: the stream ends here, so silence fills the last window. ValueError for half a sample.
        """
        if len(sound) % SAMPLE:
            raise ValueError(f"sound of {len(sound)} bytes ends in the middle of a sample")
        sound = self.rest + sound
        size = WINDOW * SAMPLE
        if last and len(sound) % size:
            sound += bytes(size - len(sound) % size)
        count = len(sound) // size
        self.rest = sound[count * size :]
        if count == 0:
            return None
        whole = self.before + sound[: count * size]
        self.before = whole[-BEFORE * SAMPLE :]
        samples = np.frombuffer(whole, dtype=np.int16).astype(np.float32) / LOUDEST
        places = np.arange(count)[:, None] * WINDOW + np.arange(BEFORE + WINDOW)
        return samples[places]
