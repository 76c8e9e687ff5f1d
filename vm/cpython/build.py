"""Obtain, build and cache the private CPython that VMs are linked from.

Run `python3 vm/cpython/build.py --help`; README.md beside this file is the manual.
"""

from sdk.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
