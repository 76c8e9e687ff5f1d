"""The thread that loads models when triggers ask for them, and lets them go when nobody does."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polyvm.host import log
from polyvm.host.deployment import State
from polyvm.host.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyvm.host.deferred_models import DeferredModels
    from polyvm.host.deployment import Deployment

_LOOK_EVERY_S = 1.0  # for what has been kept long enough, while anything is


@dataclass(slots=True)
class _Loaded:
    deployment: Deployment
    models: tuple[Any, ...]  # they are there as long as somebody holds them
    until_ns: int


class Preloader:
    """Models of live versions. `want` is for any thread, `run` for one of its own."""

    def __init__(
        self, stopping: threading.Event, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._stopping = stopping
        self._clock = clock
        self._lock = threading.Lock()
        self._wanted: dict[int, tuple[Deployment, DeferredModels]] = {}  # by the version's id
        self._loaded: dict[int, _Loaded] = {}
        self._changed = threading.Event()
        self._log = log.get()

    def want(self, deployment: Deployment, deferred: DeferredModels) -> None:
        """Have a version's models loaded, or kept for longer. Returns at once."""
        with self._lock:
            loaded = self._loaded.get(deployment.id)
            if loaded is not None:
                loaded.until_ns = self._clock() + deferred.keep_ns
                return
            self._wanted[deployment.id] = (deployment, deferred)
        self._changed.set()

    @property
    def loaded(self) -> list[str]:
        """The names of tasks whose models are loaded now because a trigger asked for them."""
        with self._lock:
            return [each.deployment.manifest.name for each in self._loaded.values()]

    def run(self) -> None:
        """Load and let go until the host stops; `wake` ends a wait."""
        while not self._stopping.is_set():
            self._changed.clear()
            self.look()
            self._changed.wait(_LOOK_EVERY_S if self._loaded else None)
        with self._lock:
            self._loaded.clear()

    def wake(self) -> None:
        """Look again, as something is different."""
        self._changed.set()

    def look(self) -> None:
        """Load what is wanted, and let go of what is not any more."""
        with self._lock:
            now = self._clock()
            for number, each in list(self._loaded.items()):
                if now >= each.until_ns or each.deployment.state is not State.LIVE:
                    del self._loaded[number]
            wanted, self._wanted = self._wanted, {}
        for number, (deployment, deferred) in wanted.items():
            if deployment.state is not State.LIVE:
                continue
            try:
                models = deferred.load()
            except BundleError as error:
                self._log.error("models not preloaded", reason=str(error))
                continue
            until_ns = self._clock() + deferred.keep_ns
            with self._lock:
                self._loaded[number] = _Loaded(deployment, models, until_ns)
