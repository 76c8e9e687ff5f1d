"""Models that are loaded when a trigger of their task asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyvm.host import durations, models
from polyvm.vm import Memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class DeferredModels:
    """Some of a manifest's models. `load` may be called again and again."""

    def __init__(
        self,
        entries: Sequence[models.Entry],
        assets: Mapping[str, bytes | Memory],
        source: object,
    ) -> None:
        """Keep their content, which may be wiped afterwards where it lies. Raises BundleError."""
        self._entries = entries
        found = {entry.file: models.find(entry, assets, source) for entry in entries}
        self._assets = {name: _kept(asset) for name, asset in found.items()}
        self._source = source

    @property
    def keep_ns(self) -> int:
        """How long they are to be kept after the last time that they were asked for."""
        return max(durations.parse(entry.keep) for entry in self._entries)

    def load(self) -> tuple[Any, ...]:
        """Load them and make their plans. Raises BundleError, in one sentence."""
        return models.preload(self._entries, self._assets, self._source)


def _kept(asset: bytes | Memory) -> Memory:
    if isinstance(asset, Memory):
        return asset
    copy = Memory(len(asset))
    copy.buffer[:] = asset
    return copy
