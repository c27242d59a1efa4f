"""How is personal data kept so that a thief of the database cannot read it?

1. Each owner (a record, a person, a recipient, a remembered answer) has one data key of 256 bits, wrapped by a
   key-encryption key (AES key wrap, NIST SP 800-38F) that lives behind a `KeyProvider`, outside the database.
2. Everything sealed is AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce and the additional data
   `table|row|field|owner`: a sealed value moved elsewhere does not open.
3. Destroying an owner's data key erases everything sealed for that owner; that it was destroyed stays known, so that
   "erased" is never taken for "broken". What is sealed with nothing was erased one by one.
4. Look-ups of outside names use a keyed blind index (HMAC-SHA256), never the names themselves.

Not promised: protection from whoever holds both the database and the key file.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from sqlalchemy.engine import Connection

from tiprouter.errors import ConfigurationError, TiprouterError
from tiprouter.storage.tables import data_keys, secrets

KEY_BYTES: Final = 32
WRAPPED_BYTES: Final = KEY_BYTES + 8
NONCE_BYTES: Final = 12
_VERSION: Final = b"\x01"
_KEYS: Final = sa.select(data_keys.c.owner, data_keys.c.wrapped, data_keys.c.kek_id, data_keys.c.destroyed_at).where(
    data_keys.c.owner.in_(sa.bindparam("owners", expanding=True))
)


class SealError(TiprouterError):
    """A sealed value cannot be opened: its key is gone or it was changed."""


class ErasedError(SealError):
    """What this held was erased, and nobody can bring it back."""


class KeyProvider(Protocol):
    """Who wraps data keys."""

    kek_id: str

    def wrap(self, key: bytes) -> bytes:
        """Wrap a 32-byte data key."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """Unwrap it again. Raises `SealError`."""


class FileKeyProvider:
    """A key-encryption key in a file of mode 0600: 32 random bytes, made on first use."""

    def __init__(self, path: Path, entropy: Callable[[int], bytes]) -> None:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(entropy(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
        if path.stat().st_mode & 0o077:
            raise ConfigurationError("The key file can be read by others; set its mode to 0600.")
        self._key = path.read_bytes()
        if len(self._key) != KEY_BYTES:
            raise ConfigurationError("The key file does not hold a 32-byte key.")
        self.kek_id = hashlib.sha256(b"tiprouter-kek" + self._key).hexdigest()[:16]

    def wrap(self, key: bytes) -> bytes:
        """See `KeyProvider.wrap`."""
        return aes_key_wrap(self._key, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """See `KeyProvider.unwrap`."""
        try:
            return aes_key_unwrap(self._key, wrapped)
        except (InvalidUnwrap, ValueError) as error:
            raise SealError from error


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands; part of what its seal covers."""

    table: str
    row: str
    field: str


class DataKey:
    """One owner's key, in memory for the length of a story."""

    __slots__ = ("_cipher", "owner")

    def __init__(self, owner: str, key: bytes) -> None:
        self.owner = owner
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, place: Place, nonce: bytes) -> bytes:
        """Seal a value for its place; `nonce` is 12 random bytes, never used twice."""
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, self._about(place))

    def open(self, sealed: bytes, place: Place) -> bytes:
        """The value again.

        Raises `ErasedError` when it was emptied, `SealError` when it was changed, moved, or sealed with another key.
        """
        if not sealed:
            raise ErasedError
        if sealed[:1] != _VERSION:
            raise SealError
        nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, self._about(place))
        except (InvalidTag, ValueError) as error:  # ValueError: cut so short that not even a nonce is left
            raise SealError from error

    def _about(self, place: Place) -> bytes:
        return f"{place.table}|{place.row}|{place.field}|{self.owner}".encode()


