"""Triggers as they are written: `[[triggers]]` of a manifest, and the file triggers.json.

A trigger starts its task when a sequence of events has come for one key, at times, or when so much
has come into a stream. How events match and count is said in engine/include/stream.h; here is what
authors write, checked, and handed down as a condition, a counter, or the plan of a timer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from polyvm.host import durations, schedules, sizes, times
from polyvm.host.errors import ManifestError

if TYPE_CHECKING:
    from polyvm.host.timers import Plan


FILE_NAME = "triggers.json"
MAX_FILE_BYTES = 2**20
MAX_TRIGGERS = 10_000  # of one task

# As in engine/include/stream.h.
MAX_STEPS = 16
MAX_IDS = 256
MAX_WHERE = 16
MAX_TEXT_BYTES = 256
MAX_STREAM_BYTES = 64
OPS = ("==", "!=", "<", "<=", ">", ">=", "in", "exists")

ACTIONS = ("start", "preload")

_PAGE_VIEW = "pv"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
# What decides which kind a trigger is, and what else one of that kind may have.
_ALWAYS = {"name", "action"}
_OF_TIMER = {"at_start", "jitter", "missed"} | _ALWAYS
_KINDS: dict[str, set[str]] = {
    "sequence": {"sequence", "within", "key"} | _ALWAYS,
    "cron": {"cron", "timezone"} | _OF_TIMER,
    "stream": {"stream", "events", "bytes", "every", "key"} | _ALWAYS,
    "every": {"every"} | _OF_TIMER,
}

Kind = Literal["sequence", "cron", "stream", "every"]
Packed = bytes  # MessagePack; within Trigger that name is a field's


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
    """What starts the task: a sequence of events, times, or how much has come into a stream."""

    sequence: tuple[Step, ...] | None = None
    name: str | None = None  # None: its number among the task's, from 1
    within: str | None = None  # from the first event to the last, such as "30s"
    # The field whose value the events share; "": as the host says, or the stream as a whole.
    key: str = ""
    every: str | None = None  # such as "10s"; of a stream, what has come waits no longer
    cron: str | None = None  # such as "*/5 * * * *"
    timezone: str = "UTC"  # of cron
    at_start: bool = False  # it also fires when it is deployed and when the host starts
    jitter: str | None = None  # it fires later by chance, up to so much
    missed: str = "once"  # or "skip": what comes of times while nobody was there
    stream: str | None = None
    events: Annotated[int, msgspec.Meta(ge=1, le=2**62)] | None = None  # are enough of a stream
    bytes: str | None = None  # likewise
    action: str = "start"  # or "preload": the task is only made ready

    @property
    def kind(self) -> Kind:
        """What it fires by; `check` has seen that it is one."""
        if self.sequence is not None:
            return "sequence"
        if self.stream is not None:
            return "stream"
        return "cron" if self.cron is not None else "every"

    @property
    def condition(self) -> Packed | None:
        """The MessagePack that the stream store takes; None for a timer."""
        if self.sequence is not None:
            return self._sequence(self.sequence)
        if self.stream is None:
            return None
        return msgspec.msgpack.encode(
            {
                "stream": self.stream,
                "events": self.events or 0,
                "bytes": sizes.parse(self.bytes) if self.bytes is not None else 0,
                "wait_ns": durations.parse(self.every) if self.every is not None else 0,
                "key": self.key,
            }
        )

    def _sequence(self, sequence: tuple[Step, ...]) -> Packed:
        steps = [
            {
                "type": step.type,
                "page": step.page,
                "ids": step.ids,
                "where": [(each.field, each.op, each.value) for each in step.where],
            }
            for step in sequence
        ]
        within = durations.parse(self.within) if self.within is not None else 0
        return msgspec.msgpack.encode({"steps": steps, "within_ns": within, "key": self.key})

    @property
    def wait_ns(self) -> int | None:
        """How long what has come into a stream waits; None: for ever, or it is no counter."""
        waits = self.stream is not None and self.every is not None
        return durations.parse(self.every or "") if waits else None

    @property
    def plan(self) -> Plan | None:
        """When a timer fires; None for the others."""
        return times.plan(self) if self.kind in ("cron", "every") else None


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
        _check_kind(trigger, place)
        _check_word(trigger.action, ACTIONS, f"{place}: action")
        _check_text(trigger.key, f"{place}: key", empty=True)
        if trigger.sequence is not None:
            _check_sequence(trigger, trigger.sequence, place)
        elif trigger.stream is not None:
            _check_counter(trigger, trigger.stream, place)
        else:
            times.check(trigger, place)
    if len(named(triggers)) != len(triggers):
        raise ManifestError(
            f"{where}: two triggers have the same name; a trigger without one has "
            "its number for a name, from 1"
        )


def _check_kind(trigger: Trigger, place: str) -> None:
    given = {
        name
        for name, default in zip(
            Trigger.__struct_fields__, Trigger.__struct_defaults__, strict=True
        )
        if getattr(trigger, name) != default
    }
    kind = next((kind for kind in _KINDS if kind in given), None)
    if kind is None:
        raise ManifestError(
            f"{place}: it does not say when it fires; give it a sequence, every, cron, or a stream "
            "with events or bytes"
        )
    for name in sorted(given - _KINDS[kind]):
        known = ", ".join(sorted(_KINDS[kind] - {kind}))
        raise ManifestError(
            f"{place}: a trigger with {kind} has no {name}, which is for another kind; make two of "
            f"it, or take one of them out. Beside {kind} it may have: {known}"
        )


def _check_word(word: str, known: tuple[str, ...], place: str) -> None:
    if word not in known:
        raise ManifestError(f"{place} {word[:40]!r} must be one of {', '.join(known)}")


def _check_sequence(trigger: Trigger, sequence: tuple[Step, ...], place: str) -> None:
    _check_within(trigger.within, place)
    if not 1 <= len(sequence) <= MAX_STEPS:
        raise ManifestError(
            f"{place}: its sequence has {len(sequence)} events; it has 1 to {MAX_STEPS}"
        )
    for index, step in enumerate(sequence, 1):
        _check_step(step, f"{place}, event {index}")


def _check_counter(trigger: Trigger, stream: str, place: str) -> None:
    if not 1 <= len(stream.encode("utf-8", "replace")) <= MAX_STREAM_BYTES or "\0" in stream:
        raise ManifestError(
            f"{place}: stream {stream[:40]!r} must have 1 to {MAX_STREAM_BYTES} bytes"
        )
    if trigger.events is None and trigger.bytes is None:
        raise ManifestError(f"{place}: events or bytes must say how much of {stream!r} is enough")
    try:
        if trigger.bytes is not None and sizes.parse(trigger.bytes) == 0:
            raise ManifestError(f"{place}: bytes {trigger.bytes!r} is nothing; leave it out")
    except ValueError as error:
        raise ManifestError(f"{place}: bytes {error}") from None
    if trigger.every is not None:
        times.read(schedules.every, "every", trigger.every, place)


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
