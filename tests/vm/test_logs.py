"""What tasks print and log reaches the host, named; tasks never wait for it."""

from __future__ import annotations

import time

from polyvm.vm import Executor, Vm, collect_logs
from tests.vm.programs import NIL, apart_ok, logs_of, pack, program, until, value_of

LIMIT = 65536  # PVM_LOG_TEXT_MAX


def printed(source: str, name: str, payload: object = None) -> list[tuple[str, str]]:
    """What one call printed, as (source, text); the task prints "END" last."""
    with Vm() as vm:
        vm.load(program(source, name))
        value_of(vm.call(pack(payload)))
    return [
        (r.source, r.text) for r in logs_of(name, lambda got: bool(got) and got[-1].text == "END")
    ][:-1]


def test_lines() -> None:
    source = """
    import sys
    def run(x):
        print("one"); print("two\\nthree"); print()
        print("pa", end=""); print("rts")
        print("to stderr", file=sys.stderr)
        sys.stdout.write("written\\n"); sys.stdout.writelines(["a\\n", "b", "c\\n"])
        print("\\u00e9\\u20ac \\ud800")
        print("END")
    """
    assert printed(source, "lines") == [
        ("stdout", "one"),
        ("stdout", "two"),
        ("stdout", "three"),
        ("stdout", ""),
        ("stdout", "parts"),
        ("stderr", "to stderr"),
        ("stdout", "written"),
        ("stdout", "a"),
        ("stdout", "bc"),
        ("stdout", "é€ \\ud800"),
    ]


def test_an_unfinished_line_goes_out_when_the_call_ends() -> None:
    source = """
    import sys
    def run(x):
        sys.stderr.write(f"half {x}")
        print(f"no newline {x}", end="")
    print("top", end="")
    """
    with Vm() as vm:
        vm.load(program(source, "unfinished"))
        assert [r.text for r in logs_of("unfinished", len)] == ["top"]  # type: ignore[arg-type]
        for n in range(2):
            vm.call(pack(n))
            got = logs_of("unfinished", lambda got: len(got) >= 2)
            assert {(r.source, r.text) for r in got} == {
                ("stdout", f"no newline {n}"),
                ("stderr", f"half {n}"),
            }


def test_flush_sends_what_there_is() -> None:
    source = 'def run(x):\n    print("a", end="", flush=True)\n    print("b")\n    print("END")'
    assert printed(source, "flusher") == [("stdout", "a"), ("stdout", "b")]


def test_long_lines_come_in_pieces() -> None:
    source = """
    def run(x):
        print("x" * 200_000)
        print("a" * 65535 + "\\u20ac" * 30_000)
        print("z" * 65536)
        for _ in range(2000): print("y" * 100, end="")
        print()
        print()
        print("END")
    """
    texts = [text for _, text in printed(source, "long-lines")]
    assert [len(text) for text in texts[:4]] == [LIMIT] * 3 + [200_000 - 3 * LIMIT]
    assert set("".join(texts[:4])) == {"x"}
    assert texts[4] == "a" * 65535  # a character is not cut in two
    assert "".join(texts[5:7]) == "€" * 30_000
    assert texts[7] == "z" * LIMIT
    assert "".join(texts[8:12]) == "y" * 200_000
    assert texts[12:] == [""]


def test_logging_keeps_level_and_logger() -> None:
    source = """
    import logging
    def run(x):
        logging.getLogger().setLevel(logging.DEBUG)
        logging.debug("d %d", 1)
        logging.getLogger("a.b").warning("w %s", "x")
        logging.getLogger("c").log(35, "odd level")
        try: 1 / 0
        except ZeroDivisionError: logging.getLogger("c").exception("caught")
        print("END")
    """
    with Vm() as vm:
        vm.load(program(source, "logger"))
        value_of(vm.call(NIL))
    got = logs_of("logger", lambda got: bool(got) and got[-1].text == "END")
    assert [(r.source, r.level, r.logger, r.text.partition("\n")[0]) for r in got] == [
        ("logging", 10, "root", "d 1"),
        ("logging", 30, "a.b", "w x"),
        ("logging", 35, "c", "odd level"),
        ("logging", 40, "c", "caught"),
        ("stdout", 20, "", "END"),
    ]
    assert "ZeroDivisionError: division by zero" in got[3].text


def test_records_carry_the_time_and_their_order() -> None:
    before = time.time_ns()
    with Vm() as vm:
        vm.load(program("def run(x):\n    for n in range(100): print(n)", "timed"))
        value_of(vm.call(NIL))
    got = logs_of("timed", lambda got: len(got) == 100)
    assert [r.text for r in got] == [str(n) for n in range(100)]
    times = [r.time_ns for r in got]
    assert times == sorted(times)
    assert before - 10**9 <= times[0] <= times[-1] <= time.time_ns() + 10**9


def test_workers_do_not_mix_up_their_tasks() -> None:
    source = "def run(x):\n    for n in range(10): print(x, end=' '); print(n)\n"
    with Executor(2) as executor:
        names = [f"mixed-{n}" for n in range(6)]
        tasks = [executor.add(program(source, name)) for name in names]
        for turn in range(20):
            for name, task in zip(names, tasks, strict=True):
                executor.submit(task, pack(f"{name}/{turn}"))
        got: dict[str, list[str]] = {name: [] for name in names}

        def enough() -> bool:
            for record in collect_logs(timeout_ms=50)[0]:
                if record.task in got:
                    got[record.task].append(record.text)
            return sum(map(len, got.values())) >= 1200

        until(enough)
        for name in names:
            expected = [f"{name}/{turn} {n}" for turn in range(20) for n in range(10)]
            assert sorted(got[name]) == sorted(expected)


def test_a_full_log_drops_and_counts() -> None:
    """Nobody collects: the task still ends, and the loss is told once."""
    out = apart_ok(
        """
        from polyvm.vm import Vm, collect_logs
        from tests.vm.programs import pack, program, value_of
        with Vm() as vm:
            vm.load(program("def run(n):\\n    for i in range(n): print(i)", "flood"))
            value_of(vm.call(pack(50_000)))
            kept = []
            lost = 0
            while True:
                records, dropped = collect_logs(timeout_ms=0)
                kept += [int(r.text) for r in records]
                lost += dropped
                if not records: break
            assert kept == list(range(len(kept)))
            assert len(kept) + lost == 50_000, (len(kept), lost)
            assert lost > 0
            value_of(vm.call(pack(3)))
            records, dropped = collect_logs()
            assert ([r.text for r in records], dropped) == (["0", "1", "2"], 0)
        print("ended")
        """
    )
    assert out == "ended\n"


def test_collecting_before_the_start_is_an_error() -> None:
    out = apart_ok(
        """
        from polyvm.vm import StateError, collect_logs
        try: collect_logs()
        except StateError as error: print(error)
        """
    )
    assert out == "not possible in this state\n"


def test_nothing_reaches_the_hosts_streams() -> None:
    out = apart_ok(
        """
        import sys
        from polyvm.vm import Vm
        from tests.vm.programs import NIL, program, value_of
        source = '''
        import sys, gc, warnings
        class A:
            def __del__(self): raise ValueError("unraisable")
        def run(x):
            print("spy"); print("spy", file=sys.stderr); sys.__stderr__.write("spy")
            warnings.warn("spy"); sys.excepthook(ValueError, ValueError("spy"), None)
            sys.displayhook("spy"); A()
            sys.stdout = sys.stderr = None
            print("spy"); A()
        '''
        with Vm() as vm:
            vm.load(program(source))
            value_of(vm.call(NIL))
        print("ended")
        """
    )
    assert out == "ended\n"
