/* vm.h - PolyVM's interpreter host: many Python VMs in one process.
**
** This header is the manual of libpolyvm. Limits first:
**
** - One runtime per process and flavour. It starts once and is never finalised:
**   it lives until the process ends. Do not dlclose the library.
** - After fork() the child must not use the library: every call there returns
**   PVM_E_FORKED. Fork before pvm_runtime_start, or use another process.
** - A VM belongs to the thread that created it. Any other thread that passes it
**   to a function gets PVM_E_THREAD; nothing is touched.
** - VMs run bytecode only. Source text cannot be compiled in them, except in the
**   toolchain flavour, which exports pvm_compile and serves the packer.
** - A VM is no sandbox: code in it is trusted to be well meant, not to be correct.
**   A segmentation fault in a VM ends the process.
** - Python threads, processes, sockets, signals and raw file descriptors are not
**   available in a VM. Files can be opened by path, but on an executor's workers only
**   those that the program permits (see pvm_program_permit), by Landlock and seccomp.
** - Values cross as MessagePack: nil, bool, integers of 64 bits, float64, str, bin,
**   array, map, and two extension types for arrays of the tensor engine
**   (engine/bindings/pack.h): 1 has its elements, 2 names a shared array of this process.
**   Nesting is limited to PVM_MAX_DEPTH.
** - Process-wide state (working directory, umask, locale, environ) is the host's;
**   VMs can neither change it nor see the host's environment.
** - Only glibc-based Linux is supported today. Nothing here is x86-only.
**
** Conventions: functions return PVM_OK (0) or a negative pvm_status, unless their
** comment says otherwise. `err` arguments may be NULL; otherwise they receive one
** sentence. Buffers handed in stay the caller's; buffers handed out are released
** with pvm_buffer_free. All text is UTF-8.
*/
#ifndef PVM_VM_H
#define PVM_VM_H

#ifndef PVM_CDEF /* the cffi binding reads the rest of this file as its cdef */
#include <stddef.h>
#include <stdint.h>
#if defined(__GNUC__)
#define PVM_API __attribute__((visibility("default")))
#else
#define PVM_API
#endif
#else
#define PVM_API
#endif

#define PVM_ABI_VERSION 1
#define PVM_MAX_DEPTH 128   /* nesting of arrays and maps in a payload or a result */
#define PVM_NAME_MAX 128    /* bytes in a task or module name, without the final 0 */
#define PVM_ERR_MAX 512     /* bytes that an `err` text needs, with the final 0 */
#define PVM_MAX_WORKERS 256 /* worker threads of one executor, all groups together */
#define PVM_PRIORITY_MAX 100           /* priorities: -100 to 100, the higher sooner */
#define PVM_PRIORITY_STEP_NS 100000000 /* of waiting, that one step of priority is worth */
#define PVM_MEMORY_MIN (4u << 20) /* bytes: the smallest memory limit of a task */
#define PVM_POLICY_PATHS 16 /* paths of one program's permissions, for each access */
#define PVM_CHAIN_TASKS_MAX 64 /* tasks that one trigger may start, the first included */

typedef enum pvm_status {
  PVM_OK = 0,
  PVM_E_NOMEM = -1,    /* memory could not be had */
  PVM_E_INVALID = -2,  /* an argument is out of its stated range */
  PVM_E_STATE = -3,    /* not in this state: runtime not started, executor stopped, ... */
  PVM_E_THREAD = -4,   /* the VM belongs to another thread */
  PVM_E_FORKED = -5,   /* this process is a fork of the one that started the runtime */
  PVM_E_PYTHON = -6,   /* CPython refused; `err` has its words */
  PVM_E_ENTRY = -7,    /* the entry point is missing or not callable */
  PVM_E_DECODE = -8,   /* payload is not the MessagePack that VMs accept */
  PVM_E_FULL = -9,     /* the queue is full: try again later or shed load */
  PVM_E_UNKNOWN = -10, /* no such task */
  PVM_E_COMPILE = -11, /* source text does not compile (toolchain flavour) */
  PVM_E_OS = -12,      /* a system call failed; `err` names it */
  PVM_E_BYTECODE = -13, /* a module's code is damaged or of another compiler */
  PVM_E_BREAKER = -14, /* the task's circuit breaker is open: it failed too often */
  PVM_E_RATE = -15,    /* more invocations than the task's rate allows */
  PVM_E_STORE = -16    /* the event store did not take it, or cannot be opened: the disk */
} pvm_status;

/* How an invocation ended. The host and the documents use the same words. */
typedef enum pvm_outcome {
  PVM_DONE = 0,      /* data = MessagePack of the returned value */
  PVM_FAILED = 1,    /* the task raised; data = UTF-8 traceback */
  PVM_TIMED_OUT = 2, /* stopped at its deadline */
  PVM_OVER_QUOTA = 3,
  PVM_CRASHED = 4,
  PVM_CANCELLED = 5, /* by pvm_cancel, a chain, or the executor stopped; data = the reason */
  PVM_REJECTED = 6   /* never accepted; data = the reason */
} pvm_outcome;

