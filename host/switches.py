"""Operators' switches: which tasks, lanes and triggers take new work now.

What is *disabled* takes none, and input lines are not for it. What is *paused* takes none for the
moment: callers are told to come back, and the feed waits. Work that was accepted before goes on
in either case. A trigger, named TASK.TRIGGER, is enabled or disabled only. A switch may be set
before its task is there, and outlives the task's versions.
"""

from __future__ import annotations

import enum
import threading
import tomllib
from typing import TYPE_CHECKING, Literal

import msgspec

from polyvm.host.errors import MissingError, PolyvmError, SwitchFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Kind = Literal["task", "lane", "trigger"]
KINDS: tuple[Kind, ...] = ("task", "lane", "trigger")


class Verb(enum.StrEnum):
    """What an operator says."""

    ENABLE = "enable"
    DISABLE = "disable"
    PAUSE = "pause"
    RESUME = "resume"


class Disabled(PolyvmError):
    """The task or its lane is switched off."""


class Paused(PolyvmError):
    """The task or its lane is paused."""


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The switch of one task or lane."""

    enabled: bool = True
    paused: bool = False

    def after(self, verb: Verb) -> Setting:
        """Return the setting that the verb makes of this one."""
        match verb:
            case Verb.ENABLE | Verb.DISABLE:
                return Setting(verb is Verb.ENABLE, self.paused)
            case Verb.PAUSE | Verb.RESUME:
                return Setting(self.enabled, verb is Verb.PAUSE)


_ON = Setting()


class _OnOff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool = True


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    triggers: dict[str, _OnOff] = {}
    tasks: dict[str, Setting] = {}
    lanes: dict[Literal["core", "regular", "low"], Setting] = {}


class Switches:
    """All switches of a host; everything is on at first. Every method is for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._off: dict[tuple[Kind, str], Setting] = {}  # what is not on; replaced, never changed
        self._listeners: list[Callable[[], None]] = []

    def listen(self, changed: Callable[[], None]) -> None:
        """Call back after each change, in the thread that made it."""
        self._listeners.append(changed)

    def setting(self, kind: Kind, name: str) -> Setting:
        """Return the switch of a task or lane."""
        return self._off.get((kind, name), _ON)

    def is_off(self, kind: Kind, name: str) -> bool:
        """Whether the task or lane is disabled or paused."""
        return (kind, name) in self._off

    def turn(self, kind: Kind, name: str, verb: Verb) -> Setting:
        """Do as an operator says; return what the switch is then."""
        with self._lock:
            setting = self.setting(kind, name).after(verb)
            self._off = _without_on({**self._off, (kind, name): setting})
        self._tell()
        return setting

    def replace(self, settings: dict[tuple[Kind, str], Setting]) -> None:
        """Set all switches anew; what is not named is on."""
        with self._lock:
            self._off = _without_on(settings)
        self._tell()

    def enabled(self, task: str, lane: str) -> bool:
        """Whether the task and its lane are."""
        return self.setting("task", task).enabled and self.setting("lane", lane).enabled

    def check(self, task: str, lane: str) -> None:
        """Raise Disabled or Paused if the task must take no new work."""
        off = self._off
        if not off:
            return
        here = [
            (f"task {task}", off.get(("task", task), _ON)),
            (f"lane {lane}", off.get(("lane", lane), _ON)),
        ]
        for what, setting in here:
            if not setting.enabled:
                raise Disabled(f"{what} is disabled; an operator can enable it")
        for what, setting in here:
            if setting.paused:
                raise Paused(f"{what} is paused; an operator can resume it")

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def _without_on(settings: dict[tuple[Kind, str], Setting]) -> dict[tuple[Kind, str], Setting]:
    return {place: setting for place, setting in settings.items() if setting != _ON}


class SwitchFile:
    """A TOML file of switches, applied whenever it changes.

        [tasks.greet]
        enabled = false

        [lanes.low]
        paused = true

        [triggers."greet.1"]
        enabled = false

    What it does not name is on, so that a change of it undoes what was switched by command. One
    thread at a time.
    """

    def __init__(self, path: Path, switches: Switches) -> None:
        """Read and apply it. Raises MissingError or SwitchFileError."""
        self._path = path
        self._switches = switches
        self._seen: object = None
        self.poll()

    def poll(self) -> bool:
        """Apply the file if it has changed, and return whether it has.

        Raises once for each content that cannot be applied; the switches then stay as they are.
        """
        try:
            status = self._path.stat()
            signature: object = (status.st_mtime_ns, status.st_size, status.st_ino)
            if signature == self._seen:
                return False
            self._seen = signature
            text = self._path.read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            if self._seen == reason:
                return False
            self._seen = reason
            raise MissingError(f"{self._path}: {reason}; switches stay as they are") from None
        self._switches.replace(_parse(text, self._path))
        return True


def _parse(text: bytes, path: Path) -> dict[tuple[Kind, str], Setting]:
    try:
        file = msgspec.convert(tomllib.loads(text.decode()), _File)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SwitchFileError(f"{path}: not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise SwitchFileError(
            f"{path}: {error}; it has tables such as [tasks.NAME] and [lanes.low], with enabled "
            'and paused, and [triggers."TASK.NAME"], with enabled'
        ) from None
    settings: dict[tuple[Kind, str], Setting] = {
        ("task", name): setting for name, setting in file.tasks.items()
    }
    settings.update(
        {("trigger", name): Setting(switch.enabled) for name, switch in file.triggers.items()}
    )
    settings.update({("lane", name): setting for name, setting in file.lanes.items()})
    return settings
