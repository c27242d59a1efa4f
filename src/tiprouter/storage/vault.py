"""How is personal data kept so that a thief of the database cannot read it?

1. Each owner (a record, a person, a recipient, a remembered answer) has one data key of 256 bits, wrapped by a
   key-encryption key that lives behind a `KeyProvider`, outside the database. Which key that was stands beside it: the
   provider in force wraps, and every one that is set up opens what it wrapped.
2. Everything sealed is AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce and the additional data
   `table|row|field|owner|version of the data key`: a sealed value moved elsewhere does not open. What was sealed before
   versions were part of it (its first byte says so) still opens at home, and nowhere else. The salt of what the log
   says of a value (`audit/entry.commit`) is sealed with the value, in one seal: what ends the one ends the other.
3. Destroying an owner's data key erases everything sealed for that owner; that it was destroyed stays known, so that
   "erased" is never taken for "broken". What is sealed with nothing was erased one by one.
4. Look-ups of outside names use a keyed blind index (HMAC-SHA256) of the normalised name, never the names themselves.
5. A key service that is away is `KeysUnavailableError`, never `SealError`: shut for now is not taken for broken.

Not promised: protection from whoever holds both the database and the key-encryption key.
"""

import contextlib
import hashlib
import hmac
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.engine import Connection

from tiprouter.errors import TiprouterError
from tiprouter.storage import rows
from tiprouter.storage.columns import named_in
from tiprouter.storage.key_providers import KEY_BYTES, KeyProvider, UnwrapError, Wrapped
from tiprouter.storage.key_providers.file import FileKeyProvider
from tiprouter.storage.key_providers.memory import KeyMemory
from tiprouter.storage.key_providers.off_loop import off_the_loop
from tiprouter.storage.ready import Ready
from tiprouter.storage.tables import data_keys, secrets

__all__ = [
    "DataKey",
    "ErasedError",
    "FileKeyProvider",
    "Keyring",
    "Place",
    "SealError",
    "Vault",
    "blind",
    "key_made_at",
    "secret_owner",
]

T = TypeVar("T")

NONCE_BYTES: Final = 12
_UNVERSIONED: Final = b"\x01"
_VERSIONED: Final = b"\x02"
_SALTED: Final = b"\x03"
SALT_BYTES: Final = 16
_ENDS: Final = {_VERSIONED: "", _SALTED: "|salted"}
_HELD: Final = ("wrapped", "kek_id", "version", "destroyed_at")
_KEYS: Final = Ready(
    sa.select(data_keys.c.owner, *(data_keys.c[name] for name in _HELD)).where(named_in(data_keys.c.owner, "owners"))
)

_SECRET: Final = sa.select(secrets).where(secrets.c.name == sa.bindparam("name"))


class SealError(TiprouterError):
    """A sealed value cannot be opened: its key is gone or it was changed."""


class ErasedError(SealError):
    """What this held was erased, and nobody can bring it back."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands; part of what its seal covers."""

    table: str
    row: str
    field: str


class DataKey:
    """One owner's key, in memory for the length of a story; `version` counts the keys this owner has had, from 1."""

    __slots__ = ("_cipher", "owner", "version")

    def __init__(self, owner: str, key: bytes, version: int = 1) -> None:
        self.owner, self.version = owner, version
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, place: Place, nonce: bytes, salt: bytes = b"") -> bytes:
        """Seal a value for its place; `nonce` is 12 random bytes, never used twice.

        `salt` is the 16 bytes under which the log commits to the value, if it does.
        """
        form = _SALTED if salt else _VERSIONED
        return form + nonce + self._cipher.encrypt(nonce, salt + plain, self._about(place, form))

    def open(self, sealed: bytes, place: Place) -> bytes:
        """The value again; raises as `opening` does."""
        return self.opening(sealed, place)[1]

    def opening(self, sealed: bytes, place: Place) -> tuple[bytes, bytes]:
        """The salt that was sealed with the value, empty where none was, and the value again.

        Raises `ErasedError` when it was emptied, `SealError` when it was changed, moved, or sealed with another key.
        """
        if not sealed:
            raise ErasedError
        form, nonce, body = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        if form not in {_UNVERSIONED, _VERSIONED, _SALTED}:
            raise SealError
        salted = SALT_BYTES if form == _SALTED else 0
        try:
            plain = self._cipher.decrypt(nonce, body, self._about(place, form))
        except (InvalidTag, ValueError) as error:  # ValueError: cut so short that not even a nonce is left
            raise SealError from error
        return plain[:salted], plain[salted:]

    def _about(self, place: Place, form: bytes) -> bytes:
        home = f"{place.table}|{place.row}|{place.field}|{self.owner}"
        return (home if form == _UNVERSIONED else f"{home}|{self.version}{_ENDS[form]}").encode()