typedef enum pvm_lane { PVM_LANE_CORE = 0, PVM_LANE_REGULAR = 1, PVM_LANE_LOW = 2 } pvm_lane;
#define PVM_LANES 3

/* A static sentence for a status; "unknown status" for any other number. */
PVM_API const char *pvm_strerror(int status);
/* "done", "failed", ... ; NULL for a number that is none. */
PVM_API const char *pvm_outcome_name(int outcome);

/* ---- Runtime ------------------------------------------------------------ */

typedef struct pvm_info {
  int abi_version;              /* PVM_ABI_VERSION of the library */
  const char *flavour;          /* "isolated", "free-threaded" */
  const char *release;          /* CPython's, such as "3.13.15" */
  const char *compiler;         /* what built it */
  const char *build;            /* "pgo" or "quick": how the SDK was optimised */
  int has_compiler;             /* 1 in the toolchain library */
  uint32_t bytecode_magic;      /* first 4 bytes of a .pyc, little endian */
  uint32_t builtin_modules;     /* C modules linked in */
  uint32_t frozen_modules;      /* Python modules frozen in */
  size_t frozen_bytes;          /* size of their bytecode */
  int landlock_abi;             /* of the running kernel; 0: it has no Landlock */
  int has_seccomp;              /* 1: the running kernel filters system calls */
} pvm_info;

/* May be called before the runtime starts. */
PVM_API int pvm_runtime_info(pvm_info *info);
/* Names of the modules linked or frozen in, one a line; static. */
PVM_API const char *pvm_runtime_modules(void);
/* Start CPython's main interpreter, which runs no task. Idempotent, thread-safe. */
PVM_API int pvm_runtime_start(char *err);

/* ---- Buffers ------------------------------------------------------------ */

typedef struct pvm_held pvm_held; /* see "Shared arrays" */

typedef struct pvm_buffer {
  void *data;     /* NULL if len is 0 */
  size_t len;     /* bytes */
  pvm_held *held; /* what the shared arrays in it need; NULL: nothing */
} pvm_buffer;

PVM_API void pvm_buffer_free(pvm_buffer *buffer);

/* ---- Shared arrays ------------------------------------------------------ */

/* An array that was shared crosses between VMs, and to the host and back, without its elements: the
** message has a handle, some bytes that say which. A handle is no reference. The library sees to
** it that shared arrays live as long as a message that it keeps itself: a queued payload, a result
** until the pvm_buffer or pvm_batch with it is freed, an event that a partial match holds. Who
** keeps a copy of such bytes holds what they need, or finds the array gone later, which is an
** error of whoever reads it and nothing worse.
**
** Journals, and payloads of tasks that the host runs itself, have the elements instead. */

/* References to the shared arrays that a MessagePack value names and that are still there, to be
** freed. NULL if there are none. Any thread may free it. */
PVM_API pvm_held *pvm_hold(const void *data, size_t len);
PVM_API void pvm_held_free(pvm_held *held);
/* The value with elements in the place of handles: 1; 0: it has no handles, and `out` is empty.
** PVM_E_DECODE if an array is gone. */
PVM_API int pvm_expand(const void *data, size_t len, pvm_buffer *out);

/* ---- Secrets ------------------------------------------------------------ */

/* Page-aligned memory, zeroed, that core dumps leave out and that is wiped when the last
** reference to it goes. NULL without memory. Usable from any thread. */
typedef struct pvm_region pvm_region;

PVM_API pvm_region *pvm_region_new(size_t len);
PVM_API void *pvm_region_data(pvm_region *region);
PVM_API void pvm_region_release(pvm_region *region);
/* Overwrite with zeros, in a way that no optimiser leaves out. */
PVM_API void pvm_wipe(void *data, size_t len);
/* For a process that holds keys, for good: no core dumps, no other process of the same user
** may trace it or read its memory, and what VMs free is overwritten. */
PVM_API int pvm_process_protect(char *err);

/* ---- Programs ----------------------------------------------------------- */

/* The code and assets of one version of one task: immutable once finished, shared by
** all VMs without a copy, reference-counted, usable from any thread, wiped at their end. */
typedef struct pvm_program pvm_program;

enum { PVM_MODULE_PACKAGE = 1 }; /* flag of pvm_program_add_module: has submodules */

/* entry is "module:function". NULL if a name is empty, too long, or memory is out. */
PVM_API pvm_program *pvm_program_new(const char *name, const char *version, const char *entry);
/* code: a marshalled code object, that is a .pyc without its 16-byte header; copied.
** PVM_E_BYTECODE with the reason in `err` for what CPython's compiler cannot have written:
** damage is found here, not by a crash. No defence against bytecode made on purpose. */
PVM_API int pvm_program_add_module(pvm_program *program, const char *module, int flags,
                                   const void *code, size_t len, char *err);
