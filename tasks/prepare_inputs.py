"""Make the lines that the demo's models get: files, sound and sentences, as JSON lines.

    python tasks/prepare_inputs.py build/demo/inputs.jsonl

Files are those of this repository. The sound is a recording of read speech, data/arctic_a0009.wav
(see data/README.md), in noise that is made here by a seeded generator; one line is noise alone. The
sentences are written here.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import sys
import wave
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
SPEECH = Path(__file__).parent / "data" / "arctic_a0009.wav"
FILES = (
    *("README.md", "Makefile", "LICENSE", "pyproject.toml", "docs/*.md", "docs/*.png"),
    *("host/[a-d]*.py", "vm/src/[a-d]*.c", "vm/include/*.h", "tasks/*.py", "tasks/*/*.toml"),
    *("tasks/*/*.json", "tasks/data/*", ".ci/run"),
)
LARGEST = 200_000  # bytes of a file
RATE = 16_000
MARGIN = RATE // 2  # samples of noise before and after the speech
SEED = 9
SENTENCES = (
    (
        "Where is my parcel?",
        "I was charged twice for the same order.",
        "My order has not arrived yet.",
        "The payment was taken two times.",
        "How do I change my password?",
        "I forgot my login details.",
    ),
    (
        "These headphones sound wonderful.",
        "The screen broke after a week.",
        "Great audio quality for the price.",
        "The display cracked within days.",
        "Delivery was quick and the box was intact.",
        "It arrived fast and well packed.",
    ),
    (
        "a laptop with a long battery life",
        "cheap noise-cancelling headphones",
        "notebook that lasts all day without charging",
        "wireless earbuds that block out the train",
        "a gift for somebody who likes to cook",
        "kitchen gadgets for a birthday",
    ),
)


def file_lines() -> Iterator[dict[str, Any]]:
    """One line for each file that is small enough."""
    for pattern in FILES:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and path.stat().st_size <= LARGEST:
                content = base64.b64encode(path.read_bytes()).decode()
                yield {"event": "file", "name": str(path.relative_to(ROOT)), "content": content}


def samples() -> array[int]:
    """The recording, 16 bits a sample."""
    with wave.open(str(SPEECH)) as file:
        if (file.getframerate(), file.getsampwidth(), file.getnchannels()) != (RATE, 2, 1):
            raise ValueError(f"{SPEECH}: not one channel of {RATE} samples of 16 bits a second")
        content = array("h", file.readframes(file.getnframes()))
    if sys.byteorder == "big":
        content.byteswap()
    return content


def in_noise(speech: array[int], loudness: float, seed: int) -> bytes:
    """The speech with a margin, in noise of this standard deviation."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    mixed = array("h", bytes(2 * MARGIN)) + speech + array("h", bytes(2 * MARGIN))
    for at, value in enumerate(mixed):
        mixed[at] = max(-32_768, min(32_767, value + round(chance.gauss(0, loudness))))
    if sys.byteorder == "big":
        mixed.byteswap()
    return mixed.tobytes()


def sound_lines() -> Iterator[dict[str, Any]]:
    """The recording in more and more noise, twice in a row, and noise alone."""
    speech = samples()
    scenes = {
        "a quiet room": (speech, 10),
        "a street": (speech, 300),
        "a workshop": (speech, 1000),
        "said twice": (speech + array("h", bytes(2 * RATE)) + speech, 30),
        "noise alone": (array("h", bytes(2 * len(speech))), 300),
    }
    for seed, (name, (sound, loudness)) in enumerate(scenes.items(), SEED):
        content = base64.b64encode(in_noise(sound, loudness, seed)).decode()
        yield {"event": "sound", "name": name, "sound": content}


def lines() -> Iterator[dict[str, Any]]:
    """All lines, the same every time as long as the repository's files are."""
    yield from file_lines()
    yield from sound_lines()
    for sentences in SENTENCES:
        yield {"event": "sentences", "sentences": sentences}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make the input of the demo's models.")
    parser.add_argument("output", type=Path, help="JSON-lines file to write")
    options = parser.parse_args()
    text = [json.dumps(line, separators=(",", ":")) + "\n" for line in lines()]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("".join(text), encoding="utf-8")
    print(f"{options.output}: {len(text):,} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
