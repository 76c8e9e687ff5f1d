"""The release tarball inside a Debian source package.

Everything apt reads and writes here is private: mirrors are those of the machine, but the
suite is another, the lists and the cache lie in a folder of ours, and no hook of the
system's configuration runs. Its proxies and credentials stay in force. The tarball's hash
is pinned, so that nothing rests on the mirror's honesty.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdk.errors import SdkError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdk.progress import Progress
    from sdk.releases import Release

SYSTEM_APT = Path("/etc/apt")


@dataclass(frozen=True)
class Mirror:
    """Where packages are found, and what deb822 options say how they are trusted."""

    uri: str
    signed_by: str = ""  # as in Signed-By, which may be a key block of several lines
    trusted: bool = False

    def stanza(self, suite: str) -> str:
        """Return the deb822 stanza for the sources of `suite` on this mirror."""
        lines = ["Types: deb-src", f"URIs: {self.uri}", f"Suites: {suite}", "Components: main"]
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        if self.trusted:
            lines.append("Trusted: yes")
        return "\n".join(lines) + "\n"


def system_mirrors(etc_apt: Path = SYSTEM_APT) -> tuple[Mirror, ...]:
    """Mirrors named in the machine's sources, each once, in the order apt reads them.

    Left out: discs, disabled entries, entries without `main`, and those that carry
    security updates only.
    """
    parts = etc_apt / "sources.list.d"
    files = [
        etc_apt / "sources.list",
        *sorted(parts.glob("*.list")),
        *sorted(parts.glob("*.sources")),
    ]
    mirrors: dict[str, Mirror] = {}
    for path in files:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # absent, or readable to root only
        parse = parse_deb822 if path.suffix == ".sources" else parse_one_line
        for mirror in parse(text):
            mirrors.setdefault(mirror.uri.rstrip("/"), mirror)
    return tuple(mirrors.values())


def parse_one_line(text: str) -> Iterator[Mirror]:
    """Mirrors of a sources.list: `deb [option=value ...] URI SUITE COMPONENT...`."""
    form = re.compile(
        r"(?:deb|deb-src)\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<rest>.*)"
    )
    for raw in text.splitlines():
        line = raw.split("#", 1)[0].strip()
        # A disc's name is in brackets after its scheme and may hold spaces.
        found = form.fullmatch(line)
        if found is None or not _usable(found["uri"], [found["suite"]], found["rest"].split()):
            continue
        options = {
            name.lower(): value
            for name, _, value in (word.partition("=") for word in (found["options"] or "").split())
        }
        yield Mirror(found["uri"], options.get("signed-by", ""), options.get("trusted") == "yes")


def parse_deb822(text: str) -> Iterator[Mirror]:
    """Mirrors of a .sources file: stanzas of `Field: value`, continued on indented lines."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace() and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in (
            "no",
            "false",
            "0",
            "off",
            "without",
            "disable",
        ):
            continue
        for uri in fields.get("uris", "").split():
            if _usable(uri, fields.get("suites", "").split(), fields.get("components", "").split()):
                yield Mirror(uri, fields.get("signed-by", ""), fields.get("trusted", "") == "yes")


def _usable(uri: str, suites: list[str], components: list[str]) -> bool:
    return (
        ":" in uri
        and not uri.startswith("cdrom:")
        and "main" in components
        and any(not suite.endswith("-security") and "/" not in suite for suite in suites)
    )


def download_orig(release: Release, mirror: Mirror, folder: Path, progress: Progress) -> Path:
    """Fetch the upstream tarball of a source package through a private apt.

    folder is ours alone and is emptied. SdkError tells what that mirror lacks.
    """
    if shutil.which("apt-get") is None or shutil.which("apt-cache") is None:
        raise SdkError("this machine has no apt")
    if folder.exists():
        shutil.rmtree(folder)
    for name in ("sources", "lists/partial", "cache/archives/partial", "files"):
        (folder / name).mkdir(parents=True)
    (folder / "sources/private.sources").write_text(mirror.stanza(release.suite))
    config = folder / "apt.conf"
    config.write_text(_configuration(folder))
    apt = ("apt-get", "-c", str(config))
    progress.run([*apt, "update"], cwd=folder)
    version = _package_version(release, config, folder)
    progress.run(
        [*apt, "source", "--download-only", "--tar-only", f"{release.package}={version}"],
        cwd=folder / "files",
    )
    found = sorted((folder / "files").glob("*.orig.tar.xz"))
    if not found:
        raise SdkError(f"{release.package} {version} holds no .orig.tar.xz")
    return found[0]


def _configuration(folder: Path) -> str:
    lines = [
        'Dir::Etc::SourceList "/dev/null";',
        f'Dir::Etc::SourceParts "{folder}/sources/";',
        'Dir::Etc::Preferences "/dev/null";',
        'Dir::Etc::PreferencesParts "/dev/null";',
        f'Dir::State::Lists "{folder}/lists/";',
        f'Dir::Cache "{folder}/cache/";',
        # Hooks of the system's own configuration would work on the system's own cache.
        "#clear APT::Update::Pre-Invoke;",
        "#clear APT::Update::Post-Invoke;",
        "#clear APT::Update::Post-Invoke-Success;",
        'Acquire::Languages "none";',
        'Acquire::Retries "1";',
        'Acquire::http::Timeout "20";',
        'Acquire::https::Timeout "20";',
    ]
    if os.geteuid() == 0:  # apt's own user may not enter root's cache folder
        lines.append('APT::Sandbox::User "root";')
    return "\n".join(lines) + "\n"


def _package_version(release: Release, config: Path, folder: Path) -> str:
    listing = subprocess.run(
        ["apt-cache", "-c", str(config), "showsrc", release.package],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    versions = re.findall(r"^Version: (\S+)$", listing, re.MULTILINE)
    for version in versions:
        upstream = version.split(":", 1)[-1].rpartition("-")[0]
        if upstream == release.version:
            return str(version)
    carried = ", ".join(versions) or "no version at all"
    raise SdkError(f"suite {release.suite} carries {carried} of {release.package}")