PVM_API int pvm_program_add_asset(pvm_program *program, const char *path, const void *data,
                                  size_t len);
/* An asset without a copy: the region's data, which must not change after this. */
PVM_API int pvm_program_add_region(pvm_program *program, const char *path, pvm_region *region);
/* Let the program's VMs open what lies beneath an absolute path; by default they open no
** file at all. Only an executor's workers are held to it. */
typedef enum pvm_access { PVM_READ = 0, PVM_WRITE = 1 /* and read */ } pvm_access;
PVM_API int pvm_program_permit(pvm_program *program, pvm_access access, const char *path);
/* No additions after this; required before use. PVM_E_ENTRY without the entry's module. */
PVM_API int pvm_program_finish(pvm_program *program, char *err);
PVM_API pvm_program *pvm_program_retain(pvm_program *program);
PVM_API void pvm_program_release(pvm_program *program);

/* ---- VMs, one by one ---------------------------------------------------- */

/* What an executor does for many tasks, by hand for one. A thread may own several
** VMs; at each call the library switches to the one named. */
typedef struct pvm_vm pvm_vm;

typedef struct pvm_vm_stats {
  uint64_t id;              /* never reused in a process */
  uint64_t generation;      /* number of resets */
  uint64_t calls;           /* pvm_vm_call so far, all generations */
  size_t bytes;             /* memory that the VM holds now: arenas and blocks */
  size_t peak_bytes;        /* its maximum in this generation */
  uint64_t create_ns;       /* time that the last create or reset took */
} pvm_vm_stats;

PVM_API int pvm_vm_create(pvm_vm **vm, char *err);
/* Import the entry's module and find the entry. On failure the VM is clean again
** after pvm_vm_reset; `error` receives the traceback, if there is one. */
PVM_API int pvm_vm_load(pvm_vm *vm, pvm_program *program, pvm_buffer *error, char *err);
/* Call the entry with one positional argument. Returns the outcome (>= 0), with its
** data in `result`, or a negative status. A payload that cannot be decoded gives
** PVM_E_DECODE, an unencodable result PVM_FAILED. */
PVM_API int pvm_vm_call(pvm_vm *vm, const void *payload, size_t len, pvm_buffer *result,
                        char *err);
/* Back to the state after pvm_vm_create: a new interpreter in the same handle, the
** memory of the old one returned whole. */
PVM_API int pvm_vm_reset(pvm_vm *vm, char *err);
/* End the interpreter and return its memory whole; the handle is gone. */
PVM_API int pvm_vm_retire(pvm_vm *vm);
PVM_API int pvm_vm_stats_get(pvm_vm *vm, pvm_vm_stats *stats);

/* ---- Executor ----------------------------------------------------------- */

/* Worker threads, each with VMs of its own, fed from one bounded queue. A task gets a
** VM on each worker that runs it and keeps it, warm, until the task is withdrawn or
** the worker needs its place for another task. Invocations of one task on one worker
** therefore share module state; state is never shared between tasks.
**
** Each lane has workers of its own and a bounded queue of its own, so that what a lane has
** to wait for is its own work. Within a lane invocations run by priority, then deadline, then
** arrival; waiting makes up for priority, so that nothing waits for ever. Idle workers of the
** regular lane help the core lane, and, but for one of them, the low lane. While the core lane
** has work and more threads run than there are cores, low runs pause at a bytecode boundary,
** for at most 50 ms at a time; that is no time of theirs.
**
** Workers come in groups, each for one lane and confined for good to one set of permissions.
** The first permits nothing and is of the regular lane; every other is started when a task
** first asks for it, counts towards PVM_MAX_WORKERS, and stays until the executor stops. */
typedef struct pvm_executor pvm_executor;

typedef struct pvm_executor_config {
  uint32_t workers;        /* of the regular lane: 1 to PVM_MAX_WORKERS */
  uint32_t core_workers;   /* reserved for the core lane: at least 1 */
  uint32_t low_workers;    /* reserved for the low lane: at least 1 */
  uint32_t max_pending;    /* of a lane, accepted and not yet collected; 1 to 2^24 */
  uint32_t vms_per_worker; /* VMs kept at most; the least recently used one goes first */
  uint32_t warm_vms;       /* clean VMs that each worker holds ready */
  uint32_t spin_us;        /* how long an idle worker looks for work before it sleeps */
  uint32_t confine;        /* 1: hold workers to permissions, as far as the kernel can; 0: do not */
  uint32_t preempt;        /* 1: low runs pause for the core lane; 0: they do not */
  const char *journal;     /* a file to make, see below; NULL: none. The caller's string */
  uint64_t journal_bytes;  /* its size: a MiB at least */
  uint64_t epoch;          /* 1 to 2^23 - 1, another for each process: ids of invocations have it */
  uint32_t grace_ms;       /* how long a task that must stop may take to do so; 1 to 60000 */
} pvm_executor_config;

