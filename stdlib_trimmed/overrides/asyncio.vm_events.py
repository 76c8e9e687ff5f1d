"""The event loop of a VM: callbacks, timers and tasks, in one thread, without I/O.

Everything that needs a socket, a pipe, a process or a second thread raises RuntimeError. A
loop in which every task waits for something that can no longer happen raises RuntimeError
too, instead of sleeping for ever: in a VM nothing from outside can wake it.
"""

import time

from . import base_events, events

__all__ = ("EventLoop", "SelectorEventLoop", "DefaultEventLoopPolicy")

# Longest sleep in one go, in seconds: between two sleeps the VM can be interrupted.
_SLICE = 0.05


class _Clock:
    """What BaseEventLoop takes for its selector: it waits, and never reports an event."""

    def select(self, timeout):
        """Return after ``timeout`` seconds; None stands for "until something happens"."""
        if timeout is None:
            raise RuntimeError(
                "the event loop is stuck: every task waits for another, no timer is set, and "
                "nothing outside a VM can wake it"
            )
        end = time.monotonic() + timeout
        while timeout > 0:
            time.sleep(min(timeout, _SLICE))
            timeout = end - time.monotonic()
        return ()


class EventLoop(base_events.BaseEventLoop):
    """An event loop that waits for time only."""

    def __init__(self):
        super().__init__()
        self._selector = _Clock()

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass  # there is no other thread that could wait for this one

    def run_in_executor(self, executor, func, *args):
        if executor is None:
            raise RuntimeError(
                "asyncio.to_thread() and loop.run_in_executor() need threads, which a VM does "
                "not have: call the function, or submit more invocations"
            )
        return super().run_in_executor(executor, func, *args)


SelectorEventLoop = EventLoop  # the name that ordinary Python gives its default loop


def _refusal(name):
    def method(self, *args, **kwargs):
        raise RuntimeError(f"loop.{name}() is not available in a VM: its event loop has timers "
                           "and tasks, no sockets, pipes, processes or signals")
    method.__name__ = name
    method.__qualname__ = f"EventLoop.{name}"
    return method


for _name in (
    "add_reader", "remove_reader", "add_writer", "remove_writer", "add_signal_handler",
    "remove_signal_handler", "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into",
    "sock_sendall", "sock_sendto", "sock_connect", "sock_accept", "sock_sendfile", "sendfile",
    "start_tls", "getaddrinfo", "getnameinfo", "create_connection", "create_server",
    "create_datagram_endpoint", "create_unix_connection", "create_unix_server",
    "connect_accepted_socket", "connect_read_pipe", "connect_write_pipe", "subprocess_shell",
    "subprocess_exec",
):
    setattr(EventLoop, _name, _refusal(_name))
del _name


class DefaultEventLoopPolicy(events.BaseDefaultEventLoopPolicy):
    """The policy whose loops are ``EventLoop``."""

    _loop_factory = EventLoop
