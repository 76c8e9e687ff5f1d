"""Stands in for sysconfig: a VM knows nothing of how its interpreter was built, but this."""

_VARIABLES = {"Py_GIL_DISABLED": 0, "Py_DEBUG": 0, "WITH_DOC_STRINGS": 0, "TEST_MODULES": "no"}


def get_config_vars(*names):
    return [_VARIABLES.get(name) for name in names] if names else dict(_VARIABLES)


def get_config_var(name):
    return _VARIABLES.get(name)


def get_platform():
    return "linux"


def is_python_build(check_home=None):
    return False