/* With a journal, what is accepted is in a file until its completion has been collected and
** pvm_collect is called again, with one thread collecting. The file outlives every death of the
** process, though not of the machine; whoever starts the next one reads it (host/journal.py) and
** submits again what had not been collected. Payloads stand in it as they are. */

/* Sensible defaults for every field but workers, which becomes the number of cores. */
PVM_API void pvm_executor_config_init(pvm_executor_config *config);
PVM_API int pvm_executor_start(const pvm_executor_config *config, pvm_executor **executor,
                               char *err);
/* Refuse new work, let accepted work finish for up to drain_ms, cancel the rest, join the
** workers. A task that does not stop within grace_ms is left to its thread; its invocation
** ends as cancelled all the same. Completions stay collectable. Returns the number of cancelled
** invocations. */
PVM_API int pvm_executor_stop(pvm_executor *executor, uint32_t drain_ms);
/* Only after stop; uncollected completions are dropped. */
PVM_API void pvm_executor_free(pvm_executor *executor);

typedef struct pvm_executor_stats {
  uint32_t pending[PVM_LANES]; /* by lane: invocations accepted and not yet collected */
  uint32_t unfinished; /* of these, not yet ended */
  uint32_t threads;    /* worker threads */
  uint32_t stuck;      /* threads given up, replaced, and not yet back */
  uint32_t unserved;   /* workers for whose stuck thread no other could be had */
  uint64_t pauses;     /* of low runs in favour of the core lane, so far */
} pvm_executor_stats;

PVM_API int pvm_executor_stats_get(pvm_executor *executor, pvm_executor_stats *stats);

/* ---- Circuit breakers --------------------------------------------------- */

/* A task that keeps failing rests a while: its breaker opens, and refuses its invocations; after
** a cool-down it is half-open and lets a few trials in. The first trial that succeeds closes
** it, one that fails opens it again for twice as long. It belongs to the task's name: a new
** version begins with a closed one. */
#define PVM_BREAKER_CRASHES_MAX 16 /* the latest crashes that are remembered */
#define PVM_BREAKER_WINDOW_MIN 1000000u

typedef enum pvm_breaker_state {
  PVM_BREAKER_CLOSED = 0,
  PVM_BREAKER_OPEN = 1,
  PVM_BREAKER_HALF_OPEN = 2
} pvm_breaker_state;

/* What an operator says; it stands above the rules until PVM_BREAKER_AUTO. */
typedef enum pvm_breaker_hold {
  PVM_BREAKER_AUTO = 0,
  PVM_BREAKER_HOLD_OPEN = 1,
  PVM_BREAKER_HOLD_CLOSED = 2
} pvm_breaker_hold;

typedef enum pvm_breaker_reason {
  PVM_BREAKER_NONE = 0, /* closed */
  PVM_BREAKER_CONSECUTIVE = 1,
  PVM_BREAKER_RATE = 2,
  PVM_BREAKER_TIMEOUTS = 3,
  PVM_BREAKER_CRASHES = 4,
  PVM_BREAKER_OPERATOR = 5
} pvm_breaker_reason;

/* Failures are failed, timed_out, over_quota and crashed; cancelled and rejected do not count.
** 0 switches a rule off. All zeros: it opens for operators only. */
typedef struct pvm_breaker_policy {
  uint32_t consecutive;  /* failures in a row */
  uint32_t rate_percent; /* of the calls in the window that fail, looked at when one does */
  uint32_t min_calls;    /* in the window, for the rate to mean anything */
  uint32_t timeouts;     /* timed_out in a row, anything else between breaks the row */
  uint32_t crashes;      /* within crash_window_ns, successes or not; to PVM_BREAKER_CRASHES_MAX */
  uint32_t trials;       /* let in at a time when half-open; at least 1 if a rule is on */
  uint64_t window_ns;    /* of the rate; at least PVM_BREAKER_WINDOW_MIN if that rule is on */
  uint64_t crash_window_ns; /* 0: since the version came */
  uint64_t open_ns;         /* the first cool-down; at least 1 if a rule is on */
  uint64_t max_open_ns;     /* the longest; at least open_ns */
  uint64_t trial_wait_ns;   /* trials that are not back after this are given up; 0: never */
} pvm_breaker_policy;

/* What a reader sees, and what is kept over a restart. Durations, for clocks start anew. */
typedef struct pvm_breaker_snapshot {
  uint32_t state;           /* pvm_breaker_state */
  uint32_t hold;            /* pvm_breaker_hold */
  uint32_t reason;          /* pvm_breaker_reason: why it is not closed */
  uint32_t changes;         /* as pvm_breaker_changes */
  uint32_t failures;        /* in a row; when open, those that opened it */
  uint32_t timeouts;        /* in a row */
  uint32_t trials;          /* out now */
  uint32_t openings;        /* without a success in between: each doubles the cool-down */
  uint64_t opened;          /* openings ever */
  uint64_t refused;         /* by this process */
  uint64_t age_ns;          /* of the state */
  uint64_t remaining_ns;    /* of the cool-down; 0 unless open by a rule */
  uint64_t window_calls;    /* 0 unless the rule of the rate is on */
  uint64_t window_failures; /* of these */
  uint32_t crashes;         /* remembered, latest last */
  uint64_t crash_age_ns[PVM_BREAKER_CRASHES_MAX];
} pvm_breaker_snapshot;

