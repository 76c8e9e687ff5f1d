"""The files of a task that runs in processes: sources and assets, in memory that these share.

Such a task ships as source text. Bytecode fits one release of CPython, that of the VMs; the
processes run whichever Python the host names, and every one of them has a compiler.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import weakref
from typing import TYPE_CHECKING

from polyvm.host.isolation_frames import Member, SourceFile
from polyvm.host.manifest import Permissions
from polyvm.vm import Memory, wipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polyvm.vm import Module

_NONE = Permissions()
_F_SEAL_FUTURE_WRITE = 0x10
_SEALS = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL | _F_SEAL_FUTURE_WRITE


class Sources:
    """One version of one task; immutable, wiped when nobody holds it any more.

    A module's ``code`` is its source text. What came sealed is ``secret``. ``descriptor`` is the
    memory, which has no name in any file system: processes that inherit it can map it to read.
    Raises MemoryError.
    """

    def __init__(
        self,
        name: str,
        version: str,
        entry: str,
        modules: Mapping[str, Module],
        assets: Mapping[str, bytes | Memory],
        *,
        permissions: Permissions = _NONE,
        secret: bool = False,
    ) -> None:
        self.name = name
        self.version = version
        self.entry = entry
        self.permissions = permissions
        self.secret = secret
        sizes = [len(module.code) for module in modules.values()]
        sizes += [len(data) for data in assets.values()]
        self.size = sum(sizes)
        self.descriptor, image = _image(max(self.size, 1))
        self._wiper = weakref.finalize(self, _release, self.descriptor, image)
        at = 0

        def put(data: bytes | Memory) -> int:
            nonlocal at
            start, at = at, at + len(data)
            image[start:at] = data.buffer if isinstance(data, Memory) else data
            return start

        self.modules = tuple(
            SourceFile(
                name=module,
                offset=put(item.code),
                size=len(item.code),
                path=f"{name}/{_path(module, package=item.package)}",
                package=item.package,
            )
            for module, item in modules.items()
        )
        self.assets = tuple(
            Member(name=path, offset=put(data), size=len(data)) for path, data in assets.items()
        )
        # Processes get the descriptor: from here on only this process can write.
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)

    def __repr__(self) -> str:
        return f"Sources({self.name!r}, {self.version!r}, {self.entry!r})"

    def release(self) -> None:
        """Wipe now; the object is of no use after that."""
        self._wiper()


def _path(module: str, *, package: bool) -> str:
    return module.replace(".", "/") + ("/__init__.py" if package else ".py")


def _image(size: int) -> tuple[int, mmap.mmap]:
    descriptor = os.memfd_create("polyvm-task", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.posix_fallocate(descriptor, 0, size)
        image = mmap.mmap(descriptor, size)
        image.madvise(mmap.MADV_DONTDUMP)
    except OSError as error:
        os.close(descriptor)
        raise MemoryError(f"{size} bytes of memory could not be had: {error.strerror}") from None
    return descriptor, image


def _release(descriptor: int, image: mmap.mmap) -> None:
    with memoryview(image) as view:
        wipe(view)
    image.close()
    os.close(descriptor)
