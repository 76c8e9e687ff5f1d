"""Flows as authors write them: `[[flows]]` of a manifest or of a file of operators, and in Python.

    from polyvm.host.flows import stream

    flow = (
        stream("clicks")
        .filter("price > 10")
        .key_by("user")
        .window(tumbling="1m", n="count()", total="sum(price)")
        .into_table("per_minute")
    )

Both come to the same structs, and those to the declaration of engine/flow/declaration.h, which says
what the operators do. Expressions and aggregates are texts, read by polyvm.host.expressions; which
columns there are is known only when a flow is added to a host.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec

from polyvm.host import durations, expressions
from polyvm.host.errors import ManifestError, PolyvmError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FLOWS = 1000  # of one task or file
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_KEY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Names = str | tuple[str, ...]
Columns = dict[str, str]  # expressions, by the name of their column


class FlowError(PolyvmError):
    """A flow is not as it has to be."""


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows for which an expression does not hold are dropped."""

    filter: str

    def declared(self) -> dict[str, Any]:
        """As engine/flow/declaration.h writes it."""
        return {"filter": _tree(self.filter, "filter")}


class Map(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New columns; with ``keep`` false the others go."""

    map: Columns
    keep: bool = True

    def declared(self) -> dict[str, Any]:
        """As engine/flow/declaration.h writes it."""
        return {"map": {"columns": _columns(self.map, "map"), "keep": self.keep}}


class KeyBy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key of the windows, sequences and tops that follow: expressions, or such by name."""

    key_by: Names | Columns

    def declared(self) -> dict[str, Any]:
        """As engine/flow/declaration.h writes it."""
        given = self.key_by
        if not isinstance(given, dict):
            given = {text: text for text in _tuple(given)}
            for name in given:
                if not _KEY_NAME.fullmatch(name):
                    raise FlowError(
                        f"key_by: {name[:80]!r} is no column; give it a name: "
                        f"{{NAME = {name[:40]!r}}}"
                    )
        return {"key_by": _columns(given, "key_by")}


class Windows(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rows a window takes: one of these kinds."""

    tumbling: str | None = None  # size
    sliding: tuple[str, str] | None = None  # size and step
    session: str | None = None  # gap
    count: Annotated[int, msgspec.Meta(ge=1, le=2**62)] | None = None  # rows
    span: tuple[str, str] | None = None  # what opens and what closes it, expressions
    running: bool | None = None
    offset: str | None = None  # of tumbling and sliding ones
    timeout: str | None = None  # of spans

    def declared(self) -> dict[str, Any]:
        """The fields of a window's kind."""
        kinds = [
            kind
            for kind in ("tumbling", "sliding", "session", "count", "span", "running")
            if getattr(self, kind) is not None and getattr(self, kind) is not False
        ]
        if len(kinds) != 1:
            raise FlowError(
                "a window is one of tumbling, sliding, session, count, span and running"
            )
        fields: dict[str, Any] = {"kind": kinds[0]}
        if self.tumbling is not None:
            fields["size_ns"] = _ns(self.tumbling, "tumbling")
        if self.sliding is not None:
            fields["size_ns"] = _ns(self.sliding[0], "sliding")
            fields["step_ns"] = _ns(self.sliding[1], "sliding")
        if self.session is not None:
            fields["gap_ns"] = _ns(self.session, "session")
        if self.count is not None:
            fields["rows"] = self.count
        if self.span is not None:
            fields["open"] = _tree(self.span[0], "span")
            fields["close"] = _tree(self.span[1], "span")
        if self.offset is not None:
            fields["offset_ns"] = _ns(self.offset, "offset", signed=True)
        if self.timeout is not None:
            fields["timeout_ns"] = _ns(self.timeout, "timeout")
        return fields


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Aggregates of the rows of a window, by the name of their column."""

    window: Windows
    columns: Columns
    emit: str | None = None  # "close" or "update"
    ttl: str | None = None

    def declared(self) -> dict[str, Any]:
        """As engine/flow/declaration.h writes it."""
        fields = self.window.declared()
        fields["aggregates"] = [
            [name, *_aggregate(text, name)] for name, text in self.columns.items()
        ]
        if self.emit is not None:
            fields["emit"] = self.emit
        if self.ttl is not None:
            fields["ttl_ns"] = _ns(self.ttl, "ttl")
        return {"window": fields}


class Join(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows of another chain that have the same key, and times near one another."""

    join: Names  # its streams
    on: Columns  # an expression of the other side, by that of this side
    columns: Columns  # of left.NAME and right.NAME
    steps: tuple[dict[str, Any], ...] = ()  # of the other chain
    lower: str | None = None  # of the other one's time less this one's
    upper: str | None = None
    window: str | None = None  # instead: both in one tumbling window
    outer: bool = False

    def declared(self) -> dict[str, Any]:
        """As engine/flow/declaration.h writes it."""
        fields: dict[str, Any] = {
            "from": _tuple(self.join),
            "steps": [read_step(each).declared() for each in self.steps],
            "on": [[_tree(left, "on"), _tree(right, "on")] for left, right in self.on.items()],
            "columns": _columns(self.columns, "join"),
            "outer": self.outer,
        }
        for name in ("lower", "upper", "window"):
            text = getattr(self, name)
            if text is not None:
                fields[f"{name}_ns"] = _ns(text, name, signed=name != "window")
        return {"join": fields}


class Lookup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Features of a table at the row's time; columns: features by the name of their column."""

    lookup: str
    key: str
    columns: Names | Columns

    def declared(self) -> dict[str, Any]:
        """As engine/flow/declaration.h writes it."""
        given = self.columns
        pairs = given if isinstance(given, dict) else {name: name for name in _tuple(given)}
        key = _tree(self.key, "lookup")
        return {"lookup": {"table": self.lookup, "key": key, "columns": list(pairs.items())}}


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A column with the names of the conditions that hold."""

    rules: Columns
    column: str = "rules"

    def declared(self) -> dict[str, Any]:
        """As engine/flow/declaration.h writes it."""
        return {"rules": {"column": self.column, "rules": _columns(self.rules, "rules")}}


class Sequence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows of a key that follow one another: conditions by the names of the steps."""

    sequence: Columns
    columns: Columns  # of STEP.NAME
    within: str | None = None
    ttl: str | None = None

    def declared(self) -> dict[str, Any]:
        """As engine/flow/declaration.h writes it."""
        fields: dict[str, Any] = {
            "steps": _columns(self.sequence, "sequence"),
            "columns": _columns(self.columns, "sequence"),
        }
        for name in ("within", "ttl"):
            text = getattr(self, name)
            if text is not None:
                fields[f"{name}_ns"] = _ns(text, name)
        return {"sequence": fields}


class Top(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first rows of each tumbling window, the greatest first."""

    top: Annotated[int, msgspec.Meta(ge=1)]
    by: str
    size: str
    ties: bool = False

    def declared(self) -> dict[str, Any]:
        """As engine/flow/declaration.h writes it."""
        fields = {"n": self.top, "by": _tree(self.by, "top"), "size_ns": _ns(self.size, "size")}
        return {"top": {**fields, "ties": self.ties}}


Step = Filter | Map | KeyBy | Window | Join | Lookup | Rules | Sequence | Top
STEPS: dict[str, type[Step]] = {
    "filter": Filter,
    "map": Map,
    "key_by": KeyBy,
    "join": Join,
    "lookup": Lookup,
    "rules": Rules,
    "sequence": Sequence,
    "top": Top,
    "window": Window,  # last: a join has a field of that name
}


class Into(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where rows go: one of these three."""

    table: str | None = None
    stream: str | None = None
    task: str | None = None
    key: str | None = None  # an expression; None: the last key, or else the event's
    merge: bool = False  # of a table: columns that a row does not have stay

    def declared(self) -> dict[str, Any]:
        """As engine/flow/declaration.h writes it."""
        fields: dict[str, Any] = {
            name: value
            for name in ("table", "stream", "task")
            if (value := getattr(self, name)) is not None
        }
        if self.key is not None:
            fields["key"] = _tree(self.key, "key")
        return {**fields, "merge": self.merge}

    @property
    def words(self) -> str:
        """Such as "table seen"."""
        kind = "table" if self.table else "stream" if self.stream else "task"
        return f"{kind} {getattr(self, kind)}"


class Flow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One flow."""

    name: str
    from_: Names = msgspec.field(name="from")
    steps: tuple[dict[str, Any], ...] = ()
    into: Into | None = None  # None: the task whose manifest has it
    lateness: str | None = None
    idle: str | None = None  # after which a silent stream does not hold time back; a second
    late_into: str | None = None  # a stream for events that came too late
    arrival: bool = False
    catch_up: bool = False  # begin with what is kept of its streams

    def declaration(self, name: str | None = None, into: Into | None = None) -> bytes:
        """The MessagePack that the engine takes. Raises FlowError, ExpressionError."""
        goes = self.into or into
        if goes is None:
            raise FlowError(f"flow {self.name}: into is missing: a table, a stream or a task")
        return msgspec.msgpack.encode(
            {
                "name": name or self.name,
                "from": _tuple(self.from_),
                "lateness_ns": _ns(self.lateness, "lateness", zero=True) if self.lateness else 0,
                "idle_ns": _ns(self.idle, "idle") if self.idle else 0,
                "late_into": self.late_into,
                "arrival": self.arrival,
                "steps": [read_step(each).declared() for each in self.steps],
                "into": goes.declared(),
            }
        )

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams that its first chain takes."""
        return _tuple(self.from_)


def check(flows: tuple[Flow, ...], where: str, task: str | None = None) -> None:
    """Refuse, with a ManifestError, what can be told without a host."""
    if len(flows) > MAX_FLOWS:
        raise ManifestError(f"{where}: {len(flows)} flows; there may be {MAX_FLOWS}")
    names = [flow.name for flow in flows]
    for flow in flows:
        if not _NAME.fullmatch(flow.name):
            raise ManifestError(
                f"{where}: flow name {flow.name[:80]!r} must be lower-case letters, digits, _ and "
                "-, up to 64"
            )
        if names.count(flow.name) > 1:
            raise ManifestError(f"{where}: two flows are called {flow.name!r}")
        try:
            flow.declaration(into=Into(task=task) if task is not None else None)
        except PolyvmError as error:
            said = str(error).removeprefix(f"flow {flow.name}: ")
            raise ManifestError(f"{where}: flow {flow.name}: {said}") from None


def read_step(written: Mapping[str, Any]) -> Step:
    """Read a step, a map with the name of an operator in it. Raises FlowError."""
    for word, kind in STEPS.items():
        if word not in written:
            continue
        try:
            return msgspec.convert(written, kind)
        except msgspec.ValidationError as error:
            raise FlowError(f"step {word}: {error}") from None
    raise FlowError(f"a step is one of {', '.join(STEPS)}, not {', '.join(written) or 'nothing'}")


# ---- In Python -----------------------------------------------------------------------


def stream(
    *names: str,
    lateness: str | None = None,
    idle: str | None = None,
    late_into: str | None = None,
    arrival: bool = False,
) -> Chain:
    """Begin a flow with the events of these streams.

    lateness: how long its windows wait for events that are late, such as "5s". idle: after how long
    a stream that is silent does not hold the others back. late_into: a stream for events that came
    too late. arrival: an event's time is that of its coming.
    """
    begun = Flow(
        name="",
        from_=names,
        lateness=lateness,
        idle=idle,
        late_into=late_into,
        arrival=arrival,
    )
    return Chain(begun, ())


class Chain:
    """A flow that is being written. Every method returns a longer one, and changes nothing."""

    def __init__(self, begun: Flow, steps: tuple[Step, ...]) -> None:
        self._begun = begun
        self._steps = steps

    def _with(self, step: Step) -> Self:
        step.declared()  # it checks
        return type(self)(self._begun, (*self._steps, step))

    def filter(self, condition: str) -> Self:
        """Go on with the rows for which it holds."""
        return self._with(Filter(filter=condition))

    def map(self, *, keep: bool = True, **columns: str) -> Self:
        """Compute columns; without ``keep`` the others go."""
        return self._with(Map(map=columns, keep=keep))

    def key_by(self, *names: str, **columns: str) -> Self:
        """Say what the windows, sequences and tops that follow go by."""
        return self._with(KeyBy(key_by={**{name: name for name in names}, **columns}))

    def window(
        self,
        *,
        tumbling: str | None = None,
        sliding: tuple[str, str] | None = None,
        session: str | None = None,
        count: int | None = None,
        span: tuple[str, str] | None = None,
        running: bool | None = None,
        offset: str | None = None,
        timeout: str | None = None,
        emit: str | None = None,
        ttl: str | None = None,
        columns: Columns | None = None,
        **named: str,
    ) -> Self:
        """Aggregate the rows of windows of one kind; columns that are called so go in columns."""
        windows = Windows(
            tumbling=tumbling,
            sliding=sliding,
            session=session,
            count=count,
            span=span,
            running=running,
            offset=offset,
            timeout=timeout,
        )
        both = {**(columns or {}), **named}
        return self._with(Window(window=windows, columns=both, emit=emit, ttl=ttl))

    def join(
        self,
        other: Chain,
        *,
        on: Columns,
        columns: Columns,
        lower: str | None = None,
        upper: str | None = None,
        window: str | None = None,
        outer: bool = False,
    ) -> Self:
        """Meet the rows of another chain; on: its expressions by those of this one."""
        return self._with(
            Join(
                join=other._begun.streams,
                steps=tuple(map(_written, other._steps)),
                on=on,
                columns=columns,
                lower=lower,
                upper=upper,
                window=window,
                outer=outer,
            )
        )

    def lookup(self, table: str, key: str, *names: str, **columns: str) -> Self:
        """Take features of a table, by the names of their columns."""
        both = {**{name: name for name in names}, **columns}
        return self._with(Lookup(lookup=table, key=key, columns=both))

    def rules(self, column: str = "rules", /, **rules: str) -> Self:
        """Name the conditions that hold."""
        return self._with(Rules(rules=rules, column=column))

    def sequence(
        self,
        *,
        columns: Columns,
        within: str | None = None,
        ttl: str | None = None,
        **steps: str,
    ) -> Self:
        """Find rows that follow one another."""
        return self._with(Sequence(sequence=steps, columns=columns, within=within, ttl=ttl))

    def top(self, n: int, *, by: str, size: str, ties: bool = False) -> Self:
        """Go on with the greatest rows of each tumbling window."""
        return self._with(Top(top=n, by=by, size=size, ties=ties))

    def into_table(
        self, table: str, *, key: str | None = None, merge: bool = False, name: str | None = None
    ) -> Flow:
        """End in a table of features. name: of the flow; the table's by default."""
        return self.into(Into(table=table, key=key, merge=merge), name or table)

    def into_stream(self, stream: str, *, key: str | None = None, name: str | None = None) -> Flow:
        """End in another stream."""
        return self.into(Into(stream=stream, key=key), name or stream)

    def into_task(self, task: str, *, key: str | None = None, name: str | None = None) -> Flow:
        """End in a task, which is started with each row."""
        return self.into(Into(task=task, key=key), name or task)

    def into(self, into: Into, name: str, *, catch_up: bool = False) -> Flow:
        """End wherever this says."""
        begun = self._begun
        return Flow(
            name=name,
            from_=begun.from_,
            steps=tuple(map(_written, self._steps)),
            into=into,
            lateness=begun.lateness,
            idle=begun.idle,
            late_into=begun.late_into,
            arrival=begun.arrival,
            catch_up=catch_up,
        )


# ---- Parts ---------------------------------------------------------------------------


def _written(step: Step) -> dict[str, Any]:
    """A step as it is written in a file."""
    plain: dict[str, Any] = msgspec.to_builtins(step)
    return {name: value for name, value in plain.items() if value is not None}


def _tuple(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _tree(text: str, where: str) -> expressions.Tree:
    try:
        return expressions.parse(text)
    except expressions.ExpressionError as error:
        raise FlowError(f"{where}: {error}") from None


def _aggregate(text: str, column: str) -> list[Any]:
    try:
        return expressions.parse_aggregate(text)
    except expressions.ExpressionError as error:
        raise FlowError(f"column {column}: {error}") from None


def _columns(columns: Columns, where: str) -> list[list[Any]]:
    if not columns:
        raise FlowError(f"{where}: it names nothing")
    return [[name, _tree(text, f"{where}: {name}")] for name, text in columns.items()]


def _ns(text: str, where: str, *, signed: bool = False, zero: bool = False) -> int:
    negative = signed and text.startswith("-")
    try:
        found = durations.parse(text[1:] if negative else text)
    except ValueError as error:
        raise FlowError(f"{where} {error}") from None
    if found == 0 and not signed and not zero:
        raise FlowError(f"{where} {text!r} leaves no time")
    return -found if negative else found