/* How a task's invocations are treated. Where nothing else is said, 0 is "no limit".
**
** What goes over a limit is stopped step by step: `polyvm.Interrupted`, which is no
** Exception, is raised in the task, and again every 10 ms; system calls that wait are
** interrupted. A task that has not ended grace_ms later loses its thread, and another thread
** takes its place. Either way the invocation ends as PVM_TIMED_OUT or PVM_OVER_QUOTA and the
** task's VM is not used again. */
typedef struct pvm_task_config {
  pvm_lane lane;         /* PVM_LANE_REGULAR */
  int32_t priority;      /* within the lane, against waiting time: see PVM_PRIORITY_STEP_NS */
  uint64_t deadline_ns;  /* from acceptance to the end */
  uint64_t timeout_ns;   /* of one run, from its start; loading counts */
  uint64_t cpu_ns;       /* processor time of one run */
  uint64_t memory_bytes; /* of each VM of the task; at least PVM_MEMORY_MIN */
  uint32_t max_running;  /* at once; the others wait */
  uint32_t burst;        /* accepted at once when none came for a while; 0: 1 */
  double rate;           /* accepted a second, beyond which PVM_E_RATE */
  pvm_breaker_policy breaker;
} pvm_task_config;

PVM_API void pvm_task_config_init(pvm_task_config *config);
/* Add one version of a task; returns its id (> 0) or a negative status. Replacing a
** version is: add the new one, send new work to its id, withdraw the old one. The calling
** thread must not be confined itself. config may be NULL. PVM_E_OS if a path of the program's
** permissions cannot be opened, or there is no room for another group of workers. */
PVM_API int64_t pvm_task_add(pvm_executor *executor, pvm_program *program,
                             const pvm_task_config *config, char *err);
PVM_API int pvm_task_breaker_read(pvm_executor *executor, int64_t task,
                                  pvm_breaker_snapshot *snapshot);
/* Go on where an earlier process stood; before the task's first invocation. PVM_E_INVALID for
** numbers that pvm_task_breaker_read does not write. */
PVM_API int pvm_task_breaker_restore(pvm_executor *executor, int64_t task,
                                     const pvm_breaker_snapshot *snapshot);
/* An operator's order. PVM_BREAKER_AUTO: by the rules again, and closed at first, whoever opened
** it. */
PVM_API int pvm_task_breaker_force(pvm_executor *executor, int64_t task, pvm_breaker_hold hold);
/* An invocation of it ended with an earlier process. */
PVM_API int pvm_task_breaker_crashed(pvm_executor *executor, int64_t task);
/* Why PVM_E_BREAKER, in one sentence; text has PVM_ERR_MAX bytes. */
PVM_API int pvm_task_breaker_explain(pvm_executor *executor, int64_t task, char *text);
/* Refuse new work for the task; what was accepted still runs, then its VMs retire. */
PVM_API int pvm_task_withdraw(pvm_executor *executor, int64_t task);

typedef struct pvm_task_stats {
  uint64_t accepted;  /* invocations so far */
  uint64_t finished;  /* of these, ended in whatever outcome */
  uint64_t failed;    /* of these, not PVM_DONE */
  uint32_t running;   /* now */
  uint32_t vms;       /* VMs that hold the task now */
  size_t bytes;       /* memory of those VMs */
} pvm_task_stats;

PVM_API int pvm_task_stats_get(pvm_executor *executor, int64_t task, pvm_task_stats *stats);

typedef struct pvm_completion {
  uint64_t id;         /* of the invocation: epoch << 40 | a count; 1 to 2^63 - 1 */
  uint64_t tag;        /* the submitter's */
  int64_t task;
  int32_t outcome;     /* pvm_outcome */
  uint32_t worker;     /* index of the worker that ran it, over all groups */
  uint32_t attempt;    /* 1, or more if an earlier process had accepted it */
  uint64_t trigger;    /* of a chain: id of its first invocation, its own for that one; or 0 */
  uint64_t queued_ns;  /* from acceptance to start */
  uint64_t load_ns;    /* of the start: making the VM ready (0 when warm) */
  uint64_t run_ns;     /* the call, codec included */
  pvm_buffer data;     /* see pvm_outcome */
} pvm_completion;

