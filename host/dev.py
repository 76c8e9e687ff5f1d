"""`polyvm dev`: a task folder under ordinary Python, where breakpoints and profilers work.

Payload and result go through the same MessagePack round trip as in a VM, and values that a VM
refuses are refused here with the same limits, so that what works here works there.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polyvm.host import codec
from polyvm.host import manifest as manifests
from polyvm.host.errors import ManifestError, MissingError, PackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from polyvm.host.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Answer:
    """How one invocation ended: `value` if `failure`, a traceback, is None."""

    value: Any
    failure: str | None


class OrdinaryTask:
    """An imported task; call it with payloads. Made by `opened`."""

    def __init__(self, manifest: Manifest, entry: Callable[[Any], Any]) -> None:
        self.manifest = manifest
        self._entry = entry

    def takes(self, payload: Any) -> bool:
        """Whether the feed would give this line to the task."""
        if self.manifest.events is None:
            return True
        return isinstance(payload, dict) and payload.get("event") in self.manifest.events

    def __call__(self, payload: Any) -> Answer:
        """Run the task once. Exceptions become the answer's failure; KeyboardInterrupt passes."""
        given = codec.decode(codec.encode_payload(payload))
        try:
            returned = self._entry(given)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - sys.exit in a task is a failure as well
            return Answer(None, _traceback(error))
        try:
            return Answer(codec.decode(codec.encode(returned)), None)
        except (TypeError, ValueError, OverflowError) as error:
            return Answer(None, "".join(traceback.format_exception_only(error)).rstrip())


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[OrdinaryTask]:
    """Import a task folder for the time of the block.

    Raises MissingError, ManifestError or PackError; what the task's import raises, passes.
    """
    file = folder / manifests.FILE_NAME
    if not folder.is_dir():
        raise MissingError(f"{folder}: no such folder; name the folder that holds the task.toml")
    if not file.is_file():
        raise ManifestError(
            f"{folder}: holds no {manifests.FILE_NAME}; add one with name, version and entry"
        )
    manifest = manifests.parse(file.read_bytes(), str(file))
    with _import_from(folder):
        try:
            module = importlib.import_module(manifest.entry_module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{manifest.entry_module}.".startswith(f"{error.name}."):
                raise
            raise PackError(
                f"{file}: entry {manifest.entry!r} names module {manifest.entry_module!r}, which "
                f"is not in {folder}"
            ) from None
        entry = getattr(module, manifest.entry_function, None)
        if not callable(entry):
            raise PackError(
                f"{file}: entry {manifest.entry!r}: {module.__file__} defines no function "
                f"{manifest.entry_function!r}"
            )
        yield OrdinaryTask(manifest, entry)


@contextlib.contextmanager
def _import_from(folder: Path) -> Iterator[None]:
    """Put the folder first on the path; afterwards forget the modules that came from it."""
    place = str(folder.resolve())
    before = dict(sys.modules)
    shadowed = {
        name: module
        for name, module in before.items()
        if (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()
    }
    for name in shadowed:
        del sys.modules[name]
    sys.path.insert(0, place)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(place)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if name not in before and isinstance(file, str) and file.startswith(f"{place}/"):
                del sys.modules[name]
        sys.modules.update(shadowed)


def _traceback(error: BaseException) -> str:
    """Format what the task raised, without the host's frames."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()
