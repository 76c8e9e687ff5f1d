"""A distribution's own optimised CPython, unpacked into the user's cache.

The packages come through a private apt configuration: its own lists, archives and an empty
package status, so that apt resolves the whole closure down to the C library and never
touches the system's state. The mirrors are those that the machine already uses for its own
distribution; only the suite differs. The result starts through the loader and the C library
that were unpacked with it, whatever the machine's own are.
"""

import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.peers.python import PeerError, Python, probe

SUITES = ("testing", "unstable", "stable")
"""Suites asked in turn for the release wanted."""

ETC_APT = Path("/etc/apt")

LAUNCHER = """\
#!/bin/sh
# Start the interpreter beside this file with the C library it was built for.
here=$(dirname "$(readlink -f "$0")")
root=$here/../..
exec "$root/{loader}" --inhibit-cache --library-path "{libraries}" \\
  --argv0 "$here/python" "$here/{binary}" "$@"
"""


@dataclass(frozen=True)
class Mirror:
    """One archive that the machine's own apt sources name."""

    uri: str
    keyring: str
    """Path of its keyring, or empty for apt's default trust."""


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "polyvm" / "peers"


def obtain(series: str, release: str | None = None) -> Python:
    """CPython of `series` ("3.13"), of that very `release` when one is given.

    Unpacked once, then found in the cache. PeerError when this machine's distribution
    or network cannot give it.
    """
    folder = cache_folder()
    wanted = f"{release}-" if release else f"{series}."
    for known in sorted(folder.glob(f"{wanted}*/usr/bin/python"), reverse=True):
        try:
            return probe(known, f"distribution package {known.parents[2].name}")
        except PeerError:
            shutil.rmtree(known.parents[2], ignore_errors=True)
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise PeerError(f"no {tool} here: stock packages come through apt only")
    mirrors = distribution_mirrors()
    if not mirrors:
        raise PeerError("the machine's apt sources name no Debian mirror with `main`")
    folder.mkdir(parents=True, exist_ok=True)
    seen: list[str] = []
    for suite in SUITES:
        apt = PrivateApt(folder / "apt" / suite, suite, mirrors)
        try:
            version = apt.version(f"python{series}-minimal")
        except PeerError as error:
            seen.append(f"{suite}: {error}")
            continue
        if version is None or (release and not version.startswith(wanted)):
            seen.append(f"{suite}: {version or 'none'}")
            continue
        return unpack(apt, series, version, folder)
    what = release or series
    raise PeerError(f"no suite carries python {what} ({'; '.join(seen)})")


# -- the machine's own sources ------------------------------------------------------------


def distribution_mirrors(etc: Path = ETC_APT) -> list[Mirror]:
    """Mirrors of the distribution itself: sources with `main`, security archives left out."""
    found: dict[str, Mirror] = {}
    for uri, suites, components, keyring in _sources(etc):
        if "main" not in components or not _is_debian(keyring, uri):
            continue
        if all("security" in suite for suite in suites):
            continue
        found.setdefault(uri.rstrip("/"), Mirror(uri.rstrip("/"), keyring))
    return list(found.values())


def _is_debian(keyring: str, uri: str) -> bool:
    return "debian" in keyring.lower() or (not keyring and uri.rstrip("/").endswith("/debian"))


def _sources(etc: Path) -> Iterator[tuple[str, list[str], list[str], str]]:
    """(URI, suites, components, keyring) of every binary source, in either of apt's formats."""
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    for path in files:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if path.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text):
                fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
                fields = {name.lower(): value.strip() for name, value in fields.items()}
                if "deb" not in fields.get("types", "").split():
                    continue
                for uri in fields.get("uris", "").split():
                    yield (
                        uri,
                        fields.get("suites", "").split(),
                        fields.get("components", "").split(),
                        fields.get("signed-by", ""),
                    )
        elif path.suffix == ".list":
            for line in text.splitlines():
                match = re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*)$", line.strip())
                if match:
                    options = dict(
                        option.split("=", 1) for option in (match[1] or "").split() if "=" in option
                    )
                    yield match[2], [match[3]], match[4].split(), options.get("signed-by", "")


# -- a private apt --------------------------------------------------------------------------


