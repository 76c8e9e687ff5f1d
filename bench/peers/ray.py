"""Ray, in an environment of its own in the user's cache.

The package comes from wherever pip is told to look, for the Python that runs the benchmark.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from bench.peers.debian import cache_folder
from bench.peers.python import PeerError, Python, clean_environment, probe

REQUIREMENT = "ray>=2.9,<3"
ENOUGH_SECONDS = 900


def obtain() -> Python:
    """The Python of an environment that has Ray; made on first use. PeerError if it cannot be."""
    folder = cache_folder() / f"ray-{sys.implementation.cache_tag}"
    if not (folder / "complete").exists():
        _install(folder)
    return named(folder / "bin" / "python")


def named(executable: Path) -> Python:
    """A Python that has Ray already; its origin says which. PeerError if it has not."""
    asked = _run([str(executable), "-c", "import ray; print(ray.__version__)"])
    return probe(executable, f"Ray {asked.strip().splitlines()[-1]}")


def _install(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # pip writes the interpreter's path into scripts, so the folder cannot be moved afterwards:
    # a mark in it says that all is there.
    try:
        venv.create(folder, clear=True, with_pip=False, symlinks=True)
    except OSError as error:
        raise PeerError(f"no environment for Ray in {folder}: {error}") from error
    with tempfile.TemporaryDirectory() as place:
        _run(
            [
                *(sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")),
                *("install", "--quiet", "--disable-pip-version-check", "--no-input"),
                *("--only-binary", ":all:", REQUIREMENT),
            ],
            cwd=place,
        )
    (folder / "complete").touch()


def _run(command: list[str], cwd: str | None = None) -> str:
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
        raise PeerError(f"Ray cannot be had: {last[-1]}")
    return done.stdout
