"""What a host runs: the rules for sealed bundles, and whether plain ones may come in.

A sealed bundle's publisher must be trusted, its signature right, its time not over, its content
encrypted for this host; and no newer bundle of its task may have been live here before. The
order matters: nothing is decrypted before the signature has been verified with a trusted key.

Keys and state are first looked for when a sealed bundle comes: a host that meets none needs none.
Not locked: use from one thread.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host import log
from polyvm.host.bundle import Seal
from polyvm.host.errors import (
    BundleError,
    ExpiredError,
    PlainRefusedError,
    PolyvmError,
    ProcessRefusedError,
    RollbackError,
    StateFileError,
    TrustError,
)
from polyvm.host.sealing import format as formats
from polyvm.host.sealing import history as histories
from polyvm.host.sealing import keyring as keyrings
from polyvm.host.sealing.history import History
from polyvm.host.sealing.keyring import Keyring
from polyvm.host.sealing.keys import KeyKind, load_secret
from polyvm.host.sealing.opener import open_sealed
from polyvm.vm import protect_process

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from polyvm.host.bundle import Bundle
    from polyvm.host.sealing.keys import HostKey, PublicKey
    from polyvm.host.sealing.opener import SealedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Where a host's keys and state are, and what it was told to let pass."""

    keys: Path | None = None  # the key folder; None: the user's
    state: Path | None = None  # where sequences are remembered; None: the user's
    host_keys: tuple[str, ...] = ()  # where the host's keys come from; none: the key folder's own
    require_sealed: bool = False
    process_tasks: bool = True  # tasks may run in processes
    allow_downgrade: bool = False


class Admission:
    """The rules, applied for one process."""

    def __init__(
        self, policy: Policy, magic: bytes, clock: Callable[[], float] = time.time
    ) -> None:
        """``magic`` is the 4-byte bytecode magic that the VMs take."""
        self.magic = magic
        self._policy = policy
        self._clock = clock
        self._met_sealed = False
        self._trust: Hashable = None
        self._publishers: dict[bytes, PublicKey] = {}
        self._own: Sequence[HostKey] | None = None
        self._now = 0.0
        if policy.host_keys:
            # At once: a host that was told of a key and cannot have it does not start.
            protect_process()
            self._own = [load_secret(spec, KeyKind.HOST) for spec in policy.host_keys]

    @cached_property
    def _keyring(self) -> Keyring:
        return Keyring(self._policy.keys or keyrings.default_folder())

    @cached_property
    def _history(self) -> History:
        return History(self._policy.state or histories.default_folder())

    def refuse_plain(self, path: Path) -> None:
        """Raise PlainRefusedError if only sealed bundles may run."""
        if self._policy.require_sealed:
            raise PlainRefusedError(
                f"{path}: not sealed, and this host runs sealed bundles only (--require-sealed); "
                "seal it with `polyvm seal`"
            )

    def check_isolation(self, isolation: str, path: Path) -> None:
        """Raise ProcessRefusedError for a task in processes, if none may run."""
        if isolation == "process" and not self._policy.process_tasks:
            raise ProcessRefusedError(
                f"{path}: the task runs in processes, and this host runs VMs only "
                "(--no-process-tasks); make it one for VMs, or start the host without that"
            )

    def open(self, path: Path) -> Bundle:
        """Verify and unseal a bundle. Raises PolyvmError, naming the first rule it breaks.

        Whether a newer one was live here is for `admit`: an older bundle may lie beside the newer.
        """
        with open_sealed(path) as sealed:
            return self.unseal(sealed, self.prove(sealed))

    def prove(self, sealed: SealedFile) -> Seal:
        """Check publisher, signature and time, without decrypting anything."""
        if not self._met_sealed:
            self._met_sealed = True
            self._trust = self._keyring.signature()
        header, path = sealed.header, sealed.source
        sealed.verify(self._trusted(header.publisher, path))
        self.check_isolation(header.isolation, path)
        seal = Seal(
            publisher=header.publisher.hex(),
            sequence=header.sequence,
            created=header.created,
            expires=header.expires,
            digest=sealed.digest,
        )
        self._now = self._history.now(self._clock)
        self._check_time(seal, path)
        return seal

    def unseal(self, sealed: SealedFile, seal: Seal) -> Bundle:
        """Decrypt what has been proven; the VMs' library checks the bytecode."""
        return sealed.unseal(self._host_keys(), self.magic).bundle(seal)

    def refresh(self) -> bool:
        """Look at keys and clock anew; whether the keys have changed. Call it in every poll."""
        if not self._met_sealed:
            return False
        # Where the state cannot be read, what is live still ends in time by the clock.
        self._now = max(self._now, self._clock())
        with contextlib.suppress(StateFileError):
            self._now = self._history.now(self._clock)
        trust = self._keyring.signature()
        if trust == self._trust:
            return False
        self._trust = trust
        self._publishers.clear()
        if self._own is not None and not self._policy.host_keys:
            for key in self._own:
                key.wipe()
            self._own = None
        return True

    def objection(self, bundle: Bundle) -> PolyvmError | None:
        """Return why an opened bundle must not run any more, as of the last `refresh`."""
        if bundle.seal is None:
            return None
        try:
            self._trusted(bytes.fromhex(bundle.seal.publisher), bundle.source)
            self._check_time(bundle.seal, bundle.source)
        except PolyvmError as error:
            return error
        return None

    def check_sequence(self, name: str, seal: Seal, path: Path) -> bool:
        """Whether no newer bundle of the task was live on this host.

        Raises RollbackError if one was and rollbacks are not allowed.
        """
        try:
            with _naming(path):
                self._history.check(name, seal.sequence, seal.digest)
        except RollbackError as error:
            if not self._policy.allow_downgrade:
                raise
            log.get().warning("rollback allowed", task=name, reason=str(error))
            return False
        return True

    def admit(self, bundle: Bundle) -> None:
        """Let the bundle become its task's live one: what is older is a rollback from now on.

        Raises RollbackError if it is older itself, StateFileError if that cannot be remembered.
        """
        name, seal, path = bundle.manifest.name, bundle.seal, bundle.source
        if seal is not None and self.check_sequence(name, seal, path):
            with _naming(path):
                self._history.record(name, seal.sequence, seal.digest, seal.created, self._clock)

    def _trusted(self, publisher: bytes, path: Path) -> PublicKey:
        key = self._publishers.get(publisher)
        if key is None:
            with _naming(path):
                key = self._publishers[publisher] = self._keyring.trusted(publisher)
        return key

    def _check_time(self, seal: Seal, path: Path) -> None:
        if seal.expires is not None and self._now >= seal.expires:
            over = datetime.fromtimestamp(seal.expires, UTC)
            raise ExpiredError(
                f"{path}: expired on {over:%Y-%m-%d at %H:%M UTC}; get a newer bundle from its "
                "publisher"
            )

    def _host_keys(self) -> Sequence[HostKey]:
        if self._own is None:
            protect_process()
            self._own = self._keyring.host_keys()
        return self._own


def is_sealed(path: Path) -> bool:
    """Whether a file starts as sealed bundles do. Raises BundleError if it cannot be read."""
    if path.is_dir():
        return False
    try:
        with path.open("rb") as file:
            return formats.is_sealed(file.read(formats.PREAMBLE_BYTES))
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from None


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file into the sentence of a rule that knows of no file."""
    try:
        yield
    except TrustError as error:
        raise type(error)(f"{path}: {error}") from None