/* What one submission wants otherwise than its task's configuration says; zeros change
** nothing. */
typedef struct pvm_submit_options {
  uint64_t deadline_ns; /* from acceptance to the end */
  int32_t priority;
  uint32_t attempt;     /* of what an earlier process had accepted: 2 or more */
  uint64_t id;          /* and its id there */
  uint32_t ids;         /* how many ids it had, the further ones for its chain; 0: 1 */
  uint64_t crashed;     /* in a chain, bit i: id + i took that process down and is not run */
  uint32_t trace;       /* 1: trace it, and what follows in its chain; see pvm_trace */
  uint32_t warm;        /* 1: only make a VM ready, with the task imported: PVM_DONE with nil, or why it
                        ** could not be loaded. Not in the journal, not held to the rate, no chain */
  uint32_t depth;       /* of what fired; see pvm_fired */
} pvm_submit_options;

/* Accept one invocation; the payload is copied. options may be NULL. Returns its id (> 0), or a
** negative status; PVM_E_FULL is back-pressure. */
PVM_API int64_t pvm_submit(pvm_executor *executor, int64_t task, uint64_t tag, const void *payload,
                           size_t len, const pvm_submit_options *options);
/* Accept `count` invocations of one task in one go, payloads back to back in `payloads`,
** ends[i] the offset after payload i, tags first_tag + i. Returns how many were
** accepted, or a negative status if none. */
PVM_API int64_t pvm_submit_many(pvm_executor *executor, int64_t task, uint64_t first_tag,
                                const void *payloads, const size_t *ends, size_t count,
                                const pvm_submit_options *options);
/* Collect up to max completions; waits up to timeout_ms for the first. While many are
** unfinished it first gathers for up to 2 ms, unless timeout_ms is 0. Returns how
** many, 0 on time-out. The caller frees each one's data. */
PVM_API int pvm_collect(pvm_executor *executor, pvm_completion *completions, uint32_t max,
                        uint32_t timeout_ms);
/* The same for callers to whom each call is dear, such as interpreters: everything in two
** blocks. Release both with pvm_batch_free. */
typedef struct pvm_record {
  uint64_t id;
  uint64_t tag;
  int64_t task;
  int32_t outcome;
  uint32_t worker;
  uint64_t queued_ns;
  uint64_t load_ns;
  uint64_t run_ns;
  uint64_t end; /* of this record's data in the batch's; it starts at the end before */
  uint64_t attempt;
  uint64_t trigger;
} pvm_record;

/* The way of one invocation that was traced. Untraced ones cost nothing, and traced ones some 1 µs.
** Collected in batches only, with the invocation's record; pvm_invoke and arrays are not traced. */
typedef enum pvm_stage {
  PVM_STAGE_ACCEPTED = 0,
  PVM_STAGE_QUEUED = 1,    /* in a worker's queue, after having waited for its task's turn */
  PVM_STAGE_TAKEN = 2,     /* by the thread that runs it */
  PVM_STAGE_READY = 3,     /* the task has a VM here: made and loaded, or found */
  PVM_STAGE_DECODED = 4,   /* the payload */
  PVM_STAGE_RETURNED = 5,  /* the entry point, or it raised */
  PVM_STAGE_ENCODED = 6,   /* the result, or the traceback */
  PVM_STAGE_KICKED = 7,    /* interrupted for the first time */
  PVM_STAGE_GIVEN_UP = 8,  /* with its thread */
  PVM_STAGE_ENDED = 9,
  PVM_STAGE_COLLECTED = 10
} pvm_stage;
#define PVM_STAGES 11

typedef struct pvm_trace {
  uint64_t id;
  uint64_t tag;
  int64_t task;
  int32_t outcome;
  uint32_t worker;
  uint32_t attempt;
  uint32_t kicks;      /* interruptions */
  uint32_t pauses;     /* in favour of the core lane */
  uint64_t trigger;
  uint64_t paused_ns;  /* all pauses together */
  uint64_t at_ns[PVM_STAGES]; /* since the epoch; 0: it did not come to that */
} pvm_trace;

/* From now on trace this share of the invocations, 0 to 1, chosen by their ids, beside those whose
** submission asks for it. */
PVM_API int pvm_executor_trace(pvm_executor *executor, double share);

typedef struct pvm_batch {
  uint32_t count;
  pvm_record *records;
  unsigned char *data;
  uint32_t trace_count;
  pvm_trace *traces; /* of those of them that were traced; NULL if none was */
  pvm_held *held;    /* what the shared arrays in data need; NULL: nothing */
} pvm_batch;

PVM_API int pvm_collect_batch(pvm_executor *executor, pvm_batch *batch, uint32_t max,
                              uint32_t timeout_ms);
PVM_API void pvm_batch_free(pvm_batch *batch);
/* Many inputs of one task: a MessagePack array goes in and one comes out, past the completion
** queue. Each element is an invocation of its own, with its own limits and outcome, and all workers
** share in them. Until all have ended each has a place in the lane's queue. */
typedef struct pvm_array pvm_array;

