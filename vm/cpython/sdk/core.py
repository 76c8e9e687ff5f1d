"""The core of the runtime, compiled as one program.

What nearly every task runs, the object types, the eval loop, the hot C modules, is
optimised across files (link-time optimisation) and put back as one ordinary object, with a
section for each function. On 2 cores it takes half a minute and makes VMs some 5 % faster.
The rest stays out of it on purpose: whoever links a VM library leaves out archive members
such as the parser's by defining their symbols, links within a second, and needs no LTO.
"""

from __future__ import annotations

import shutil
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sdk import compiling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdk.compiling import Tree

PYTHON = (
    "_warnings bltinmodule brc ceval ceval_gil codecs context critical_section crossinterp "
    "dtoa errors formatter_unicode frame gc gc_gil getargs hamt hashtable import "
    "instrumentation intrinsics legacy_tracing lock marshal modsupport mysnprintf "
    "object_stack parking_lot pyctype pyhash pymath pystate pystrcmp pystrhex pystrtod qsbr "
    "specialize structmember sysmodule thread traceback"
)
MODULES = (
    "_abc _bisectmodule _codecsmodule _collectionsmodule _datetimemodule _functoolsmodule "
    "_heapqmodule _io/* _json _operator _randommodule _sre/* _statisticsmodule _struct "
    "_typingmodule _weakref arraymodule gcmodule itertoolsmodule mathmodule timemodule "
    "unicodedata"
)
PATTERNS = (
    "Objects/*.o",
    *(f"Python/{name}.o" for name in PYTHON.split()),
    *(f"Modules/{name}.o" for name in MODULES.split()),
)

MERGED = "merged-core.o"
EMPTY = "empty.o"


def can_merge(compiler_version: str) -> bool:
    """Whether the compiler can turn a whole program back into an ordinary object."""
    return "clang" not in compiler_version


def members(objects: Sequence[str]) -> list[str]:
    """Those of a release's object files that are of the core."""
    return [name for name in objects if any(fnmatchcase(name, form) for form in PATTERNS)]


def merge(tree: Tree, arguments: Sequence[str], flags: Sequence[str]) -> None:
    """Compile the core and leave it in the place of its first member, the others empty.

    arguments are make's; flags are added to each compilation. A make that follows takes
    the members for what it would have made itself.
    """
    objects = members(compiling.planned_objects(tree, [*arguments, "python"]))
    added = f"CFLAGS_NODIST={' '.join((*flags, '-flto'))}"
    compiling.make_counted(tree, [*arguments, added, *objects])
    tree.progress.update("optimising across files")
    names = ("BASECFLAGS", "OPT", "CONFIGURE_CFLAGS_NODIST")
    usual = [word for name in names for word in tree.make_variable(name).split()]
    compiler = tree.env["CC"].split()
    partial = ("-r", "-nostdlib", f"-flto={tree.jobs}", "-flinker-output=nolto-rel")
    tree.run(*compiler, *usual, *flags, *partial, "-o", MERGED, *objects)
    tree.run(*compiler, "-c", "-x", "c", "/dev/null", "-o", EMPTY)
    for name in objects[1:]:
        shutil.copyfile(tree.source / EMPTY, tree.source / name)
    (tree.source / MERGED).replace(tree.source / objects[0])
    (tree.source / EMPTY).unlink()
