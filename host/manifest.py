"""task.toml: what a task is called, where it starts, which events it takes."""

from __future__ import annotations

import difflib
import keyword
import re
import tomllib
from typing import Annotated, Any

import msgspec

from polyvm.host import breakers, durations, flows, models, sizes, tables, triggers
from polyvm.host.errors import ManifestError

FILE_NAME = "task.toml"
MAX_BYTES = 64 * 1024
LANES = ("core", "regular", "low")
ISOLATIONS = ("vm", "process")
MIN_MEMORY = 4 * 2**20  # PVM_MEMORY_MIN of vm.h
MAX_PATHS = 16  # PVM_POLICY_PATHS of vm.h, for reading and as many for writing
MAX_PATH_BYTES = 1024
MAX_STREAM_BYTES = 64  # STORE_NAME_MAX of engine/include/store.h
AFTER_FAILURE = ("skip", "stop", "continue")
MAX_AFTER = 16

_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_VERSION = re.compile(r"(\d{1,9}(?:\.\d{1,9}){0,5})(?:[-+]?([A-Za-z][A-Za-z0-9.+-]{0,31}))?")


class Permissions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a task may do beyond the usual, which is: open no files at all.

    Absolute paths of files and folders; a folder stands for everything beneath it. The others are
    for tasks in processes, whose usual is to read the system's and their Python's installation.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()  # and read
    network: bool = False  # to open sockets
    unconfined: bool = False  # whatever the host's user may do

    def __bool__(self) -> bool:
        return self != Permissions()


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one invocation may use up, and how many there may be. None: no limit.

    Written as durations ("500ms", "2s"), a size ("64MB") and numbers.
    """

    deadline: str | None = None  # from acceptance to the end
    timeout: str | None = None  # of the run, from its start
    cpu: str | None = None  # processor time of the run
    memory: str | None = None  # of a VM that holds the task
    running: Annotated[int, msgspec.Meta(ge=1, le=2**31)] | None = None  # at once
    rate: Annotated[float, msgspec.Meta(gt=0, le=1e9)] | None = None  # accepted a second
    burst: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 1  # accepted at once after a pause

    @property
    def amounts(self) -> dict[str, Any]:
        """The same in nanoseconds and bytes, 0 for no limit, as polyvm.vm.Limits names them."""

        def time(text: str | None) -> int:
            return durations.parse(text) if text is not None else 0

        return {
            "deadline_ns": time(self.deadline),
            "timeout_ns": time(self.timeout),
            "cpu_ns": time(self.cpu),
            "memory_bytes": sizes.parse(self.memory) if self.memory is not None else 0,
            "max_running": self.running or 0,
            "rate": self.rate or 0.0,
            "burst": self.burst,
        }


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A checked task.toml. Make one with `parse`, which explains what is wrong."""

    name: str
    version: str
    entry: str
    description: str = ""
    lane: str = "regular"
    isolation: str = "vm"
    priority: Annotated[int, msgspec.Meta(ge=-100, le=100)] = 0
    events: tuple[str, ...] | None = None
    after: tuple[str, ...] | None = None  # tasks whose results it gets: a chain
    after_failure: str | None = None  # one of them was not done; None: skip
    limits: Limits = Limits()
    breaker: breakers.Rules = breakers.Rules()
    permissions: Permissions = Permissions()
    triggers: tuple[triggers.Trigger, ...] = ()
    models: tuple[models.Entry, ...] = ()  # loaded when the task is deployed
    flows: tuple[flows.Flow, ...] = ()
    tables: tuple[tables.Table, ...] = ()  # of features
    results_into: str | None = None  # a stream that its results are appended to, as events

    @property
    def entry_module(self) -> str:
        """The dotted module of ``entry``."""
        return self.entry.partition(":")[0]

    @property
    def entry_function(self) -> str:
        """The function's name in that module."""
        return self.entry.partition(":")[2]

    @property
    def starts_by_triggers(self) -> bool:
        """Whether a trigger starts it, rather than making it ready, or a flow of its own does."""
        by_flow = (each.into is None or each.into.task == self.name for each in self.flows)
        return any(each.action == "start" for each in self.triggers) or any(by_flow)

    @property
    def bundle_name(self) -> str:
        """The file name of the task's bundle."""
        return f"{self.name}-{self.version}.bundle"

    @property
    def order(self) -> tuple[tuple[int, ...], int, str]:
        """A sort key of versions: 1.0 = 1.0.0 < 1.2 < 1.10; 1.0-rc1 comes before 1.0."""
        match = _VERSION.fullmatch(self.version)
        assert match is not None, "parse() admits no other version"
        numbers = [int(number) for number in match[1].split(".")]
        while numbers and numbers[-1] == 0:
            numbers.pop()
        suffix = match[2] or ""
        return tuple(numbers), 0 if suffix else 1, suffix


