"""Bytewax and Pathway, which windows are measured against, together in one environment."""

import json
from pathlib import Path

from bench.peers import environment
from bench.peers.python import Python, probe

REQUIREMENTS = ["bytewax>=0.21,<1", "pathway>=0.20,<1", "msgspec>=0.19,<1"]
ASK = """
import json
from importlib.metadata import version
print(json.dumps({n: version(n) for n in ("bytewax", "pathway")}))
"""


def obtain() -> Python:
    """The Python that has both; made on first use. PeerError if it cannot be."""
    return named(environment.obtain("streams", REQUIREMENTS))


def named(executable: Path) -> Python:
    """A Python that has them already; its origin says which versions. PeerError if it has not."""
    said = environment.ask("the peers of flows", [str(executable), "-c", ASK])
    versions = json.loads(said.strip().splitlines()[-1])
    return probe(executable, ", ".join(f"{n.title()} {v}" for n, v in versions.items()))
