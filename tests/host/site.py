"""A publisher and a host that trust each other, in folders of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyvm.host import loader
from polyvm.host.admission import Admission, Policy
from polyvm.host.sealing import keys, sealer
from polyvm.host.sealing.keyring import Keyring
from polyvm.host.sealing.keys import KeyKind, PublicKey, PublisherKey
from polyvm.vm import info
from tests.conftest import write_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyvm.host.bundle import Bundle

CREATED = 1_900_000_000  # the sealing machine's time, unless a test says otherwise


class Clock:
    """A clock that the test sets."""

    def __init__(self, seconds: float = CREATED) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


class Site:
    """Keys under ``folder``/keys, state under ``folder``/state. Bundles go where the test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        self.state = folder / "state"
        self.keyring = Keyring(self.keys)
        self.publisher = self.new_publisher()
        self.host_file, _ = self.keyring.generate(KeyKind.HOST)
        (self.host,) = self.keyring.known_hosts()

    def new_publisher(self, *, trusted: bool = True) -> PublisherKey:
        """Make one more publisher's key, whose secret half the key folder does not hold."""
        key = keys.generate(KeyKind.PUBLISHER)
        if trusted:
            self.trust(key)
        return key

    def trust(self, key: PublisherKey) -> None:
        file = self.folder / f"{key.public_key.text}.pub"
        file.write_bytes(key.public_key.encode())
        self.keyring.trust(file)

    def seal(
        self,
        output: Path,
        sequence: int,
        *,
        name: str = "a",
        version: str = "1.0",
        main: str = "def run(payload):\n    return payload\n",
        publisher: PublisherKey | None = None,
        recipients: Sequence[PublicKey] = (),
        expires: int | None = None,
        magic: bytes = b"",
        isolation: str = "vm",
    ) -> Path:
        """Seal a task with one module; ``output`` is a file or an existing folder."""
        source = write_task(
            self.folder / "source" / f"{name}-{version}-{sequence}",
            main,
            name=name,
            version=version,
            isolation=isolation,
        )
        return sealer.seal(
            source,
            output,
            publisher=publisher or self.publisher,
            recipients=recipients or [self.host],
            magic=magic or info().bytecode_magic,
            sequence=sequence,
            expires=expires,
            now=lambda: CREATED,
        )

    def admission(self, clock: Clock | None = None, **policy: Any) -> Admission:
        """The rules as a process that starts now applies them."""
        return Admission(
            Policy(**{"keys": self.keys, "state": self.state, **policy}),
            info().bytecode_magic,
            clock or Clock(),
        )

    def load(self, path: Path, admission: Admission | None = None) -> Bundle:
        return loader.load(path, admission or self.admission(), self.folder / "packed")
