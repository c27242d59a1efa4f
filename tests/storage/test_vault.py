"""A thief of the database reads nothing, and a sealed value that was moved or changed does not open."""

import os
import stat
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.support.embedded import prepared
from tests.support.service import START
from tiprouter.errors import ConfigurationError
from tiprouter.storage.database import Database, open_database
from tiprouter.storage.tables import data_keys, secrets
from tiprouter.storage.vault import NONCE_BYTES, DataKey, FileKeyProvider, Place, SealError, Vault, blind

PLACE = Place("revisions", "tip_1#1", "sealed")
PLAIN = b"Example Person was seen at 1 Example Street"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A migrated embedded database: the seals do not differ between the two kinds."""
    url = f"sqlite:///{tmp_path / 'vault.db'}"
    await prepared(url)
    opened = open_database(url)
    yield opened
    await opened.close()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """A vault under a key file of its own."""
    return Vault(FileKeyProvider(tmp_path / "keys" / "kek", os.urandom), os.urandom)


@pytest.mark.parametrize(
    "elsewhere",
    [
        Place("consents", "tip_1#1", "sealed"),
        Place("revisions", "tip_1#2", "sealed"),
        Place("revisions", "tip_2#1", "sealed"),
        Place("revisions", "tip_1#1", "snippet"),
    ],
)
def test_a_sealed_value_that_was_moved_does_not_open(elsewhere: Place) -> None:
    """Another table, row or field is another place; at home it opens."""
    key = DataKey("tip_1", os.urandom(32))
    sealed = key.seal(PLAIN, PLACE, os.urandom(NONCE_BYTES))
    assert key.open(sealed, PLACE) == PLAIN
    with pytest.raises(SealError):
        key.open(sealed, elsewhere)


def test_a_sealed_value_of_one_owner_does_not_open_for_another_with_the_same_key() -> None:
    """Even when the wrapped key itself is copied to another owner, what it sealed stays shut."""
    secret = os.urandom(32)
    sealed = DataKey("tip_1", secret).seal(PLAIN, PLACE, os.urandom(NONCE_BYTES))
    with pytest.raises(SealError):
        DataKey("tip_2", secret).open(sealed, PLACE)


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    """Each byte of version, nonce, ciphertext and tag matters; so does the length, down to nothing."""
    key = DataKey("tip_1", os.urandom(32))
    sealed = key.seal(PLAIN, PLACE, os.urandom(NONCE_BYTES))
    changed = [
        sealed[:position] + bytes([sealed[position] ^ 1 << (position % 8)]) + sealed[position + 1 :]
        for position in range(len(sealed))
    ]
    cut = [sealed[:length] for length in range(len(sealed))]
    for value in (*changed, *cut, sealed + b"\0"):
        with pytest.raises(SealError):
            key.open(value, PLACE)


def test_a_sealed_value_shows_nothing_of_what_it_holds() -> None:
    """Neither the words nor their repetition can be seen: the same words twice have unlike seals."""
    key = DataKey("tip_1", os.urandom(32))
    first, second = (key.seal(PLAIN, PLACE, os.urandom(NONCE_BYTES)) for _ in range(2))
    assert first != second
    assert b"Example" not in first
    assert len(first) == 1 + NONCE_BYTES + len(PLAIN) + 16


def test_no_nonce_is_used_twice(vault: Vault) -> None:
    """A hundred thousand seals of one vault have a hundred thousand nonces, read from the sealed bytes."""
    key = DataKey("tip_1", os.urandom(32))
    seals = (key.seal(b"", PLACE, vault.nonce()) for _ in range(100_000))
    assert max(Counter(sealed[1 : 1 + NONCE_BYTES] for sealed in seals).values()) == 1


async def test_a_destroyed_key_opens_nothing_any_more(database: Database, vault: Vault) -> None:
    """Erasure is the end of the data key; other owners keep theirs."""
    sealed = await database.write(lambda tx: vault.create(tx, "tip_1", START).seal(PLAIN, PLACE, vault.nonce()))
    await database.write(lambda tx: vault.create(tx, "tip_2", START))
    assert await database.read(lambda tx: vault.key(tx, "tip_1").open(sealed, PLACE)) == PLAIN
    await database.write(lambda tx: tx.execute(data_keys.delete().where(data_keys.c.owner == "tip_1")))
    with pytest.raises(SealError):
        await database.read(lambda tx: vault.key(tx, "tip_1"))
    assert (await database.read(lambda tx: vault.key(tx, "tip_2"))).owner == "tip_2"


async def test_another_key_file_opens_nothing(database: Database, vault: Vault, tmp_path: Path) -> None:
    """A vault under another key-encryption key gets neither keys nor secrets, even when its name is forged."""
    other_provider = FileKeyProvider(tmp_path / "other" / "kek", os.urandom)
    other = Vault(other_provider, os.urandom)
    await database.write(lambda tx: (vault.create(tx, "tip_1", START), vault.secret(tx, "blind-index")))
    with pytest.raises(SealError):
        await database.read(lambda tx: other.key(tx, "tip_1"))
    await database.write(lambda tx: tx.execute(data_keys.update().values(kek_id=other_provider.kek_id)))
    with pytest.raises(SealError):
        await database.read(lambda tx: other.key(tx, "tip_1"))
    with pytest.raises(SealError):
        await database.write(lambda tx: other.secret(tx, "blind-index"))


async def test_the_services_own_secrets_cannot_be_exchanged(database: Database, vault: Vault) -> None:
    """Swapping the two sealed secrets in the database is noticed: the log is never signed with the index's key."""

    def swap(tx: Connection) -> None:
        sealed = {row.name: row.sealed for row in tx.execute(sa.select(secrets))}
        for name, other in (("blind-index", "log-signing"), ("log-signing", "blind-index")):
            tx.execute(secrets.update().where(secrets.c.name == name).values(sealed=sealed[other]))

    first = await database.write(lambda tx: (vault.secret(tx, "blind-index"), vault.secret(tx, "log-signing")))
    assert first == await database.write(lambda tx: (vault.secret(tx, "blind-index"), vault.secret(tx, "log-signing")))
    assert first[0] != first[1]
    await database.write(swap)
    with pytest.raises(SealError):
        await database.write(lambda tx: vault.secret(tx, "log-signing"))


