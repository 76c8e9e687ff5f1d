"""Tasks that several tests run."""

from __future__ import annotations

COUNT = """
count = 0
def run(payload):
    global count
    count += 1
    return count
"""

# Runs until the file named by the payload exists.
GATE = """
import os, time
def run(path):
    while not os.path.exists(path):
        time.sleep(0.0005)
    return path
"""
