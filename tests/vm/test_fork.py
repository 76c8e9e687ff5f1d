"""The child of a fork gets an error from every call, and ends well."""

from __future__ import annotations

from tests.vm.programs import apart_ok


def test_every_call_in_a_child_is_refused() -> None:
    out = apart_ok(
        """
        import os, sys, warnings
        warnings.simplefilter("ignore")
        from polyvm.vm import Executor, ForkedError, Vm, collect_logs, info, toolchain
        from tests.vm.programs import ECHO, NIL, program, value_of
        made = program(ECHO)
        vm = Vm()
        vm.load(made)
        executor = Executor(2)
        task = executor.add(made)
        executor.invoke(task, NIL)
        calls = [Vm, Executor, vm.stats, vm.reset, vm.retire, collect_logs,
                 lambda: vm.call(NIL), lambda: vm.load(made), lambda: executor.add(made),
                 lambda: executor.submit(task, NIL), lambda: executor.submit_many(task, [NIL]),
                 lambda: executor.invoke(task, NIL), lambda: executor.stats(task),
                 lambda: executor.withdraw(task), executor.collect, executor.stop]
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            for number, call in enumerate(calls):
                try:
                    call()
                    print("no error from call", number)
                except ForkedError as error:
                    assert "this process was forked" in str(error)
                except BaseException as error:
                    print("call", number, "gave", repr(error))
            info()
            print("child done", flush=True)
            sys.exit(7)  # the ordinary way out, destructors and all
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert value_of(vm.call(NIL)) is None
        ended = executor.invoke(task, NIL)
        assert ended.data == NIL
        executor.close()
        vm.retire()
        print("parent done")
        """
    )
    assert out == "child done\nparent done\n"


def test_closing_in_a_child_does_nothing() -> None:
    out = apart_ok(
        """
        import os, sys, warnings
        warnings.simplefilter("ignore")
        from polyvm.vm import Executor, ForkedError
        from tests.vm.programs import ECHO, NIL, program
        executor = Executor(2)
        task = executor.add(program(ECHO))
        executor.submit(task, NIL)
        child = os.fork()
        if child == 0:
            try: executor.close()
            except ForkedError: pass
            os._exit(5)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
        assert executor.collect(timeout_ms=60000)[0].data == NIL
        executor.close()
        print("ended")
        """
    )
    assert out == "ended\n"


def test_fork_while_workers_are_busy() -> None:
    """A child made at any moment starts no VM, does not hang, and can run another program."""
    out = apart_ok(
        """
        import os, subprocess, sys, warnings
        warnings.simplefilter("ignore")
        from polyvm.vm import Executor, ForkedError, QueueFull
        from tests.vm.programs import ECHO, pack, program
        executor = Executor(2, max_pending=4096)
        tasks = [executor.add(program(ECHO, f"t-{n}")) for n in range(8)]
        sent = 0
        for turn in range(20):
            for _ in range(100):
                executor.submit(tasks[sent % 8], pack(sent), sent)
                sent += 1
            child = os.fork()
            if child == 0:
                try: executor.submit(tasks[0], pack(0))
                except ForkedError: os._exit(0)
                os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
            if turn % 5 == 0:
                assert subprocess.run([sys.executable, "-c", "print(1)"],
                                      capture_output=True).stdout == b"1\\n"
        got = []
        while len(got) < sent: got += [e.tag for e in executor.collect()]
        assert sorted(got) == list(range(sent))
        executor.close()
        print("ended")
        """
    )
    assert out == "ended\n"


def test_a_process_that_forked_before_the_start_may_use_vms() -> None:
    out = apart_ok(
        """
        import os, sys
        import polyvm.vm  # loads the library, starts nothing
        child = os.fork()
        from tests.vm.programs import ECHO, NIL, once
        assert once(ECHO)[1] == NIL
        if child: assert os.waitpid(child, 0)[1] == 0
        """
    )
    assert out == ""


def test_a_process_may_end_with_everything_open() -> None:
    out = apart_ok(
        """
        import threading
        from polyvm.vm import Executor, Vm
        from tests.vm.programs import ECHO, NIL, program
        vm = Vm()
        vm.load(program(ECHO))
        executor = Executor(2)
        forever = executor.add(program("def run(x):\\n    while True: pass\\n"))
        executor.submit_many(forever, [NIL] * 10)
        print("ending")
        """
    )
    assert out == "ending\n"