class Keyring:
    """Several owners' data keys, read at once; each is unwrapped when it is asked for, and once."""

    def __init__(self, vault: "Vault", held: Mapping[str, Sequence[Any]]) -> None:
        self._vault, self._held = vault, held
        self._opened: dict[str, DataKey] = {}

    def key(self, owner: str) -> DataKey:
        """As `Vault.key`, for the owners that were named."""
        if owner not in self._opened:
            self._opened[owner] = self._vault.unwrap(owner, self._held.get(owner))
        return self._opened[owner]


class Vault:
    """Data keys in the database, wrapped by a provider outside it.

    `provider` wraps and opens, `former` providers only open; `memory` holds what a remote one unwrapped lately.
    """

    def __init__(
        self,
        provider: KeyProvider,
        entropy: Callable[[int], bytes],
        former: Sequence[KeyProvider] = (),
        memory: KeyMemory | None = None,
    ) -> None:
        self._provider, self._former = provider, tuple(former)
        self._entropy = entropy
        self._memory = memory

    @property
    def providers(self) -> tuple[KeyProvider, ...]:
        """The provider that wraps, then the former ones."""
        return (self._provider, *self._former)

    def nonce(self) -> bytes:
        """A fresh nonce for one seal."""
        return self._entropy(NONCE_BYTES)

    def create(self, tx: Connection, owner: str, now: datetime, version: int = 1) -> DataKey:
        """A new data key for an owner who has none. Raises `KeysUnavailableError`."""
        key = self._entropy(KEY_BYTES)
        wrapped = self.wrap(owner, key)
        row = {"owner": owner, "kek_id": wrapped.kek_id, "wrapped": wrapped.data, "version": version, "created_at": now}
        rows.add_one(tx, data_keys, row)
        return DataKey(owner, key, version)

    def key(self, tx: Connection, owner: str) -> DataKey:
        """An owner's data key.

        Raises `ErasedError` when it was destroyed, `SealError` when there is none or nobody here can open it,
        `KeysUnavailableError` when the key service is away.
        """
        return self.keys(tx, (owner,)).key(owner)

    def keys(self, tx: Connection, owners: Collection[str]) -> Keyring:
        """The data keys of these owners, as they are now; what is wrong with one shows when it is asked for."""
        return Keyring(self, {owner: held for owner, *held in _KEYS.all(tx, {"owners": sorted(owners)})})

    def unwrap(self, owner: str, held: Sequence[Any] | None) -> DataKey:
        """The data key as it is held (`_HELD`), or not at all. Raises as `key` does."""
        if held is None:
            raise SealError
        wrapped, kek_id, version, destroyed_at = held
        if destroyed_at is not None:
            raise ErasedError
        return DataKey(owner, self.opened(owner, Wrapped(kek_id, wrapped)), version)

    def wrap(self, owner: str, key: bytes) -> Wrapped:
        """Wrap a data key with the newest key-encryption key. Raises `KeysUnavailableError`."""
        wrapped = _waiting(self._provider, lambda: self._provider.wrap(key, owner))
        self._remember(self._provider, owner, wrapped, key)
        return wrapped

    def opened(self, owner: str, wrapped: Wrapped) -> bytes:
        """The wrapped key's bytes, from the provider that wrapped it. Raises `SealError`, `KeysUnavailableError`."""
        known = None if self._memory is None else self._memory.find(owner, wrapped)
        if known is not None:
            return known
        provider = next((one for one in self.providers if one.opens(wrapped.kek_id)), None)
        if provider is None:
            raise SealError
        try:
            key = _waiting(provider, lambda: provider.unwrap(wrapped, owner))
        except UnwrapError as error:
            raise SealError from error
        self._remember(provider, owner, wrapped, key)
        return key

    def renew(self, tx: Connection, owner: str, now: datetime) -> DataKey:
        """Another data key in the place of an owner's; what the old one sealed can be read by nobody."""
        had = tx.execute(sa.select(data_keys.c.version).where(data_keys.c.owner == owner)).scalar_one_or_none()
        tx.execute(data_keys.delete().where(data_keys.c.owner == owner))
        return self.create(tx, owner, now, version=(had or 0) + 1)

    def destroy(self, tx: Connection, owner: str, now: datetime) -> None:
        """Destroy an owner's data key, if there is one, and remember that it was (rule 3)."""
        gone = {"wrapped": b"", "destroyed_at": now}
        tx.execute(data_keys.update().where(data_keys.c.owner == owner).values(**gone))
        if self._memory is not None:
            self._memory.forget(owner)

    def known(self, tx: Connection, owner: str) -> bool:
        """Whether an owner has a data key that was not destroyed."""
        return key_made_at(tx, owner) is not None

    def secret(self, tx: Connection, name: str) -> bytes:
        """One of the service's own 32-byte secrets, made on first use. Raises as `key` does."""
        place, owner = Place("secrets", name, "sealed"), secret_owner(name)
        row = tx.execute(_SECRET, {"name": name}).one_or_none()
        if row is None:
            key, secret = self._entropy(KEY_BYTES), self._entropy(KEY_BYTES)
            wrapped = self.wrap(owner, key)
            sealed = DataKey(name, key).seal(secret, place, self.nonce())
            stored = {"name": name, "kek_id": wrapped.kek_id, "wrapped": wrapped.data, "sealed": sealed}
            tx.execute(secrets.insert(), stored)
            return secret
        return DataKey(name, self.opened_secret(name, row.kek_id, row.wrapped)).open(row.sealed, place)

    def opened_secret(self, name: str, kek_id: str | None, wrapped: bytes) -> bytes:
        """The key of a stored secret; `kek_id` None was not noted. Raises `SealError`, `KeysUnavailableError`."""
        # While ids were not noted there were no providers but files.
        local = (known for one in self.providers if not one.remote for known in one.ids())
        for one in local if kek_id is None else (kek_id,):
            with contextlib.suppress(SealError):
                return self.opened(secret_owner(name), Wrapped(one, wrapped))
        raise SealError

    def _remember(self, provider: KeyProvider, owner: str, wrapped: Wrapped, key: bytes) -> None:
        if self._memory is not None and provider.remote:
            self._memory.keep(owner, wrapped, key)


def key_made_at(tx: Connection, owner: str) -> datetime | None:
    """When the data key of an owner was made; None where there is none, or it was destroyed."""
    held = sa.select(data_keys.c.created_at).where(data_keys.c.owner == owner, data_keys.c.destroyed_at.is_(None))
    moment: datetime | None = tx.execute(held).scalar_one_or_none()
    return moment


def secret_owner(name: str) -> str:
    """As whose key a secret's own is wrapped."""
    return f"secret:{name}"


def _waiting(provider: KeyProvider, call: Callable[[], T]) -> T:
    return off_the_loop(call) if provider.remote else call()


def blind(secret: bytes, *parts: str) -> str:
    """The keyed blind index of an outside name: hex, the same for the same parts.

    Each part is normalised (Unicode NFKC, UAX #15; no white space around it). Case is kept: these are identifiers of
    other systems, some of which tell `a1` from `A1`, and two persons must never become one.
    """
    plain = [unicodedata.normalize("NFKC", part).strip().encode() for part in parts]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in plain)
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
