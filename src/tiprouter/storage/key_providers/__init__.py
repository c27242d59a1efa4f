"""Who wraps data keys, and what may they promise?

1. A provider holds one or more key-encryption keys, each with an id of at most 40 characters. The newest wraps; every
   one that it still has opens what it wrapped.
2. A wrapped key is bound to its owner where the provider can bind (additional data, encryption context); where it
   cannot (AES key wrap), the seals under the data key are bound to the owner all the same.
3. A key service that is away or refuses is `KeysUnavailableError`: nothing happened, ask again. Something wrapped that
   does not open is `UnwrapError`: asking again does not help. The two are never taken for each other.
4. No message names a host, a path, a token or a key: errors travel to callers.

Not promised: that a provider forgets. Destroying an old key-encryption key is the operator's (docs/operations.md).
"""

from dataclasses import dataclass
from typing import Final, Protocol

from tiprouter.errors import TiprouterError, UnavailableError

KEY_BYTES: Final = 32


class UnwrapError(TiprouterError):
    """A wrapped key does not open."""


class KeysUnavailableError(UnavailableError):
    """The key service does not answer; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A wrapped data key, and the id of the key-encryption key that wrapped it."""

    kek_id: str
    data: bytes


class KeyProvider(Protocol):
    """Who wraps data keys.

    `remote` says that a call may take as long as a network does: such calls are kept off the event loop.
    """

    @property
    def remote(self) -> bool:
        """Whether a call may wait for something outside this process."""

    def ids(self) -> tuple[str, ...]:
        """The key-encryption keys that can be used now, the one that wraps last. Raises `KeysUnavailableError`."""

    def opens(self, kek_id: str) -> bool:
        """Whether something wrapped under this id is this provider's to open."""

    def wrap(self, key: bytes, owner: str) -> Wrapped:
        """Wrap a 32-byte data key for its owner with the newest key. Raises `KeysUnavailableError`."""

    def unwrap(self, wrapped: Wrapped, owner: str) -> bytes:
        """Unwrap it again. Raises `UnwrapError`, `KeysUnavailableError`."""

    def rotate(self) -> str:
        """Make a new key-encryption key, which wraps from now on; its id.

        Raises `KeysUnavailableError`, and `ConfigurationError` where only the operator can.
        """