def parse(text: bytes, where: str) -> Manifest:
    """Read the bytes of a task.toml; ``where`` names it in errors.

    Raises ManifestError, whose sentence names the file, the field and what to do.
    """
    if len(text) > MAX_BYTES:
        raise ManifestError(f"{where}: larger than {MAX_BYTES} bytes; a manifest is a few lines")
    try:
        table = tomllib.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ManifestError(f"{where}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ManifestError(f"{where}: not TOML: {error}") from None
    for field in table:
        if field not in Manifest.__struct_fields__:
            raise ManifestError(_unknown(where, field))
    for field in ("name", "version", "entry"):
        if field not in table:
            raise ManifestError(f"{where}: field {field!r} is missing; add {_example(field)}")
    try:
        manifest = msgspec.convert(table, Manifest)
    except msgspec.ValidationError as error:
        raise ManifestError(f"{where}: {_type_error(str(error))}") from None
    check(manifest, where)
    return manifest


def check(manifest: Manifest, where: str) -> None:
    """Refuse values that the fields' types allow and a manifest must not have."""
    if not _NAME.fullmatch(manifest.name):
        raise ManifestError(
            f"{where}: name {_short(manifest.name)} must be a lower-case letter followed by up to "
            "63 lower-case letters, digits and hyphens"
        )
    if not _VERSION.fullmatch(manifest.version):
        raise ManifestError(
            f"{where}: version {_short(manifest.version)} must be dotted numbers with an optional "
            'suffix, such as "1.2.0" or "1.2.0-rc1"'
        )
    module, colon, function = manifest.entry.partition(":")
    if not colon or not all(map(_identifier, module.split("."))) or not _identifier(function):
        raise ManifestError(
            f"{where}: entry {_short(manifest.entry)} must be module:function, such as "
            f"{_example('entry')}"
        )
    if manifest.lane not in LANES:
        raise ManifestError(
            f"{where}: lane {_short(manifest.lane)} must be one of {', '.join(LANES)}"
        )
    if manifest.isolation not in ISOLATIONS:
        raise ManifestError(
            f"{where}: isolation {_short(manifest.isolation)} must be one of "
            f"{', '.join(ISOLATIONS)}"
        )
    if manifest.events is not None and not manifest.events:
        raise ManifestError(
            f"{where}: events is empty, so no line would ever reach the task; name at least one "
            "event, or leave the field out to take every line"
        )
    triggers.check(manifest.triggers, where)
    models.check(manifest.models, where)
    flows.check(manifest.flows, where, manifest.name)
    tables.check(manifest.tables, where)
    _check_results_into(manifest.results_into, where)
    _check_after(manifest, where)
    _check_limits(manifest.limits, where)
    breakers.policy(manifest.breaker, where)
    _check_permissions(manifest, where)


def _check_results_into(stream: str | None, where: str) -> None:
    if stream is not None and not 1 <= len(stream.encode()) <= MAX_STREAM_BYTES:
        raise ManifestError(
            f"{where}: results_into {_short(stream)} must be the name of a stream, of 1 to "
            f"{MAX_STREAM_BYTES} bytes"
        )


def _check_after(manifest: Manifest, where: str) -> None:
    after, policy = manifest.after, manifest.after_failure
    if after is None:
        if policy is not None:
            raise ManifestError(
                f"{where}: after_failure says what to do when a task before this one fails, and "
                "there is none; name some in after, or take the field out"
            )
        return
    if not 1 <= len(after) <= MAX_AFTER or len(set(after)) < len(after):
        raise ManifestError(f"{where}: after names 1 to {MAX_AFTER} tasks, each once")
    for name in after:
        if not _NAME.fullmatch(name):
            raise ManifestError(f"{where}: after names {_short(name)}, which no task is called")
        if name == manifest.name:
            raise ManifestError(f"{where}: after names the task itself; take it out")
    if policy is not None and policy not in AFTER_FAILURE:
        raise ManifestError(
            f"{where}: after_failure {_short(policy)} must be one of {', '.join(AFTER_FAILURE)}"
        )
    if manifest.events is not None:
        raise ManifestError(
            f"{where}: a task with after gets its input from those tasks, and takes no lines; take "
            "events out, or after"
        )
    if manifest.starts_by_triggers:
        raise ManifestError(
            f"{where}: a task with after starts when those tasks are done, and has no triggers; "
            "give the triggers to the first of them, or take after out"
        )
    if manifest.isolation == "process":
        raise ManifestError(
            f'{where}: isolation "process" cannot be part of a chain; take after out, or run the '
            "task in a VM"
        )


def _check_limits(limits: Limits, where: str) -> None:
    for name in ("deadline", "timeout", "cpu", "memory"):
        text = getattr(limits, name)
        if text is None:
            continue
        parse, least = (sizes.parse, MIN_MEMORY) if name == "memory" else (durations.parse, 10**6)
        try:
            value = parse(text)
        except ValueError as error:
            raise ManifestError(f"{where}: limits.{name} {error}") from None
        if value < least:
            raise ManifestError(
                f"{where}: limits.{name} {_short(text)} is too little to run anything; it is at "
                f"least {'4MiB' if name == 'memory' else '1ms'}"
            )


def _check_permissions(manifest: Manifest, where: str) -> None:
    permissions = manifest.permissions
    _check_paths("read", permissions.read, where)
    _check_paths("write", permissions.write, where)
    for kind in ("network", "unconfined"):
        if getattr(permissions, kind) and manifest.isolation != "process":
            raise ManifestError(
                f"{where}: permissions.{kind} is for tasks in processes, and no VM has it; take it "
                'out, or add isolation = "process"'
            )
    if permissions.unconfined and permissions != Permissions(unconfined=True):
        raise ManifestError(
            f"{where}: permissions.unconfined permits everything, so the others say nothing; keep "
            "one or the others"
        )


def _check_paths(kind: str, paths: tuple[str, ...], where: str) -> None:
    if len(paths) > MAX_PATHS:
        raise ManifestError(f"{where}: permissions.{kind} has more than {MAX_PATHS} paths")
    for path in paths:
        plain = path.startswith("/") and "\0" not in path and len(path.encode()) <= MAX_PATH_BYTES
        if not plain or ".." in path.split("/"):
            raise ManifestError(
                f"{where}: permissions.{kind} names {_short(path)}; paths are absolute and without "
                '"..", such as "/srv/models"'
            )


def _identifier(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _example(field: str) -> str:
    value = {"name": "session-features", "version": "1.0.0", "entry": "main:run"}[field]
    return f'{field} = "{value}"'


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _unknown(where: str, field: str) -> str:
    close = difflib.get_close_matches(field, Manifest.__struct_fields__, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "take it out."
    known = ", ".join(Manifest.__struct_fields__)
    return f"{where}: field {_short(field)} is unknown; {hint} Known fields: {known}"


def _type_error(message: str) -> str:
    what, _, path = message.partition(" - at `$.")
    return f"field {path.rstrip('`')!r}: {what[0].lower()}{what[1:]}" if path else what
