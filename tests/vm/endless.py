"""Tasks that do not end by themselves, and tell when they have come to where they stay.

That a task counts as running says less: it may not have been called yet, and what stops it then
stops it for good.
"""

from __future__ import annotations

from tests.vm.programs import logs_of

FOREVER = "def run(payload):\n    while True: pass\n"  # it tells nothing

LOOP = """
def run(payload):
    print("inside")
    while True: pass
"""

# Ends when the file named by the payload exists, and no sooner. It stays in a function of its own:
# CPython counts the jump back to a loop's start as outside of the loop's try, and it is there that
# most exceptions from outside come.
STUBBORN = """
import os
def stay(path):
    while not os.path.exists(path): pass
    return True
def run(path):
    over = False
    while not over:
        try:
            print("inside")
            over = stay(path)
        except BaseException: pass
"""


def until_inside(task: str) -> None:
    """Wait until a task of this name, which no other test uses, has come so far."""
    logs_of(task, bool)
