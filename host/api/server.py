"""The thread that serves the API: one asyncio loop over both sockets."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

from aiohttp import web

from polyvm.host.api import app
from polyvm.host.api.sockets import UnixSocket, open_tcp

if TYPE_CHECKING:
    from polyvm.host.api.access import Access
    from polyvm.host.api.backend import Backend

_LAST_ANSWERS = 2.0  # seconds that answers under way get at the end

# What clients send wrong is told to them; aiohttp would also print it, with tracebacks.
_silent = logging.getLogger("polyvm.host.api")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class Server:
    """Listens from the start; answers from `run`, in a thread of its own, until `stop`."""

    def __init__(self, access: Access) -> None:
        """Open the sockets. Raises ListenError."""
        self._access = access
        self._lock = threading.Lock()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._unix = UnixSocket(access.socket) if access.socket is not None else None
        try:
            self._tcp = open_tcp(*access.address) if access.address is not None else None
        except BaseException:
            if self._unix is not None:
                self._unix.remove()
                self._unix.socket.close()
            raise
        self.port: int | None = self._tcp.getsockname()[1] if self._tcp is not None else None

    def run(self, backend: Backend) -> None:
        """Answer requests until `stop`."""
        asyncio.run(self._serve(backend))

    def places(self) -> dict[str, str]:
        """Where it listens, for the log; the port is the real one."""
        places = {}
        if self._access.socket is not None:
            places["socket"] = str(self._access.socket)
        if self._access.address is not None:
            places["address"] = f"{self._access.address[0]}:{self.port}"
        return places

    def stop(self) -> None:
        """Let `run` end, after a moment for answers that are under way. From any thread."""
        with self._lock:
            self._stopping = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._over.set)

    async def _serve(self, backend: Backend) -> None:
        runner = web.AppRunner(
            app.make(self._access, backend),
            access_log=None,
            logger=_silent,
            handler_cancellation=True,  # who hangs up waits no more
            shutdown_timeout=_LAST_ANSWERS,
        )
        await runner.setup()
        try:
            if self._unix is not None:
                await web.SockSite(runner, self._unix.socket).start()
            if self._tcp is not None:
                await web.SockSite(runner, self._tcp).start()
            with self._lock:
                self._loop = asyncio.get_running_loop()
                if self._stopping:
                    self._over.set()
            await self._over.wait()
        finally:
            with self._lock:
                self._loop = None
            if self._unix is not None:
                self._unix.remove()
            await runner.cleanup()
