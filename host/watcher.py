"""The tasks folder, watched: what appeared, what was replaced, what is gone.

The watcher polls (any file system can be polled) and compares modification times, sizes and
inode numbers. A file that changes is read once it has stopped changing; one that cannot be
read is tried again before it is reported, so that a copy under way is no error. While a
replacement is faulty, the version before it stays live.

Of several bundles with the same task name the highest version is live, so a new version may be
dropped beside the old one, and taking it out again is a roll-back. Of equal versions the one
changed last is live.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyvm.host import manifest
from polyvm.host.bundle import folder_paths
from polyvm.host.errors import BundleError, MissingError, PolyvmError
from polyvm.host.finder import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from polyvm.host.bundle import Bundle

PATIENCE = 3  # how often a faulty file is tried, without a change of it, before it is reported

Signature = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Deploy:
    """This bundle is to be its task's live version."""

    bundle: Bundle


@dataclass(frozen=True, slots=True)
class Withdraw:
    """No file holds this task any more."""

    name: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A file or folder that cannot be taken, and why. Reported once for each content."""

    path: Path
    error: PolyvmError


Change = Deploy | Withdraw | Refused


@dataclass(slots=True)
class _Known:
    signature: Signature
    steady: bool  # the signature was the same in two polls, or it was there from the start
    failures: int = 0
    loaded: Signature | None = None
    bundle: Bundle | None = None


class Watcher:
    """Polls ``root``: a folder of tasks, or one task. Not locked: poll from one thread."""

    def __init__(self, root: Path, load: Callable[[Path], Bundle]) -> None:
        if not root.exists():
            raise MissingError(f"{root}: no such file or folder; name a folder of tasks")
        if root.is_file() and root.suffix != SUFFIX:
            raise MissingError(f"{root}: neither a folder nor a {SUFFIX} file")
        self._root = root
        self._load = load
        self._known: dict[Path, _Known] = {}
        self._live: dict[str, Bundle] = {}
        self._started = False
        self._root_lost = False

    @property
    def unsettled(self) -> bool:
        """Whether some file is still changing or will be tried again."""
        return any(
            not known.steady or (known.loaded != known.signature and known.failures < PATIENCE)
            for known in self._known.values()
        )

    def poll(self) -> list[Change]:
        """Look once; return what changed since the last look, withdrawals last."""
        changes: list[Change] = []
        try:
            found = dict(self._candidates())
        except OSError as error:
            # A folder that cannot be listed says nothing of its tasks: all stay as they are.
            if not self._root_lost:
                reason = error.strerror or str(error)
                changes.append(Refused(self._root, MissingError(f"{self._root}: {reason}")))
            self._root_lost = True
            return changes
        self._root_lost = False
        self._known = {path: known for path, known in self._known.items() if path in found}
        for path, signature in found.items():
            changes += self._look(path, signature)
        self._started = True
        changes += self._elect()
        return changes

    def _look(self, path: Path, signature: Signature) -> Iterator[Change]:
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = _Known(signature, steady=not self._started)
        elif known.signature != signature:
            known.signature, known.steady, known.failures = signature, False, 0
        else:
            known.steady = True
        if not known.steady or known.loaded == signature or known.failures >= PATIENCE:
            return
        try:
            known.bundle = self._load(path)
            known.loaded = signature
        except PolyvmError as error:
            known.failures += 1
            if known.failures == PATIENCE:
                yield Refused(path, error)

    def _elect(self) -> Iterator[Change]:
        best: dict[str, tuple[object, Bundle]] = {}
        for path, known in self._known.items():
            if known.bundle is None:
                continue
            newest = max((mtime for _, mtime, _, _ in known.signature), default=0)
            rank = (known.bundle.manifest.order, newest, str(path))
            name = known.bundle.manifest.name
            if name not in best or rank > best[name][0]:  # type: ignore[operator]
                best[name] = rank, known.bundle
        for name, (_, bundle) in best.items():
            if self._live.get(name) is not bundle:
                yield Deploy(bundle)
        for name in self._live.keys() - best.keys():
            yield Withdraw(name)
        self._live = {name: bundle for name, (_, bundle) in best.items()}

    def _candidates(self) -> Iterator[tuple[Path, Signature]]:
        if self._root.is_file() or (self._root / manifest.FILE_NAME).is_file():
            paths = [self._root]
        else:
            paths = sorted(self._root.iterdir())
        for path in paths:
            if path.name.startswith((".", "__pycache__")) and path != self._root:
                continue
            try:
                if path.is_dir() and _looks_like_task(path):
                    yield path, _signature(path)
                elif path.suffix == SUFFIX and path.is_file():
                    yield path, (_stamp(path, path.name),)
            except (FileNotFoundError, NotADirectoryError):
                continue  # it went while we looked: gone, as the next poll will see
            except BundleError:
                yield path, ()  # loading it will say the same, to the user


def _looks_like_task(folder: Path) -> bool:
    # Code without a manifest is most likely a task whose manifest was forgotten: worth an error.
    return (folder / manifest.FILE_NAME).is_file() or any(
        path.suffix in {".py", ".pyc"} for path in folder.iterdir()
    )


def _signature(folder: Path) -> Signature:
    return tuple(_stamp(path, path.relative_to(folder).as_posix()) for path in folder_paths(folder))


def _stamp(path: Path, name: str) -> tuple[str, int, int, int]:
    status = path.stat()
    return name, status.st_mtime_ns, status.st_size, status.st_ino