async def test_neither_keys_nor_secrets_stand_open_in_the_database(database: Database, vault: Vault) -> None:
    """What is stored of a key is wrapped: the bytes in use occur nowhere in the rows."""
    made: list[bytes] = []

    def entropy(count: int) -> bytes:
        made.append(os.urandom(count))
        return made[-1]

    watched = Vault(vault._provider, entropy)  # noqa: SLF001 - the same provider, with entropy that is written down
    await database.write(lambda tx: (watched.create(tx, "tip_1", START), watched.secret(tx, "blind-index")))
    stored = await database.read(
        lambda tx: (
            b"".join(bytes(row.wrapped) for row in tx.execute(sa.select(data_keys)))
            + b"".join(bytes(row.sealed) for row in tx.execute(sa.select(secrets)))
        )
    )
    keys = [secret for secret in made if len(secret) == 32]
    assert len(keys) == 3
    assert all(secret not in stored for secret in keys)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Any bit for group or others is refused, with what to do about it."""
    path = tmp_path / "kek"
    FileKeyProvider(path, os.urandom)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="0600"):
        FileKeyProvider(path, os.urandom)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_key_file_of_the_wrong_length_is_refused(tmp_path: Path, content: bytes) -> None:
    """A cut or foreign file is no key."""
    path = tmp_path / "kek"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError):
        FileKeyProvider(path, os.urandom)


def test_a_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    """The first use makes it, readable by its owner only even under a generous umask; the second finds the same key."""
    before = os.umask(0)
    try:
        first = FileKeyProvider(tmp_path / "keys" / "kek", os.urandom)
    finally:
        os.umask(before)
    path = tmp_path / "keys" / "kek"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert FileKeyProvider(path, os.urandom).kek_id == first.kek_id
    assert path.read_bytes().hex()[:16] != first.kek_id


def test_a_blind_index_depends_on_its_key_and_on_where_its_parts_end() -> None:
    """Equal names meet under one key only, and moving a letter from one part to the next gives another index."""
    key = os.urandom(32)
    assert blind(key, "hotline", "p1") == blind(key, "hotline", "p1")
    others = {blind(key, "hotlinep", "1"), blind(key, "hotline", "p1", ""), blind(os.urandom(32), "hotline", "p1")}
    assert blind(key, "hotline", "p1") not in others
