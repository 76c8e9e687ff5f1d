"""The Python face of libpolyvm: programs, VMs and executors.

Everything here is a thin, typed layer over `vm/include/vm.h`, which states the limits.
Payloads and results are MessagePack bytes. Calls that wait release the host's GIL.
"""

from .batch import Array, Batch, Completion, Outcome
from .chain import AfterFailure, ChainNode
from .columns import Column, ColumnError, ColumnKind, pack_columns
from .confinement import process_filter, process_ruleset
from .errors import (
    BreakerOpen,
    BytecodeError,
    DecodeError,
    EntryError,
    ForkedError,
    QueueFull,
    RateLimited,
    StateError,
    StoreError,
    UnknownTask,
    VmError,
    WrongThread,
)
from .event_store import (
    NESTED,
    NO_TEXT,
    EventColumn,
    EventStore,
    Level,
    Sealing,
    StreamStats,
    rekey,
    seal_stream,
)
from .executor import (
    AddOptions,
    Executor,
    Lane,
    Limits,
    SubmitOptions,
    TaskStats,
    ThreadStats,
)
from .external import ExternalTasks, Ticket
from .features import LATEST, Features, PutReport, TableStats
from .flows import Flows, FlowStats
from .library import Info, info, report_crashes
from .logs import LogRecord, collect_logs
from .machine import Vm, VmStats
from .memory import Memory, protect_process, wipe
from .messages import Message, expanded, holding
from .program import Module, Program
from .traces import Stage, Trace
from .triggers import (
    DEPTH_MAX,
    EventBatch,
    Fired,
    Ingestion,
    IntakeStats,
    TriggerMode,
    Triggers,
    TriggersStats,
    TriggerStats,
)

__all__ = [
    "DEPTH_MAX",
    "LATEST",
    "NESTED",
    "NO_TEXT",
    "AddOptions",
    "AfterFailure",
    "Array",
    "Batch",
    "BreakerOpen",
    "BytecodeError",
    "ChainNode",
    "Column",
    "ColumnError",
    "ColumnKind",
    "Completion",
    "DecodeError",
    "EntryError",
    "EventBatch",
    "EventColumn",
    "EventStore",
    "Executor",
    "ExternalTasks",
    "Features",
    "Fired",
    "FlowStats",
    "Flows",
    "ForkedError",
    "Info",
    "Ingestion",
    "IntakeStats",
    "Lane",
    "Level",
    "Limits",
    "LogRecord",
    "Memory",
    "Message",
    "Module",
    "Outcome",
    "Program",
    "PutReport",
    "QueueFull",
    "RateLimited",
    "Sealing",
    "Stage",
    "StateError",
    "StoreError",
    "StreamStats",
    "SubmitOptions",
    "TableStats",
    "TaskStats",
    "ThreadStats",
    "Ticket",
    "Trace",
    "TriggerMode",
    "TriggerStats",
    "Triggers",
    "TriggersStats",
    "UnknownTask",
    "Vm",
    "VmError",
    "VmStats",
    "WrongThread",
    "collect_logs",
    "expanded",
    "holding",
    "info",
    "pack_columns",
    "process_filter",
    "process_ruleset",
    "protect_process",
    "rekey",
    "report_crashes",
    "seal_stream",
    "wipe",
]
