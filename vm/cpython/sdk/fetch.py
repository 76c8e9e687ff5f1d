"""The release tarball: from the user, the cache, upstream, or a source package."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdk import apt
from sdk.errors import SdkError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sdk.progress import Progress
    from sdk.releases import Release

UPSTREAM_TIMEOUT_S = 10.0
CHUNK = 1 << 18


@dataclass(frozen=True)
class Tarball:
    """A verified source archive."""

    path: Path
    sha256: str
    origin: str  # for sdk.json: where it came from


def sha256_of(path: Path) -> str:
    """Hash of a file; SdkError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SdkError(f"cannot read the tarball {path}: {error.strerror}") from error


def local_tarball(path: Path, releases: Sequence[Release], *, allow_unpinned: bool) -> Tarball:
    """Accept a tarball the user names, if its hash is pinned or need not be."""
    digest = sha256_of(path)
    if digest not in {release.sha256 for release in releases} and not allow_unpinned:
        versions = ", ".join(release.version for release in releases)
        raise SdkError(
            f"{path} has SHA-256 {digest}, which is not that of a pinned release ({versions}); "
            "take another file, or pass --allow-unpinned if you trust this one"
        )
    return Tarball(path, digest, "local file")


def cached_tarball(release: Release, downloads: Path) -> Tarball | None:
    """Return the tarball that an earlier run has downloaded; a damaged one is removed."""
    path = downloads / release.file_name
    if not path.is_file():
        return None
    if sha256_of(path) != release.sha256:
        path.unlink()
        return None
    return Tarball(path, release.sha256, "earlier download")


def obtain(releases: Sequence[Release], downloads: Path, progress: Progress) -> Tarball:
    """Get the best release that can be had; SdkError lists all that was tried."""
    for release in releases:
        if (found := cached_tarball(release, downloads)) is not None:
            return found
    downloads.mkdir(parents=True, exist_ok=True)
    tried: list[str] = []
    for release in releases:
        for attempt in (_from_upstream, _from_source_package):
            tarball = attempt(release, downloads, progress, tried)
            if tarball is not None:
                return tarball
    attempts = "\n".join(f"  - {line}" for line in tried)
    raise SdkError(
        "no CPython source could be had; download one of the releases pinned in releases.toml "
        f"yourself and name it with --tarball PATH. Tried:\n{attempts}"
    )


def _from_upstream(
    release: Release, downloads: Path, progress: Progress, tried: list[str]
) -> Tarball | None:
    part = downloads / f"{release.file_name}.part"
    progress.update(f"{release.version} from upstream")
    try:
        request = urllib.request.Request(release.url)  # noqa: S310 - https, see releases.py
        with (
            urllib.request.urlopen(request, timeout=UPSTREAM_TIMEOUT_S) as reply,  # noqa: S310
            part.open("wb") as file,
        ):
            size = int(reply.headers.get("Content-Length") or 0)
            while chunk := reply.read(CHUNK):
                file.write(chunk)
                done, total = file.tell() / 1e6, f"/{size / 1e6:.0f}" if size else ""
                progress.update(f"{release.version} from upstream: {done:.0f}{total} MB")
        return _accept(part, release, downloads, release.url)
    except (urllib.error.URLError, OSError, http.client.HTTPException, SdkError) as error:
        reason = getattr(error, "reason", None) or error
        tried.append(f"{release.url}: {reason}")
        progress.note(tried[-1])
        part.unlink(missing_ok=True)
        return None


def _from_source_package(
    release: Release, downloads: Path, progress: Progress, tried: list[str]
) -> Tarball | None:
    mirrors = apt.system_mirrors()
    if not mirrors:
        tried.append(f"source package {release.package}: no mirror in {apt.SYSTEM_APT}")
    folder = downloads / "apt"
    for mirror in mirrors:
        progress.update(f"{release.version} from the source package in {release.suite}")
        origin = f"source package {release.package} of {mirror.uri} {release.suite}"
        try:
            orig = apt.download_orig(release, mirror, folder, progress)
            return _accept(orig, release, downloads, origin)
        except SdkError as error:
            tried.append(f"{origin}: {_last_error(error)}")
            progress.note(tried[-1])
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return None


def _last_error(error: SdkError) -> str:
    said = [line for line in error.log_tail.splitlines() if line.startswith("E:")]
    return said[-1] if said else str(error)


def _accept(path: Path, release: Release, downloads: Path, origin: str) -> Tarball:
    digest = sha256_of(path)
    if digest != release.sha256:
        raise SdkError(f"has SHA-256 {digest}, but {release.sha256} is pinned; refused")
    final = downloads / release.file_name
    path.replace(final)
    return Tarball(final, digest, origin)