/* Accept all elements, or none; returns how many they are. The element i has the tag first_tag + i.
** PVM_E_DECODE: `packed` is not an array and nothing else. PVM_E_INVALID: it has more than
** max_pending elements. PVM_E_FULL: there is no room for all of them now. What rate, breaker or a
** full journal refuses ends as PVM_REJECTED. options: without an id. PVM_E_INVALID as well for the
** first task of a chain, whose further results have no place in an array. */
PVM_API int64_t pvm_array_submit(pvm_executor *executor, int64_t task, uint64_t first_tag,
                                 const void *packed, size_t len, const pvm_submit_options *options,
                                 pvm_array **array);
/* 1 when all have ended, 0 on time-out. Any thread. */
PVM_API int pvm_array_wait(pvm_array *array, uint32_t timeout_ms);
/* Once, when all have ended (else PVM_E_STATE): records in the order of the elements, and data that
** begins with the 5 bytes of an array's header, so that it is the MessagePack array of the results
** if all are PVM_DONE. Returns how many are not. Release with pvm_batch_free. */
PVM_API int pvm_array_take(pvm_array *array, pvm_batch *batch);
/* At any time, once; what has not ended runs on. */
PVM_API void pvm_array_free(pvm_array *array);
/* Submit and wait for the result, past the completion queue. Of a chain it is the first task's
** result; the further completions go to the queue, with tag 0. */
PVM_API int pvm_invoke(pvm_executor *executor, int64_t task, const void *payload, size_t len,
                       const pvm_submit_options *options, pvm_completion *completion);

/* End one invocation whose submission has returned. One that has not begun ends as PVM_CANCELLED
** without running, at once; one that runs is stopped step by step, as at a deadline, and ends so
** too, unless it ends by itself first. Costs a look through all queues, and others nothing.
** PVM_E_UNKNOWN: it has ended, there never was one, or it waits for its turn in a chain;
** PVM_E_STATE: the executor stops, which ends it. From any thread. */
PVM_API int pvm_cancel(pvm_executor *executor, uint64_t id);

/* ---- Tasks that the host runs itself ------------------------------------ */

/* An external task has all that a task has but VMs: the circuit breaker of its name, its rate,
** places in its lane, the journal, figures, and completions that are collected with the others'.
** Where its invocations run is the host's business, and so are all limits but rate and deadline_ns
** (which is worked out and not enforced). No low run pauses for one of the core lane.
**
** Each accepted invocation has a ticket, which the host ends once. pvm_executor_stop waits until
** all are ended, however long that takes. */
typedef struct pvm_ticket {
  struct pvm_invocation *invocation;
  const void *payload;  /* until the end */
  size_t len;
  uint64_t id;
  uint64_t accepted_ns; /* of CLOCK_MONOTONIC, as all points in time here */
  uint64_t deadline_ns; /* UINT64_MAX: none */
  int64_t level;        /* within a lane the lowest is next; then the earlier deadline, then the
                        ** earlier acceptance: the order in which workers take theirs */
} pvm_ticket;

/* Its id, or a negative status. Of the config: lane, priority, deadline_ns, rate, burst, breaker. */
PVM_API int64_t pvm_external_add(pvm_executor *executor, const char *name,
                                 const pvm_task_config *config);
/* As pvm_submit; pvm_submit for such a task is PVM_E_INVALID, and this for another. */
PVM_API int pvm_external_submit(pvm_executor *executor, int64_t task, uint64_t tag,
                                const void *payload, size_t len, const pvm_submit_options *options,
                                pvm_ticket *ticket);
/* Before it runs, once. PVM_E_BREAKER with the reason, of PVM_ERR_MAX bytes, if the breaker opened
** since it was accepted: end it as PVM_REJECTED. */
PVM_API int pvm_external_start(pvm_executor *executor, const pvm_ticket *ticket, char *why);
/* It has ended; the ticket is of no use after this. worker: what the completion shall say.
** started_ns, called_ns: when it began, and when it was loaded; 0 for what never came. data is
** copied; without memory the outcome is told all the same. */
PVM_API int pvm_external_end(pvm_executor *executor, pvm_ticket *ticket, pvm_outcome outcome,
                             uint32_t worker, uint64_t started_ns, uint64_t called_ns,
                             const void *data, size_t len);

/* ---- Chains -------------------------------------------------------------- */

/* Tasks that run after others, with their results. Whenever an invocation of `first` is accepted,
** by whichever function, a whole graph of invocations is: one of each task. Each starts when those
** that it comes after have ended, and gets a map:
**
**   {"input": the first's payload, "results": {name: result}, "failures": {name: outcome}}
**
** of those it comes after; together they have at most two levels of PVM_MAX_DEPTH. Only `done` is
** a result, any other outcome a failure.
**
** - The graph takes its places in the lanes at once, or PVM_E_FULL. Rate and breaker of the first
**   decide whether it is accepted. Those of a further task are asked when its turn comes, and
**   what they refuse ends as PVM_REJECTED.
** - Each invocation has one completion: own task and id, the first's tag and `trigger`. Ids are
**   consecutive from the first's, in the order of the nodes.
** - Deadlines of tasks count from their turn; the deadline of pvm_submit_options is the whole
**   graph's. Priority and attempt are every invocation's.
** - A graph that was accepted stays as it is: versions that are withdrawn meanwhile run.
** - In the journal it is one record, until all of its completions were collected. */
typedef enum pvm_after_failure {
  PVM_AFTER_SKIP = 0,    /* one that it comes after was not done: it ends as PVM_CANCELLED */
  PVM_AFTER_STOP = 1,    /* likewise, with all of the graph that has not started */
  PVM_AFTER_CONTINUE = 2 /* it runs, and sees the failures */
} pvm_after_failure;

