"""How often a call of the engine asks whether to go on; that it leaves nothing when it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.engine.direct import EngineError, call, ffi, lib

if TYPE_CHECKING:
    from types import TracebackType


class Looks:
    """The context of this thread, in a `with` block; it has an account of its own.

    asked: looks since the last `run` or `end`.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._last = 0  # the look at which the call is to end; 0: none
        self._account = lib.pvt_account_new(ffi.NULL, ffi.NULL)
        self._attention = ffi.new("uint32_t *", 1)
        self._attend = ffi.callback("int(void *)", self._look)
        self._context = ffi.new("pvt_context *")
        self._context.account = self._account
        self._context.attention = self._attention
        self._context.attend = self._attend

    def _look(self, _: object) -> int:
        self.asked += 1
        return int(self.asked == self._last)

    def __enter__(self) -> Self:
        self._before = lib.pvt_context_set(self._context)
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        lib.pvt_context_set(self._before)
        lib.pvt_account_close(self._account)

    def run(self, name: str, *arguments: Any) -> int:
        """Let a call go on to its end; how often it asked."""
        self.asked = self._last = 0
        call(name, *arguments)
        return self.asked

    def end(self, at: int, name: str, *arguments: Any) -> None:
        """End a call at its look of that number: it is cancelled, and has given back all memory."""
        self.asked, self._last = 0, at
        with pytest.raises(EngineError) as caught:
            call(name, *arguments)
        assert caught.value.status == lib.PVT_E_CANCELLED
        assert lib.pvt_account_bytes(self._account) == 0
