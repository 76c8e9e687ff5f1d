"""Stands in for sysconfig: a VM knows nothing of how its interpreter was built, but this."""

from typing import Any

_VARIABLES = {"Py_GIL_DISABLED": 0, "Py_DEBUG": 0, "WITH_DOC_STRINGS": 0, "TEST_MODULES": "no"}


def get_config_vars(*names: str) -> Any:
    return [_VARIABLES.get(name) for name in names] if names else dict(_VARIABLES)


def get_config_var(name: str) -> Any:
    return _VARIABLES.get(name)


def get_platform() -> str:
    return "linux"


def is_python_build(check_home: bool | None = None) -> bool:  # noqa: ARG001
    return False