class Keyring:
    """Several owners' data keys, read at once; each is unwrapped when it is asked for, and once."""

    def __init__(self, vault: "Vault", rows: Mapping[str, Any]) -> None:
        self._vault, self._rows = vault, rows
        self._opened: dict[str, DataKey] = {}

    def key(self, owner: str) -> DataKey:
        """As `Vault.key`, for the owners that were named."""
        if owner not in self._opened:
            self._opened[owner] = self._vault.unwrap(owner, self._rows.get(owner))
        return self._opened[owner]


class Vault:
    """Data keys in the database, wrapped by a provider outside it."""

    def __init__(self, provider: KeyProvider, entropy: Callable[[int], bytes]) -> None:
        self._provider = provider
        self._entropy = entropy

    def nonce(self) -> bytes:
        """A fresh nonce for one seal."""
        return self._entropy(NONCE_BYTES)

    def create(self, tx: Connection, owner: str, now: datetime) -> DataKey:
        """A new data key for an owner who has none."""
        key = self._entropy(KEY_BYTES)
        tx.execute(
            data_keys.insert(),
            {
                "owner": owner,
                "kek_id": self._provider.kek_id,
                "wrapped": self._provider.wrap(key),
                "created_at": now,
            },
        )
        return DataKey(owner, key)

    def key(self, tx: Connection, owner: str) -> DataKey:
        """An owner's data key.

        Raises `ErasedError` when it was destroyed, `SealError` when there is none or it belongs to another
        key-encryption key.
        """
        return self.keys(tx, (owner,)).key(owner)

    def keys(self, tx: Connection, owners: Collection[str]) -> Keyring:
        """The data keys of these owners, as they are now; what is wrong with one shows when it is asked for."""
        rows = tx.execute(_KEYS, {"owners": sorted(owners)})
        return Keyring(self, {row.owner: row for row in rows})

    def unwrap(self, owner: str, row: Any) -> DataKey:  # noqa: ANN401 - a SQLAlchemy row, or None
        """The data key in its row. Raises as `key` does."""
        if row is not None and row.destroyed_at is not None:
            raise ErasedError
        if row is None or row.kek_id != self._provider.kek_id:
            raise SealError
        return DataKey(owner, self._provider.unwrap(row.wrapped))

    def renew(self, tx: Connection, owner: str, now: datetime) -> DataKey:
        """Another data key in the place of an owner's; what the old one sealed can be read by nobody."""
        tx.execute(data_keys.delete().where(data_keys.c.owner == owner))
        return self.create(tx, owner, now)

    def destroy(self, tx: Connection, owner: str, now: datetime) -> None:
        """Destroy an owner's data key, if there is one, and remember that it was (rule 3)."""
        gone = {"wrapped": b"", "destroyed_at": now}
        tx.execute(data_keys.update().where(data_keys.c.owner == owner).values(**gone))

    def known(self, tx: Connection, owner: str) -> bool:
        """Whether an owner has a data key that was not destroyed."""
        held = sa.select(data_keys.c.owner).where(data_keys.c.owner == owner, data_keys.c.destroyed_at.is_(None))
        return tx.execute(held).first() is not None

    def secret(self, tx: Connection, name: str) -> bytes:
        """One of the service's own 32-byte secrets, made on first use."""
        place = Place("secrets", name, "sealed")
        sealed = tx.execute(sa.select(secrets.c.sealed).where(secrets.c.name == name)).scalar_one_or_none()
        if sealed is None:
            key, secret = self._entropy(KEY_BYTES), self._entropy(KEY_BYTES)
            sealed = self._provider.wrap(key) + DataKey(name, key).seal(secret, place, self.nonce())
            tx.execute(secrets.insert(), {"name": name, "sealed": sealed})
            return secret
        key = self._provider.unwrap(sealed[:WRAPPED_BYTES])
        return DataKey(name, key).open(sealed[WRAPPED_BYTES:], place)


def blind(secret: bytes, *parts: str) -> str:
    """The keyed blind index of an outside name: hex, the same for the same parts."""
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
