"""A small operating system: processes, messages and devices as objects calling each other.

The work is of the kind that the Richards benchmark made known: polymorphic method calls on
small objects linked in queues.
"""

from collections import deque

N = 280
CHECK = (3, [5794, 943, 42, 48])


class Message:
    __slots__ = ("kind", "sender", "value")

    def __init__(self, kind: str, sender: "Process", value: int) -> None:
        self.kind = kind
        self.sender = sender
        self.value = value


class Process:
    """Base of all processes: an inbox, a priority, and a step that the kernel calls."""

    def __init__(self, kernel: "Kernel", priority: int) -> None:
        self.kernel = kernel
        self.priority = priority
        self.inbox: deque[Message] = deque()
        self.waiting = False
        kernel.add(self)

    def receive(self, message: Message) -> None:
        self.inbox.append(message)
        if self.waiting:
            self.waiting = False
            self.kernel.wake(self)

    def step(self) -> None:
        raise NotImplementedError


class Worker(Process):
    """Turns work into device requests, alternating between two devices."""

    def __init__(self, kernel: "Kernel", devices: "list[Device]", rounds: int) -> None:
        super().__init__(kernel, 1)
        self.devices = devices
        self.left = rounds
        self.state = 17
        self.sum = 0

    def step(self) -> None:
        if self.inbox:
            reply = self.inbox.popleft()
            self.sum = (self.sum + reply.value) % 9973
        if not self.left:
            self.waiting = not self.inbox
            return
        self.left -= 1
        self.state = (self.state * 75 + 74) % 65537
        device = self.devices[self.state & 1]
        device.receive(Message("request", self, self.state % 100))
        self.waiting = not self.inbox


class Device(Process):
    """Answers one request a step after a delay counted in steps."""

    def __init__(self, kernel: "Kernel", delay: int) -> None:
        super().__init__(kernel, 2)
        self.delay = delay
        self.countdown = delay
        self.served = 0

    def step(self) -> None:
        if not self.inbox:
            self.waiting = True
            return
        self.countdown -= 1
        if self.countdown:
            return
        self.countdown = self.delay
        request = self.inbox.popleft()
        self.served += 1
        request.sender.receive(Message("reply", self, request.value + self.delay))


class Idle(Process):
    """Runs when nobody else can, and pokes the workers so that the system moves on."""

    def __init__(self, kernel: "Kernel", count: int, workers: list[Worker]) -> None:
        super().__init__(kernel, 9)
        self.count = count
        self.workers = workers

    def step(self) -> None:
        self.count -= 1
        if not self.count:
            self.waiting = True
            return
        worker = self.workers[self.count % len(self.workers)]
        worker.receive(Message("poke", self, self.count & 7))


class Kernel:
    """Steps the ready process of the highest priority, round robin among equals."""

    def __init__(self) -> None:
        self.queues: dict[int, deque[Process]] = {1: deque(), 2: deque(), 9: deque()}
        self.steps = 0

    def add(self, process: Process) -> None:
        self.queues[process.priority].append(process)

    def wake(self, process: Process) -> None:
        self.queues[process.priority].append(process)

    def run(self) -> None:
        queues = list(self.queues.values())
        while True:
            for queue in queues:
                if queue:
                    break
            else:
                return
            process = queue.popleft()
            self.steps += 1
            process.step()
            if not process.waiting:
                queue.append(process)


def run(n: int) -> list[int]:
    """[sum over workers, steps, requests served by each device] after n rounds of 30 each."""
    kernel = Kernel()
    devices = [Device(kernel, 2), Device(kernel, 3)]
    workers = [Worker(kernel, devices, n * 5) for _ in range(6)]
    Idle(kernel, n * 100, workers)
    kernel.run()
    return [sum(w.sum for w in workers), kernel.steps, *(d.served for d in devices)]
