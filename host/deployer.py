"""From what the watcher finds to live tasks, and to the list of what was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyvm.host import log
from polyvm.host.watcher import Change, Deploy, Refused, Superseded, Watcher, Withdraw
from polyvm.vm import VmError

if TYPE_CHECKING:
    from pathlib import Path

    from polyvm.host.bundle import Bundle
    from polyvm.host.registry import Registry


class Deployer:
    """Keeps a registry as its tasks folder is. `look` is for one thread at a time."""

    def __init__(self, watcher: Watcher, registry: Registry) -> None:
        self._watcher = watcher
        self._registry = registry
        self._refused: dict[Path, str] = {}
        self._log = log.get()

    @property
    def settled(self) -> bool:
        """Whether no file was still being written at the last look."""
        return not self._watcher.unsettled

    @property
    def refused(self) -> list[tuple[Path, str]]:
        """Paths that hold no task that can run, each with the reason. For any thread."""
        return list(self._refused.items())

    def look(self) -> None:
        """Read the folder, and do what has changed."""
        changes = self._watcher.poll()
        for path in [path for path in self._refused if not path.exists()]:
            del self._refused[path]
        for change in changes:
            self._apply(change)

    def _apply(self, change: Change) -> None:
        match change:
            case Deploy(bundle):
                self._deploy(bundle)
            case Withdraw(name):
                if self._registry.withdraw(name):
                    self._log.info("task withdrawn", task=name)
            case Refused(path, error):
                self._refuse(path, str(error))
            case Superseded(path):
                self._refused.pop(path, None)

    def _deploy(self, bundle: Bundle) -> None:
        try:
            self._registry.deploy(bundle)
        except VmError as error:
            self._refuse(bundle.source, f"{bundle.source}: {error}")
            return
        self._refused.pop(bundle.source, None)
        manifest, seal = bundle.manifest, bundle.seal
        sealed = {"publisher": seal.publisher, "sequence": seal.sequence} if seal else {}
        self._log.info("task live", task=manifest.name, version=manifest.version, **sealed)

    def _refuse(self, path: Path, reason: str) -> None:
        self._refused[path] = reason
        self._log.error("task refused", reason=reason)
