"""A Python interpreter that contenders can run on."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROBE = """
import json, platform, sys, sysconfig
print(json.dumps({
    "release": platform.python_version(),
    "compiler": platform.python_compiler(),
    "configured": sysconfig.get_config_var("CONFIG_ARGS") or "",
}))
"""


class PeerError(Exception):
    """A peer cannot be had here; the text says why, in one sentence."""


@dataclass(frozen=True)
class Python:
    """One interpreter: how to start it, and what it says of itself."""

    executable: Path
    release: str
    compiler: str
    configured: str
    origin: str
    """Where it came from, for the report: a package version, or a path's kind."""

    @property
    def optimised(self) -> str:
        """Which of profile guidance and link-time optimisation its configure line names."""
        parts = []
        if "--enable-optimizations" in self.configured or "profile" in self.configured:
            parts.append("PGO")
        if "--with-lto" in self.configured:
            parts.append("LTO")
        return "+".join(parts) or "plain"


def probe(executable: Path, origin: str) -> Python:
    """Start `executable` once and ask it. PeerError when it does not start."""
    try:
        asked = subprocess.run(
            [str(executable), "-I", "-S", "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=clean_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(f"{executable} does not start: {error}") from error
    if asked.returncode:
        reason = asked.stderr.strip().splitlines()[-1:] or [f"exit status {asked.returncode}"]
        raise PeerError(f"{executable} does not start: {reason[0]}")
    told = json.loads(asked.stdout)
    return Python(
        executable=executable,
        release=told["release"],
        compiler=told["compiler"],
        configured=told["configured"],
        origin=origin,
    )


def clean_environment(**more: str) -> dict[str, str]:
    """The environment of every contender: no PYTHON* of the caller, a fixed hash seed."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "LD_", "MALLOC_", "GLIBC_TUNABLES"))
    }
    kept["PYTHONHASHSEED"] = "0"
    kept["PYTHONNOUSERSITE"] = "1"
    return kept | more
