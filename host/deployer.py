"""From what the watcher finds to live tasks, and to the list of what was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyvm.host import chains, log
from polyvm.host.errors import ChainError, TableError
from polyvm.host.flows import FlowError
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
        self._held: dict[str, Bundle] = {}  # refused as they are now, by the tasks before them
        self._waiting: dict[str, str] = {}  # as last told
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
        for change in _in_order(changes):
            self._apply(change)
        if any(isinstance(change, Deploy | Withdraw) for change in changes):
            self._try_held()
            self._tell_waiting()

    def _try_held(self) -> None:
        """What changed may be what they were refused for."""
        for name in chains.in_order({name: each.manifest for name, each in self._held.items()}):
            self._deploy(self._held[name])

    def _tell_waiting(self) -> None:
        waiting = self._registry.waiting()
        for name, reason in waiting.items():
            if self._waiting.get(name) != reason:
                self._log.info("task runs only when it is called", task=name, reason=reason)
        self._waiting = waiting

    def _apply(self, change: Change) -> None:
        match change:
            case Deploy(bundle):
                self._deploy(bundle)
            case Withdraw(name):
                self._held.pop(name, None)
                if self._registry.withdraw(name):
                    self._log.info("task withdrawn", task=name)
            case Refused(path, error):
                self._refuse(path, str(error))
            case Superseded(path):
                self._refused.pop(path, None)

    def _deploy(self, bundle: Bundle) -> None:
        try:
            self._registry.deploy(bundle)
        except (VmError, ChainError, TableError, FlowError) as error:
            reason = f"{bundle.source}: {error}"
            held = isinstance(error, ChainError)
            told = held and bundle is self._held.get(bundle.manifest.name)
            self._hold(bundle, held=held)
            if not told or self._refused.get(bundle.source) != reason:
                self._refuse(bundle.source, reason)
            return
        self._hold(bundle, held=False)
        self._refused.pop(bundle.source, None)
        manifest, seal = bundle.manifest, bundle.seal
        sealed = {"publisher": seal.publisher, "sequence": seal.sequence} if seal else {}
        self._log.info("task live", task=manifest.name, version=manifest.version, **sealed)

    def _hold(self, bundle: Bundle, *, held: bool) -> None:
        if held:
            self._held[bundle.manifest.name] = bundle
        else:
            self._held.pop(bundle.manifest.name, None)

    def _refuse(self, path: Path, reason: str) -> None:
        self._refused[path] = reason
        self._log.error("task refused", reason=reason)


def _in_order(changes: list[Change]) -> list[Change]:
    """Deploy what comes after others after those; else as they are, with withdrawals last."""
    bundles = {
        change.bundle.manifest.name: change for change in changes if isinstance(change, Deploy)
    }
    order = chains.in_order({name: each.bundle.manifest for name, each in bundles.items()})
    others = [change for change in changes if not isinstance(change, Deploy)]
    before = [change for change in others if not isinstance(change, Withdraw)]
    last = [change for change in others if isinstance(change, Withdraw)]
    return [*before, *(bundles[name] for name in order), *last]
