"""What the host says when it cannot go on, and the exit code that goes with it."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Exit codes of the ``polyvm`` command; 64 and above follow sysexits.h."""

    OK = 0
    FAILED = 1  # `call`, `dev`: the task's outcome was not `done`
    USAGE = 2  # the command line makes no sense (argparse's number)
    PARTIAL = 3  # `run` went through, but a task, a line or an invocation failed
    BAD_DATA = 65  # a manifest, a bundle or a source file is not as it must be
    NO_INPUT = 66  # a file or folder that was named cannot be read
    UNAVAILABLE = 69  # the VM library is missing or does not start
    GAVE_UP = 70  # `run --supervise`: the host died too often
    CANNOT_WRITE = 74  # results, a bundle, a key or the state cannot be written
    RESTART = 75  # a supervised host asks to be started again
    TRY_AGAIN = 75  # `call`: the host takes none of it for the moment
    UNTRUSTED = 77  # a signature, a key or a rule of trust says no
    TIMED_OUT = 124  # `call`: the task was stopped at its deadline (timeout's number)
    INTERRUPTED = 130  # stopped by a second SIGINT or SIGTERM, work was cancelled


class PolyvmError(Exception):
    """One sentence for the user: what, where, what to do. Printed without a traceback."""

    code = ExitCode.BAD_DATA


class ManifestError(PolyvmError):
    """A task.toml is missing or not as it must be."""


class BundleError(PolyvmError):
    """A bundle, or a folder of .pyc files, cannot be taken."""


class ModelError(PolyvmError):
    """A model, or samples for one, cannot be used."""


class ChainError(BundleError):
    """A task asks to come after others in a way that cannot be."""


class TableError(BundleError):
    """A task declares a table of features otherwise than another one does."""


class SealedFormatError(BundleError):
    """A sealed bundle is not as the format says: damaged, cut short, of another version."""


class TrustError(PolyvmError):
    """A bundle is sound as far as one can tell, but this host must not run it."""

    code = ExitCode.UNTRUSTED


class SignatureError(TrustError):
    """The signature is not that of the publisher the bundle names, or the content changed."""


class UnknownPublisherError(TrustError):
    """The bundle's publisher is not among those that this host trusts."""


class RevokedPublisherError(TrustError):
    """The bundle's publisher was trusted once and is not any more."""


class NotRecipientError(TrustError):
    """The bundle is encrypted for other hosts."""


class DecryptError(TrustError):
    """The content does not decrypt, though the signature is right."""


class RollbackError(TrustError):
    """A newer bundle of the task was seen here before."""


class ExpiredError(TrustError):
    """The bundle's time is over."""


class PlainRefusedError(TrustError):
    """A bundle is not sealed where only sealed ones may run."""


class ProcessRefusedError(TrustError):
    """A task runs in processes where none may."""


class KeyFileError(PolyvmError):
    """A key cannot be had: its file, variable or command is not as it must be."""

    code = ExitCode.UNTRUSTED


class StateFileError(PolyvmError):
    """What the host remembers of bundles cannot be read or written."""

    code = ExitCode.CANNOT_WRITE


class PackError(PolyvmError):
    """A task folder cannot be packed."""


class MissingError(PolyvmError):
    """A file or folder that the user named cannot be read."""

    code = ExitCode.NO_INPUT


class WriteError(PolyvmError):
    """Results or a bundle cannot be written."""

    code = ExitCode.CANNOT_WRITE


class RuntimeMissingError(PolyvmError):
    """The VM library is missing or does not start."""

    code = ExitCode.UNAVAILABLE


class SwitchFileError(PolyvmError):
    """A file of switches is not as it must be."""


class StreamsFileError(PolyvmError):
    """A declaration of streams is not as it must be, or kept events do not fit it."""


class ListenError(PolyvmError):
    """The host cannot listen where it was told to."""

    code = ExitCode.UNAVAILABLE


class HostUnreachableError(PolyvmError):
    """No host answers at the socket that was named, or it says no."""

    code = ExitCode.UNAVAILABLE


class UsageError(PolyvmError):
    """The command line makes no sense in a way that argparse does not see."""

    code = ExitCode.USAGE
