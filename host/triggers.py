"""Triggers as they are written: `[[triggers]]` of a manifest, and the file triggers.json.

A trigger starts its task when a sequence of events has come for one key. How events match is said
in engine/include/stream.h; here is what authors write, checked, and handed down as a condition.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from polyvm.host import durations
from polyvm.host.errors import ManifestError

FILE_NAME = "triggers.json"
MAX_FILE_BYTES = 2**20
MAX_TRIGGERS = 10_000  # of one task

# As in engine/include/stream.h.
MAX_STEPS = 16
MAX_IDS = 256
MAX_WHERE = 16
MAX_TEXT_BYTES = 256
OPS = ("==", "!=", "<", "<=", ">", ">=", "in", "exists")

_PAGE_VIEW = "pv"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class Predicate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a step asks of a field of the event; ``field`` has dots between names of nested maps."""

    field: str
    op: str
    value: Any = True


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event of the sequence. None: any page, any id."""

    type: str
    page: str | None = None
    ids: tuple[str, ...] | None = None
    where: tuple[Predicate, ...] = ()


class Trigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sequence of events that starts the task."""

    sequence: tuple[Step, ...]
    name: str | None = None  # None: its number among the task's, from 1
    within: str | None = None  # from the first event to the last, such as "30s"
    key: str = ""  # the field whose value the events share; "": as the host says

    @property
    def condition(self) -> bytes:
        """The MessagePack that the stream store takes."""
        steps = [
            {
                "type": step.type,
                "page": step.page,
                "ids": step.ids,
                "where": [(each.field, each.op, each.value) for each in step.where],
            }
            for step in self.sequence
        ]
        within = durations.parse(self.within) if self.within is not None else 0
        return msgspec.msgpack.encode({"steps": steps, "within_ns": within, "key": self.key})


def named(triggers: tuple[Trigger, ...]) -> dict[str, Trigger]:
    """Return a task's triggers by name."""
    return {each.name or str(number): each for number, each in enumerate(triggers, 1)}


def check(triggers: tuple[Trigger, ...], where: str) -> None:
    """Refuse, with a ManifestError, what the types allow and the stream store does not take."""
    if len(triggers) > MAX_TRIGGERS:
        raise ManifestError(
            f"{where}: {len(triggers)} triggers; a task may have {MAX_TRIGGERS}: share them out"
        )
    for number, trigger in enumerate(triggers, 1):
        place = f"{where}: trigger {trigger.name or number}"
        if trigger.name is not None and not _NAME.fullmatch(trigger.name):
            raise ManifestError(
                f"{where}: name {trigger.name[:80]!r} of trigger {number} must be lower-case "
                "letters, digits and hyphens, up to 64"
            )
        _check_text(trigger.key, f"{place}: key", empty=True)
        _check_within(trigger.within, place)
        if not 1 <= len(trigger.sequence) <= MAX_STEPS:
            raise ManifestError(
                f"{place}: its sequence has {len(trigger.sequence)} events; it has 1 to {MAX_STEPS}"
            )
        for index, step in enumerate(trigger.sequence, 1):
            _check_step(step, f"{place}, event {index}")
    if len(named(triggers)) != len(triggers):
        raise ManifestError(
            f"{where}: two triggers have the same name; a trigger without one has "
            "its number for a name, from 1"
        )


def _check_within(text: str | None, place: str) -> None:
    if text is None:
        return
    try:
        if durations.parse(text) > 0:
            return
    except ValueError as error:
        raise ManifestError(f"{place}: within {error}") from None
    raise ManifestError(f"{place}: within {text!r} leaves no time; leave it out for no limit")


def _check_text(text: str, place: str, *, empty: bool = False) -> None:
    if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES or not (text or empty):
        raise ManifestError(f"{place} {text[:40]!r} must have 1 to {MAX_TEXT_BYTES} bytes")


def _check_step(step: Step, place: str) -> None:
    _check_text(step.type, f"{place}: type")
    if step.page is not None:
        _check_text(step.page, f"{place}: page")
    if step.ids is not None and not 1 <= len(step.ids) <= MAX_IDS:
        raise ManifestError(
            f"{place}: it has {len(step.ids)} ids; it has 1 to {MAX_IDS}, or none for any id"
        )
    for each in step.ids or ():
        _check_text(each, f"{place}: id")
    if len(step.where) > MAX_WHERE:
        raise ManifestError(f"{place}: more than {MAX_WHERE} predicates in where")
    for predicate in step.where:
        _check_predicate(predicate, place)


def _check_predicate(predicate: Predicate, place: str) -> None:
    _check_text(predicate.field, f"{place}: field")
    value = predicate.value
    if predicate.op not in OPS:
        raise ManifestError(
            f"{place}: op {predicate.op[:20]!r} of {predicate.field!r} must be one of "
            f"{' '.join(OPS)}"
        )
    if predicate.op == "exists":
        good, wanted = isinstance(value, bool), "true or false"
    elif predicate.op == "in":
        good = isinstance(value, list | tuple) and 1 <= len(value) <= MAX_IDS
        good = good and all(map(_is_plain, value))
        wanted = f"a list of 1 to {MAX_IDS} texts, numbers, true or false"
    else:
        good, wanted = _is_plain(value), "a text, a number, true or false"
    if not good:
        raise ManifestError(
            f"{place}: the value of {predicate.field!r} {predicate.op} must be {wanted}"
        )


def _is_plain(value: Any) -> bool:
    if isinstance(value, int):
        return -(2**63) <= value < 2**64
    return value is None or isinstance(value, float | str)


# ---- triggers.json ----------------------------------------------------------------


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    type: str
    page_id: str | None = None
    need_pv: bool = False
    click_ids: tuple[str, ...] | None = None

    def steps(self, before: Step | None) -> list[Step]:
        """The step of this event; and before it its page's view, where that is asked for."""
        own = Step(self.type, self.page_id, self.click_ids)
        view = Step(_PAGE_VIEW, self.page_id)
        if not self.need_pv or self.type == _PAGE_VIEW or before == view:
            return [own]
        return [view, own]


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    task_name: str
    events: tuple[_Event, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    triggers: tuple[_Entry, ...]


def parse_json(text: bytes, where: str, task: str) -> tuple[Trigger, ...]:
    """Read a triggers.json; raises ManifestError, one sentence that names ``where``."""
    if len(text) > MAX_FILE_BYTES:
        raise ManifestError(f"{where}: larger than {MAX_FILE_BYTES} bytes")
    try:
        file = msgspec.json.decode(text, type=_File)
    except msgspec.ValidationError as error:
        raise ManifestError(
            f'{where}: {error}; it is {{"triggers": [{{"taskName": ..., "events": [{{"type": ..., '
            '"pageId": ..., "needPv": ..., "clickIds": [...]}]}]}'
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(f"{where}: not JSON: {error}") from None
    found = []
    for number, entry in enumerate(file.triggers, 1):
        place = f"{where}: entry {number}"
        if entry.task_name != task:
            raise ManifestError(
                f"{place}: taskName is {entry.task_name[:80]!r}, but the task is {task!r}; a "
                "bundle has triggers of its own task only"
            )
        steps: list[Step] = []
        for index, event in enumerate(entry.events, 1):
            if event.need_pv and event.page_id is None:
                raise ManifestError(
                    f"{place}, event {index}: needPv asks for a view of the page, but there is no "
                    "pageId; add one"
                )
            steps += event.steps(steps[-1] if steps else None)
        found.append(Trigger(tuple(steps)))
    check(tuple(found), where)
    return tuple(found)
