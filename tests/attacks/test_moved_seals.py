"""Somebody who can write to the database moves sealed values about: to other rows, columns, tables, owners and keys."""

import ast
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from tests.attacks.test_plaintext_in_the_database_file import Markers, a_whole_life
from tests.support.service import Service, open_service
from tests.support.thief import NAMES, sealed_columns, whole_keys
from tiprouter.storage.columns import metadata
from tiprouter.storage.vault import DataKey, Place, SealError, blind

SOURCE = Path(__file__).parents[2] / "src" / "tiprouter"
KEY, NONCE = bytes(range(32)), bytes(12)
BLIND_USES = {
    ("workflow/intake.py", "record.source, record.external_id"): "a tip's identity at its source",
    ("workflow/intake.py", "'case', external_id"): "a case's identity at its source",
    ("workflow/intake.py", "source, 'person', ref"): "a person's identity at their source",
    ("workflow/receipts.py", "'receipt', consent.person_id"): "a pseudonym on a consent receipt; nothing is looked up",
    ("workflow/acknowledging.py", "'acknowledgement', signed_part(compact)"): "what an agency signed, to count it once",
    ("workflow/owing.py", "'county', part.place.county"): "a county in a duty's key; nothing personal",
    ("workflow/people.py", "'oidc-subject', issuer, subject"): "which account an identity provider's subject is",
    ("workflow/local_sign_in.py", "'sign-in', normal(email).strip().casefold()"): "what the staff types to sign in",
    ("api/routes/sign_in.py", "'sign-in-source', source(request)"): "a network address that tried, to count its tries",
    ("workflow/rounds.py", "'oidc-nonce', state"): "derived for one round with the identity provider; kept nowhere",
    ("workflow/rounds.py", "'oidc-verifier', state"): "derived likewise",
    ("cli/years_day.py", "national.SOURCE, name"): "an invented person of a bench",
    ("workflow/happening.py", "self.blind_key, *parts"): "the desk's own way to all of them",
}
"""Every blind index there is: where, of what, and why. Never of consent, minority, or any other closed answer."""

Sealed = tuple[Place, bytes]


def sealed_in(tx: Connection) -> list[Sealed]:
    """Every sealed value of a database, with where it stands."""
    found = []
    for table, column in sealed_columns():
        named = [table.c[name] for name in NAMES.get(table.name, ("id",))]
        for row in tx.execute(sa.select(column, *named).where(column.is_not(None), column != b"")):
            place = Place(table.name, "#".join(str(part) for part in row[1:]), column.name)
            found += [(place, bytes(row[0]))]
    return found


def keys_in(tx: Connection, service: Service) -> list[DataKey]:
    """Every data key of a database."""
    return whole_keys(service, tx)


def opens(key: DataKey, sealed: bytes, place: Place) -> bool:
    """Whether it opens there."""
    try:
        key.open(sealed, place)
    except SealError:
        return False
    return True


