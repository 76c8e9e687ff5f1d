# What the extension module has; binding.h says where each part is written.
from typing import Any

tensor: Any
share: Any
AxisError: type[ValueError]
LinAlgError: type[ValueError]

def __getattr__(name: str) -> Any: ...
