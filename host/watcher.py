"""The tasks folder, watched: what appeared, what was replaced, what is gone.

The watcher polls (any file system can be polled) and compares modification times, sizes and
inode numbers. A file that changes is read once it has stopped changing; one that cannot be
read is tried again before it is reported, so that a copy under way is no error. While a
replacement is faulty, the version before it stays live.

Of several plain bundles with the same task name the highest version is live, so a new version may
be dropped beside the old one, and taking it out again is a roll-back. Of equal versions the one
changed last is live. A sealed bundle comes before plain ones, and of sealed ones that with the
highest sequence: one that lies beside a newer one is left alone, but once the newer one has been
live, taking that out withdraws the task, as the older one would be a roll-back.

Each poll also asks whether what was taken may still run. Where keys have changed, files that a
rule of trust refused are tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from polyvm.host import manifest
from polyvm.host.bundle import folder_paths
from polyvm.host.errors import BundleError, ExitCode, MissingError, PolyvmError, StateFileError
from polyvm.host.finder import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from polyvm.host.bundle import Bundle

    class Rules(Protocol):
        """The part of polyvm.host.admission.Admission that the watcher asks."""

        def refresh(self) -> bool:
            """Look at keys and clock anew; whether the keys have changed."""

        def objection(self, bundle: Bundle) -> PolyvmError | None:
            """Return why an opened bundle must not run any more."""

        def admit(self, bundle: Bundle) -> None:
            """Let the bundle become its task's live one, or raise PolyvmError."""


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
    """A file or folder that cannot be taken, and why. Reported once for each content and reason."""

    path: Path
    error: PolyvmError


@dataclass(frozen=True, slots=True)
class Superseded:
    """A file that was refused does not matter now: a better one of its task is live."""

    path: Path


Change = Deploy | Withdraw | Refused | Superseded


@dataclass(slots=True)
class _Known:
    signature: Signature
    steady: bool  # the signature was the same in two polls, or it was there from the start
    failures: int = 0
    retry: bool = False  # what was refused may be good by now though the content is the same
    loaded: Signature | None = None
    bundle: Bundle | None = None
    refusal: tuple[Signature, PolyvmError] | None = None  # the last one reported, of what content

    def refuse(self, path: Path, content: Signature, error: PolyvmError) -> Iterator[Refused]:
        told = self.refusal
        if told is None or told[0] != content or str(told[1]) != str(error):
            self.refusal = content, error
            yield Refused(path, error)


class Watcher:
    """Polls ``root``: a folder of tasks, or one task. Not locked: poll from one thread."""

    def __init__(self, root: Path, load: Callable[[Path], Bundle], rules: Rules) -> None:
        if not root.exists():
            raise MissingError(f"{root}: no such file or folder; name a folder of tasks")
        if root.is_file() and root.suffix != SUFFIX:
            raise MissingError(f"{root}: neither a folder nor a {SUFFIX} file")
        self._root = root
        self._load = load
        self._rules = rules
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
        changes: list[Change] = list(self._review())
        try:
            found = dict(self._candidates())
        except OSError as error:
            # A folder that cannot be listed says nothing of its tasks: their files may be there.
            if not self._root_lost:
                reason = error.strerror or str(error)
                changes.append(Refused(self._root, MissingError(f"{self._root}: {reason}")))
            self._root_lost = True
        else:
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
        over = known.loaded == signature or known.failures >= PATIENCE
        if not known.steady or (over and not known.retry):
            return
        try:
            known.bundle = self._load(path)
            known.loaded, known.failures, known.retry = signature, 0, False
        except PolyvmError as error:
            known.failures += 1
            known.retry = isinstance(error, StateFileError)  # the file itself may be good
            if known.failures >= PATIENCE:
                yield from known.refuse(path, signature, error)

    def _review(self) -> Iterator[Change]:
        """Drop what must not run any more; try again what changed keys may have made good."""
        changed = self._rules.refresh()
        for path, known in self._known.items():
            refused = known.refusal is not None and known.refusal[1].code is ExitCode.UNTRUSTED
            known.retry = known.retry or (changed and refused)
            if known.bundle is None or known.loaded is None:
                continue
            error = self._rules.objection(known.bundle)
            if error is not None:
                known.bundle = None
                yield from known.refuse(path, known.loaded, error)

    def _elect(self) -> Iterator[Change]:
        live: dict[str, Bundle] = {}
        for path, known, bundle, content in self._contenders():
            name = bundle.manifest.name
            former = self._live.get(name)
            if name in live:
                if known.refusal is not None and known.loaded == known.signature:
                    known.refusal = None
                    yield Superseded(path)
            elif former is bundle:
                live[name] = bundle
            else:
                try:
                    self._rules.admit(bundle)
                except PolyvmError as error:
                    yield from known.refuse(path, content, error)
                    # What a refused file would replace stays live.
                    if former and former.source == path and not self._rules.objection(former):
                        live[name] = former
                else:
                    live[name], known.refusal = bundle, None
                    yield Deploy(bundle)
        for name in self._live.keys() - live.keys():
            yield Withdraw(name)
        self._live = live

    def _contenders(self) -> list[tuple[Path, _Known, Bundle, Signature]]:
        """Return what was loaded, task by task in the order of the folder, the best first."""
        found = [
            (path, known, known.bundle, known.loaded)
            for path, known in self._known.items()
            if known.bundle is not None and known.loaded is not None
        ]
        names = dict.fromkeys(bundle.manifest.name for _, _, bundle, _ in found)
        place = {name: number for number, name in enumerate(names)}
        found.sort(key=lambda item: _rank(item[0], item[3], item[2]), reverse=True)
        found.sort(key=lambda item: place[item[2].manifest.name])
        return found

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


def _rank(
    path: Path, signature: Signature, bundle: Bundle
) -> tuple[int, tuple[object, ...], int, str]:
    newest = max((mtime for _, mtime, _, _ in signature), default=0)
    if bundle.seal is not None:  # its version is for people; sequences count up from 1
        return bundle.seal.sequence, (), newest, str(path)
    return 0, bundle.manifest.order, newest, str(path)


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
