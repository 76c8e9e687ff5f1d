"""Stands in for a module that VMs leave out and that a test file imports at its top.

Importing succeeds and so does subclassing what is in it, so that the file's other tests can
run. A test that uses it is skipped, as regression tests are where a module is missing.
"""

from typing import Any, Never


def __getattr__(name: str, module: str = __name__) -> type:
    if name.startswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    def skip(*_args: Any, **_keywords: Any) -> Never:
        from unittest import SkipTest

        raise SkipTest(f"needs {module}.{name}, which VMs leave out")

    made = type(name, (Exception,), {"__module__": module, "__new__": skip})
    globals()[name] = made
    return made
