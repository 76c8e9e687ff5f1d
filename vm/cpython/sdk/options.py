"""What a user can choose about the build, and the compiler flags that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Variant = Literal["pgo", "quick", "small"]
Flavour = Literal["isolated", "free-threaded"]

VARIANTS: tuple[Variant, ...] = get_args(Variant)
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)

# Every object ends in a shared library that is loaded late, calls itself only and
# exports nothing of CPython's.
POSITION_FLAGS = (
    "-fPIC",
    # The thread state is read at every C API call. The dynamic TLS models call a function
    # for that; this one reads it off the thread register and needs some 30 bytes of the
    # static TLS that glibc keeps in reserve for late libraries.
    "-ftls-model=initial-exec",
    "-fno-semantic-interposition",
    "-fno-plt",
    # The final link drops what it does not reach: the parser, unused C modules.
    "-ffunction-sections",
    "-fdata-sections",
)

CONFIGURE = (
    "--with-ensurepip=no",
    "--without-doc-strings",
    "--disable-test-modules",
    "--with-readline=no",
    "--with-system-libmpdec=no",
    "--without-remote-debug",  # 3.14 and later; earlier configures ignore it with a warning
    "--with-pymalloc",
)


@dataclass(frozen=True)
class Options:
    """One way to build; two builds with equal options of one source are interchangeable."""

    variant: Variant = "pgo"
    flavour: Flavour = "isolated"
    sanitize: bool = False

    @property
    def trained(self) -> bool:
        """Whether the compiler is given a profile; sanitizers and profiles do not mix."""
        return self.variant == "pgo" and not self.sanitize

    @property
    def words(self) -> tuple[str, ...]:
        """The choices as words, for names of files."""
        return (self.variant, self.flavour, *(("sanitize",) if self.sanitize else ()))

    @property
    def configure(self) -> tuple[str, ...]:
        """Arguments of CPython's configure, without the flags below."""
        if self.flavour == "free-threaded":
            return (*CONFIGURE, "--disable-gil")
        # With a GIL, mimalloc is only an alternative to pymalloc that nobody selects.
        return (*CONFIGURE, "--without-mimalloc")

    @property
    def opt(self) -> tuple[str, ...]:
        """Optimisation flags; they replace configure's own choice."""
        if self.sanitize:
            return ("-DNDEBUG", "-O1", "-g", "-Wall")
        level = {"pgo": "-O3", "quick": "-O2", "small": "-Os"}[self.variant]
        return ("-DNDEBUG", level, "-Wall")

    @property
    def cflags(self) -> tuple[str, ...]:
        """Flags of every compilation.

        A build for sanitizers is not instrumented itself: only stacks and line numbers are
        made readable, so that one build links with address, undefined-behaviour and thread
        sanitizer alike, and findings are about the code that links it. pymalloc stays on,
        because VMs depend on its arenas; without it another program would be tested.
        """
        if self.sanitize:
            return (*POSITION_FLAGS, "-fno-omit-frame-pointer")
        if self.variant == "small":
            # Half a megabyte that only debuggers read.
            return (*POSITION_FLAGS, "-fno-asynchronous-unwind-tables", "-fno-unwind-tables")
        return POSITION_FLAGS