typedef struct pvm_chain_node {
  int64_t task;
  uint64_t after; /* bit 0: the first task; bit i: nodes[i - 1]. Not 0, and earlier nodes only */
  pvm_after_failure failure;
} pvm_chain_node;

/* What `first` starts from now on, instead of what was set before; count 0: nothing.
** PVM_E_UNKNOWN for a task that is not there or withdrawn. PVM_E_INVALID for an external one, one
** that is named twice, more than PVM_CHAIN_TASKS_MAX, or more in one lane than its max_pending.
** While a task of the graph is withdrawn and no other graph set, `first` is refused with
** PVM_E_UNKNOWN. */
PVM_API int pvm_chain_set(pvm_executor *executor, int64_t first, const pvm_chain_node *nodes,
                          uint32_t count);

/* ---- Processes of tasks ------------------------------------------------- */

/* What holds a process that runs a task in a Python of its own, to be applied by that process: with
** PR_SET_NO_NEW_PRIVS, then landlock_restrict_self, then PR_SET_SECCOMP. It may read the system's and
** its Python's installation (it adds rules for the latter), start threads and programs; it may
** send no signals out, where the kernel can tell (Landlock's ABI 6), nor open sockets. */
typedef struct pvm_process_rule {
  const char *path;    /* absolute */
  uint32_t access;     /* pvm_access */
} pvm_process_rule;

/* folder: its own, where it may make everything but devices; NULL: none. network: 1: it may open
** sockets. *ruleset: a descriptor, to be closed by the caller; -1 if the
** kernel has no Landlock. PVM_E_OS with `err` for a path that cannot be opened. */
PVM_API int pvm_process_ruleset(const char *folder, const pvm_process_rule *rules, uint32_t count,
                                int network, int *ruleset, char *err);
/* An array of struct sock_filter; empty if the kernel has no seccomp. */
PVM_API int pvm_process_filter(int network, pvm_buffer *filter);

/* How much of its input the host has submitted, in a unit of its own; kept in the journal. */
PVM_API void pvm_executor_note_position(pvm_executor *executor, uint64_t position);

/* ---- Keeping events ----------------------------------------------------- */

#include "store_api.h"
#include "feature_api.h"

/* ---- Triggers ----------------------------------------------------------- */

#include "trigger_api.h"
#include "columns_api.h"

/* ---- Flows -------------------------------------------------------------- */

#include "flow_api.h"

/* ---- Crashes ------------------------------------------------------------ */

/* A fault on a thread that runs VMs is reported before it ends the process: which task, where,
** the Python and the C stack; and it is marked in the journal. Once a process, before executors
** start. report: a file to make now; NULL: stderr. A host that wants Python's faulthandler as
** well enables it before. */
PVM_API int pvm_crash_report(const char *report, char *err);

/* ---- What tasks print and log ------------------------------------------- */

typedef enum pvm_log_source { PVM_LOG_STDOUT = 0, PVM_LOG_STDERR = 1, PVM_LOG_LOGGING = 2 } pvm_log_source;

typedef struct pvm_log {
  uint64_t time_ns;   /* since the epoch */
  int32_t source;     /* pvm_log_source */
  int32_t level;      /* Python's logging levels; 20 for stdout, 40 for stderr */
  char task[PVM_NAME_MAX + 1];
  pvm_buffer logger;  /* logger's name; empty for stdout and stderr */
  pvm_buffer text;    /* one line or one message, without the final newline */
} pvm_log;

/* Collect up to max records; waits up to timeout_ms for the first. Returns how many.
** *dropped receives the number of records lost since the last call because nobody
** collected in time. The caller frees logger and text of each. */
PVM_API int pvm_logs_collect(pvm_log *logs, uint32_t max, uint32_t timeout_ms, uint64_t *dropped);

/* ---- Toolchain flavour -------------------------------------------------- */

/* Flag of pvm_compile: no docstrings and no line numbers in the bytecode. Unlike
** optimize = 2 it keeps assert statements. */
enum { PVM_COMPILE_STRIP = 1 };

/* Compile source text to a whole .pyc (PEP 552, hash-based, unchecked). optimize: 0, 1
** or 2 as in compile(). PVM_E_COMPILE with "file:line: message" in `error`. In other
** flavours PVM_E_STATE. */
PVM_API int pvm_compile(const char *source, size_t len, const char *filename, int optimize,
                        int flags, pvm_buffer *pyc, pvm_buffer *error);

#endif
