"""A key service that a test holds in its hand: away or slow when the test says so, and it counts what it is asked."""

import os
import threading
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tiprouter.storage.key_providers import KeysUnavailableError, UnwrapError, Wrapped


@dataclass
class KeyService:
    """A remote provider: AES-GCM bound to the owner, one key a version."""

    versions: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    away: bool = False
    delay_seconds: float = 0.0
    unwrapped: list[str] = field(default_factory=list)
    asked_by: set[str] = field(default_factory=set)
    remote: bool = True

    def ids(self) -> tuple[str, ...]:
        """See `KeyProvider.ids`."""
        return tuple(f"service.v{number}" for number in range(1, len(self.versions) + 1))

    def opens(self, kek_id: str) -> bool:
        """See `KeyProvider.opens`."""
        return kek_id.startswith("service.v")

    def wrap(self, key: bytes, owner: str) -> Wrapped:
        """See `KeyProvider.wrap`."""
        self._be_asked()
        nonce = os.urandom(12)
        return Wrapped(self.ids()[-1], nonce + AESGCM(self.versions[-1]).encrypt(nonce, key, owner.encode()))

    def unwrap(self, wrapped: Wrapped, owner: str) -> bytes:
        """See `KeyProvider.unwrap`."""
        self._be_asked()
        self.unwrapped.append(owner)
        key = self.versions[int(wrapped.kek_id.removeprefix("service.v")) - 1]
        try:
            return AESGCM(key).decrypt(wrapped.data[:12], wrapped.data[12:], owner.encode())
        except Exception as error:
            raise UnwrapError from error

    def rotate(self) -> str:
        """See `KeyProvider.rotate`."""
        self.versions.append(os.urandom(32))
        return self.ids()[-1]

    def _be_asked(self) -> None:
        self.asked_by.add(threading.current_thread().name.partition("_")[0])
        time.sleep(self.delay_seconds)
        if self.away:
            raise KeysUnavailableError