class PrivateApt:
    """apt with its own state in `folder`, for one suite of the given mirrors."""

    def __init__(self, folder: Path, suite: str, mirrors: list[Mirror]) -> None:
        self.folder = folder
        self.suite = suite
        for part in ("lists/partial", "cache/archives/partial", "parts"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        lines = []
        for mirror in mirrors:
            signed = f"[signed-by={mirror.keyring}] " if mirror.keyring else ""
            lines.append(f"deb {signed}{mirror.uri} {suite} main\n")
        (folder / "sources.list").write_text("".join(lines), encoding="utf-8")
        (folder / "apt.conf").write_text(
            f'Dir::Etc::sourcelist "{folder}/sources.list";\n'
            f'Dir::Etc::sourceparts "{folder}/parts";\n'
            f'Dir::Etc::preferences "{folder}/preferences";\n'
            f'Dir::Etc::preferencesparts "{folder}/parts";\n'
            f'Dir::State::lists "{folder}/lists";\n'
            f'Dir::State::status "{folder}/status";\n'
            f'Dir::Cache "{folder}/cache";\n'
            'APT::Install-Recommends "false";\n'
            'APT::Sandbox::User "";\n'
            'Acquire::Languages "none";\n'
            'Acquire::http::Timeout "30";\n'
            'Acquire::Retries "2";\n',
            encoding="utf-8",
        )

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=os.environ | {"APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            reason = said[0][2:].strip() if said else f"exit status {done.returncode}"
            raise PeerError(f"{command[0]} {command[1]} failed: {reason}")
        return done.stdout

    def version(self, package: str) -> str | None:
        """The version that the suite carries now, or None."""
        self._run("apt-get", "update", "-qq")
        shown = self._run("apt-cache", "policy", package)
        match = re.search(r"Candidate: (\S+)", shown)
        return match[1] if match and match[1] != "(none)" else None

    def download(self, *packages: str) -> list[Path]:
        """The archives of the packages and of all that they depend on."""
        archives = self.folder / "cache" / "archives"
        for old in archives.glob("*.deb"):
            old.unlink()
        self._run("apt-get", "install", "-qq", "-y", "--download-only", *packages)
        return sorted(archives.glob("*.deb"))


# -- unpacking --------------------------------------------------------------------------------


def unpack(apt: PrivateApt, series: str, version: str, folder: Path) -> Python:
    """Download `version` and lay it into `folder`/`version`, all or nothing."""
    place = folder / version.replace(":", "_")
    archives = apt.download(
        f"python{series}-minimal={version}",
        f"libpython{series}-stdlib={version}",
    )
    with tempfile.TemporaryDirectory(dir=folder, prefix="unpacking-") as made:
        root = Path(made) / "root"
        root.mkdir()
        for archive in archives:
            subprocess.run(["dpkg-deb", "-x", archive, root], check=True, capture_output=True)
            archive.unlink()
        write_launcher(root, f"python{series}")
        origin = f"distribution package {version}"
        probe(root / "usr" / "bin" / "python", origin)
        shutil.rmtree(place, ignore_errors=True)
        root.rename(place)
    return probe(place / "usr" / "bin" / "python", origin)


def write_launcher(root: Path, binary: str) -> None:
    """`root`/usr/bin/python: a command that starts `binary` with the loader under `root`.

    It names itself as argv[0], so that sys.executable starts again what it started: process
    pools with any start method work.
    """
    loaders = [
        path
        for pattern in ("lib64/ld-*.so.*", "lib/ld-*.so.*", "usr/lib64/ld-*.so.*")
        for path in sorted(root.glob(pattern))
    ] or sorted(root.glob("usr/lib/*/ld-*.so.*"))
    real = next((loader for loader in loaders if loader.exists()), None)
    if real is None:
        raise PeerError("the unpacked C library has no loader")
    libraries = [
        f"$root/{path.relative_to(root)}"
        for pattern in ("lib/*-linux-*", "usr/lib/*-linux-*", "lib64", "usr/lib64")
        for path in sorted(root.glob(pattern))
        if path.is_dir()
    ]
    launcher = root / "usr" / "bin" / "python"
    launcher.unlink(missing_ok=True)
    launcher.write_text(
        LAUNCHER.format(
            loader=real.relative_to(root), libraries=":".join(libraries), binary=binary
        ),
        encoding="utf-8",
    )
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
