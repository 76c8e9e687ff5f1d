"""Run cases in processes of their own: an engine that crashes or hangs loses one case."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from .compare import difference
from .engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cases import Case
    from .engines import Engine

PASSED, REFUSED, FAILED, DIFFERENT = "passed", "refused", "failed", "different"
CRASHED, HUNG = "crashed", "hung"


@dataclass(frozen=True)
class Result:
    """status: one of the words above. text: one line on what went wrong, "" if nothing did."""

    name: str
    status: str
    text: str = ""


def judge(case: Case, engine: Engine) -> Result:
    """Run one case here."""
    try:
        run = engine(case.model.SerializeToString())
    except Exception as error:  # noqa: BLE001 - whatever it says is the result
        return Result(case.name, REFUSED, _line(error))
    for inputs, outputs in case.data:
        try:
            got = run(dict(zip(case.inputs, inputs, strict=False)))
        except Exception as error:  # noqa: BLE001
            return Result(case.name, FAILED, _line(error))
        if found := difference(got, outputs, case.rtol, case.atol):
            return Result(case.name, DIFFERENT, found)
    return Result(case.name, PASSED)


def run_all(
    cases: Sequence[Case],
    engine: str,
    jobs: int = 1,
    timeout: float = 60,
) -> list[Result]:
    """Run all cases, `jobs` at once; results in the cases' order. timeout: seconds for a case."""
    shards = [_Shard(list(cases[first::jobs]), engine) for first in range(jobs)]
    results: dict[tuple[str, str], Result] = {}

    def keep(shard: _Shard, result: Result) -> None:
        case = shard.cases.pop(0)
        results[case.kind, case.name] = result

    while shards := [shard for shard in shards if shard.cases]:
        for shard in shards:
            shard.start_if_needed()
        ready = wait([shard.answers for shard in shards], timeout)
        for shard in shards:
            if shard.answers in ready:
                try:
                    keep(shard, shard.answers.recv())
                except EOFError:
                    code = shard.end()
                    keep(shard, Result(shard.cases[0].name, CRASHED, f"exit status {code}"))
            elif not ready:
                shard.end()
                keep(shard, Result(shard.cases[0].name, HUNG, f"no end after {timeout:g} s"))
    return [results[case.kind, case.name] for case in cases]


@dataclass
class _Shard:
    """Cases that one process after another works through; the first is the one at work."""

    cases: list[Case]
    engine: str
    process: Any = None
    answers: Any = field(default=None, repr=False)

    def start_if_needed(self) -> None:
        if self.process is None:
            # Forked: cases are made in memory and take seconds to make. No engine is loaded yet.
            context = multiprocessing.get_context("fork")
            self.answers, theirs = context.Pipe(duplex=False)
            arguments = (self.cases, self.engine, theirs)
            self.process = context.Process(target=_work, args=arguments, daemon=True)
            self.process.start()
            theirs.close()

    def end(self) -> int | None:
        """Kill the process if it still runs; its exit status."""
        self.process.kill() if self.process.exitcode is None and not self._ended() else None
        self.process.join()
        code: int | None = self.process.exitcode
        self.answers.close()
        self.process = None
        return code

    def _ended(self) -> bool:
        self.process.join(1)
        return self.process.exitcode is not None


def _work(cases: list[Case], engine: str, answers: Any) -> None:
    for case in cases:
        answers.send(judge(case, ENGINES[engine]))


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300]
