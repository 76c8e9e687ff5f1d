"""Ray, in an environment of its own in the user's cache."""

from pathlib import Path

from bench.peers import environment
from bench.peers.python import Python, probe

REQUIREMENT = "ray>=2.9,<3"


def obtain() -> Python:
    """The Python of an environment that has Ray; made on first use. PeerError if it cannot be."""
    return named(environment.obtain("Ray", [REQUIREMENT]))


def named(executable: Path) -> Python:
    """A Python that has Ray already; its origin says which. PeerError if it has not."""
    said = environment.ask("Ray", [str(executable), "-c", "import ray; print(ray.__version__)"])
    return probe(executable, f"Ray {said.strip().splitlines()[-1]}")
