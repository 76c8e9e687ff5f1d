"""A Python environment of a peer's own, in the user's cache.

Packages come from wherever pip is told to look, for the Python that runs the benchmark.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from bench.peers.debian import cache_folder
from bench.peers.python import PeerError, clean_environment

ENOUGH_SECONDS = 900


def obtain(name: str, requirements: list[str]) -> Path:
    """The Python of an environment that has the packages; made on first use.

    PeerError, which says what `name` lacks, if it cannot be made.
    """
    folder = cache_folder() / f"{name.lower()}-{sys.implementation.cache_tag}"
    wanted = "\n".join(requirements)
    complete = folder / "complete"
    # pip writes the interpreter's path into scripts, so the folder cannot be moved afterwards:
    # a mark in it says that all is there, and what was wanted (older marks are empty).
    if not complete.exists() or complete.read_text(encoding="utf-8") not in {"", wanted}:
        _install(name, folder, requirements)
        complete.write_text(wanted, encoding="utf-8")
    return folder / "bin" / "python"


def ask(name: str, command: list[str], cwd: str | None = None) -> str:
    """What the command prints. PeerError that names the peer if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=ENOUGH_SECONDS,
            check=False,
            env=clean_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        last = said or done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise PeerError(f"{name} cannot be had: {last[-1]}")
    return done.stdout


def _install(name: str, folder: Path, requirements: list[str]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        venv.create(folder, clear=True, with_pip=False, symlinks=True)
    except OSError as error:
        raise PeerError(f"no environment for {name} in {folder}: {error}") from error
    with tempfile.TemporaryDirectory() as place:
        ask(
            name,
            [
                *(sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")),
                *("install", "--quiet", "--disable-pip-version-check", "--no-input"),
                *("--only-binary", ":all:", *requirements),
            ],
            cwd=place,
        )