async def test_no_sealed_value_opens_anywhere_but_at_home(tmp_path: Path) -> None:
    """Every sealed value of a lived-in database, at every place and under every key: at home, and only there."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        await a_whole_life(service, Markers())
        values = await service.database.read(sealed_in)
        keys = await service.database.read(lambda tx: keys_in(tx, service))
    assert len({place.table for place, _ in values}) >= 6
    for home, sealed in values:
        assert sealed[:1] in (b"\x02", b"\x03"), f"{home.table} is sealed in an old form"
        (own,) = [key for key in keys if opens(key, sealed, home)]
        assert [place for place, _ in values if opens(own, sealed, place)] == [home]
        assert not opens(DataKey(own.owner, KEY, own.version), sealed, home)


async def test_what_was_sealed_before_versions_still_opens_at_home(tmp_path: Path) -> None:
    """The old form, whose seal covered no version, is read where it stands; its first byte cannot be exchanged."""
    place = Place("revisions", "tip_1#1", "sealed")
    key = DataKey("tip_1", KEY)
    old = b"\x01" + NONCE + key._cipher.encrypt(NONCE, b"words", b"revisions|tip_1#1|sealed|tip_1")  # noqa: SLF001 - as it was
    assert key.open(old, place) == b"words"
    assert not opens(key, b"\x02" + old[1:], place)
    assert not opens(key, b"\x01" + key.seal(b"words", place, NONCE)[1:], place)
    assert not opens(key, old, Place("revisions", "tip_1#2", "sealed"))


async def test_a_salt_is_sealed_with_its_value_and_neither_is_taken_for_the_other() -> None:
    """Both come back, the value alone where only it is asked for; another first byte opens nothing."""
    place, key, salt = Place("grants", "grt_1", "sealed"), DataKey("tip_1", KEY), b"\x07" * 16
    salted, plain = key.seal(b"words", place, NONCE, salt), key.seal(b"words", place, NONCE)
    assert key.opening(salted, place) == (salt, b"words")
    assert key.opening(plain, place) == (b"", b"words")
    assert key.open(salted, place) == b"words"
    assert not opens(key, b"\x02" + salted[1:], place)
    assert not opens(key, b"\x03" + plain[1:], place)


names = st.text(
    st.characters(codec="ascii", categories=["L", "N"], include_characters="_-#./ "), min_size=1, max_size=12
)
places = st.builds(Place, names, names, names)


@given(places, places, names, names, st.integers(1, 3), st.integers(1, 3))
def test_a_seal_covers_table_row_field_owner_and_version(
    home: Place, other: Place, owner: str, another: str, version: int, later: int
) -> None:
    """Whatever differs, under the very same key bytes, it does not open."""
    assume((home, owner, version) != (other, another, later))
    sealed = DataKey(owner, KEY, version).seal(b"words", home, NONCE)
    assert DataKey(owner, KEY, version).open(sealed, home) == b"words"
    assert not opens(DataKey(another, KEY, later), sealed, other)


def test_a_seal_that_forgot_the_version_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: with the old additional data a renewed key's number means nothing."""
    place = Place("revisions", "tip_1#1", "sealed")
    monkeypatch.setattr(DataKey, "_about", lambda self, at, _: f"{at.table}|{at.row}|{at.field}|{self.owner}".encode())
    assert opens(DataKey("tip_1", KEY, 2), DataKey("tip_1", KEY, 1).seal(b"words", place, NONCE), place)


def test_every_bytes_column_is_sealed_or_known_to_be_public() -> None:
    """A new column of bytes must be called `sealed`, or be listed here with what it holds."""
    public = {
        "data_keys.wrapped": "a data key, wrapped",
        "secrets.wrapped": "a secret's key, wrapped",
        "outbox.entry": "an audit entry",
        "log_entries.entry": "an audit entry",
        "log_tiles.tile": "hashes of audit entries",
        "log_checkpoints.root": "a hash of audit entries",
        "log_checkpoints.note": "a signed hash of audit entries",
        "accounts.password": "sealed under the account's data key",
        "accounts.one_time": "sealed under the account's data key",
    }
    found = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, sa.LargeBinary) and column.name != "sealed"
    }
    assert found <= {*public}, found - {*public}


def blind_uses() -> set[tuple[str, str]]:
    """Every call of something named `blind` in the product: the file, and what it is given."""
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) == "blind":
                found.add((path.relative_to(SOURCE).as_posix(), ", ".join(ast.unparse(one) for one in node.args)))
    return found


def _name(called: ast.expr) -> Any:  # noqa: ANN401 - a name, or none
    return getattr(called, "attr", getattr(called, "id", None))


def test_every_blind_index_is_known_and_none_is_of_consent_or_minority() -> None:
    """A blind index shows what is equal and how often; a yes or no under one is as good as told."""
    assert blind_uses() - {*BLIND_USES} == set()
    assert not any(word in given for _, given in BLIND_USES for word in ("choice", "age", "minor", "phase"))


def test_a_blind_index_is_the_same_however_a_name_was_typed_and_another_for_another_case() -> None:
    """Unicode's compatible forms and white space around it are folded away; identifiers that differ in case are two."""
    forms = ("Ref-\uff11\uff12", " Ref-12", "Ref-12\t", "Ref-12")
    assert len({blind(KEY, "hotline", one) for one in forms}) == 1
    assert blind(KEY, "hotline", "caf\u00e9") == blind(KEY, "hotline", "cafe\u0301")
    assert blind(KEY, "hotline", "ref-12") != blind(KEY, "hotline", "Ref-12")
