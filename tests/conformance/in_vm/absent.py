"""Stands in for a module that VMs leave out and that a test file imports at its top.

Importing succeeds and so does subclassing what is in it, so that the file's other tests can
run. A test that uses it is skipped, as regression tests are where a module is missing.
"""


def __getattr__(name, module=__name__):
    if name.startswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    def skip(*args, **kwargs):
        from unittest import SkipTest

        raise SkipTest(f"needs {module}.{name}, which VMs leave out")

    made = globals()[name] = type(name, (Exception,), {"__module__": module, "__new__": skip})
    return made
