"""The cffi module of the isolated flavour; its objects have no types that a checker knows."""

from typing import Any

ffi: Any
lib: Any
