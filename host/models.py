"""Models that a manifest names: loaded, and their plans made, when the task is deployed.

Or when a trigger of the task preloads it. Tasks that load them (`polyvm.model`) then find both, in
whatever VM. They are kept as long as the task's bundle is, or for a while after they were
preloaded. What is wrong with a model that is loaded with its task refuses the bundle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

import polyvm
from polyvm.host import durations
from polyvm.host.errors import BundleError, ManifestError

if TYPE_CHECKING:
    from polyvm.vm import Memory

LOADS = ("deploy", "preload")
PRECISIONS = ("exact", "fast", "small")
MAX_MODELS = 64
MAX_ELEMENTS = 2**28  # of one input that a plan is made for

Shapes = dict[str, tuple[Annotated[int, msgspec.Meta(ge=0, le=2**31)], ...]]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of a manifest's ``[[models]]``.

    ``precision`` and ``threads`` are what the task gives to `polyvm.model`, or they are two models.
    ``shapes`` has, for each set of inputs' shapes that a plan is made for, the inputs by name;
    those left out have the model's own shape, free sizes being 1.
    """

    file: str  # the path of an asset
    precision: str = "exact"
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    shapes: tuple[Shapes, ...] = ({},)
    load: str = "deploy"  # or "preload": when a trigger with that action fires
    keep: str = "10m"  # of one that is preloaded: after the last time


def check(entries: Sequence[Entry], where: str) -> None:
    """Refuse what the fields' types allow and a manifest must not have. Raises ManifestError."""
    if len(entries) > MAX_MODELS:
        raise ManifestError(f"{where}: more than {MAX_MODELS} models; leave some to the task")
    for entry in entries:
        if entry.precision not in PRECISIONS:
            raise ManifestError(
                f"{where}: the precision of the model {entry.file!r} must be one of "
                f"{', '.join(PRECISIONS)}"
            )
        if entry.load not in LOADS:
            raise ManifestError(
                f"{where}: load of the model {entry.file!r} must be one of {', '.join(LOADS)}"
            )
        try:
            durations.parse(entry.keep)
        except ValueError as error:
            raise ManifestError(f"{where}: keep of the model {entry.file!r} {error}") from None
        for shapes in entry.shapes:
            for name, shape in shapes.items():
                if math.prod(shape) > MAX_ELEMENTS:
                    raise ManifestError(
                        f"{where}: the model {entry.file!r} is prepared for {name!r} of shape "
                        f"{list(shape)}, which is too large"
                    )


def preload(
    entries: Sequence[Entry], assets: Mapping[str, bytes | Memory], source: object
) -> tuple[Any, ...]:
    """Load them and make their plans. Raises BundleError, in one sentence."""
    return tuple(_preload(entry, assets, source) for entry in entries)


def find(entry: Entry, assets: Mapping[str, bytes | Memory], source: object) -> bytes | Memory:
    """Return a model's content. Raises BundleError if the bundle has none."""
    asset = assets.get(entry.file)
    if asset is None:
        raise BundleError(
            f"{source}: the manifest names the model {entry.file!r}, and the bundle has no such "
            "file; put it beside task.toml"
        )
    return asset


def _preload(entry: Entry, assets: Mapping[str, bytes | Memory], source: object) -> Any:
    asset = find(entry, assets, source)
    content = asset if isinstance(asset, bytes) else asset.buffer
    try:
        model = polyvm.model(content, precision=entry.precision, threads=entry.threads)
        for shapes in entry.shapes:
            model.prepare(*model.zeros(shapes))
    except (ValueError, TypeError, RuntimeError, NotImplementedError, MemoryError) as error:
        raise BundleError(f"{source}: the model {entry.file!r} cannot be used: {error}") from None
    return model
