"""How long a host runs: who may end it, what it finishes before, and what went wrong meanwhile."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

from polyvm.host.errors import MissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Lifetime:
    """The events that the threads of one host share. Every method is for any thread.

    ``stopping``: no more input is taken, and what was accepted is finished. ``cancelled``: that is
    given up as well. ``changed``: something happened that the main thread waits for.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.cancelled = threading.Event()
        self.changed = threading.Event()
        self.fatal: BaseException | None = None  # the first error that ended the run
        self.signals = 0  # that came to stop it

    def stop(self, *, cancel: bool = False) -> None:
        """Let the host finish what it accepted, or cancel that, and end."""
        self.stopping.set()
        if cancel:
            self.cancelled.set()
        self.changed.set()

    def guard(self, function: Callable[..., object], *arguments: Any, **options: Any) -> None:
        """Call; what it raises ends the run: the first such error is the one that is told."""
        try:
            function(*arguments, **options)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the main thread
            if self.fatal is None:
                self.fatal = error
            # Input that ends too soon: finish the rest.
            self.stop(cancel=not isinstance(error, MissingError))

    def thread(self, function: Callable[..., object], *arguments: Any) -> threading.Thread:
        """Start a thread that calls it under `guard`."""
        thread = threading.Thread(
            target=self.guard, args=(function, *arguments), name=function.__name__, daemon=True
        )
        thread.start()
        return thread

    @contextlib.contextmanager
    def until_signalled(self) -> Iterator[None]:
        """SIGINT and SIGTERM stop the host, a second one cancels. In the main thread only."""
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.signals += 1
        self.stop(cancel=self.signals > 1)
