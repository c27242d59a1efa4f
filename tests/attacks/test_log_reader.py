"""What does an outsider learn who has the log's tiles, or even every entry, and guesses well?

Nobody's words are in the log (test_markers_everywhere.py); without an auditor's credential its entries are not there
(tests/security/test_authorisation.py). Here the reader knows already what they want confirmed, and is told nothing.
"""

from hashlib import sha256

import pytest

from tests.attacks.agreement import entries_of
from tests.attacks.test_erased_content import a_whole_life, hers
from tests.support.service import Service
from tiprouter.audit.entry import commit, compose
from tiprouter.audit.merkle import leaf_hash
from tiprouter.workflow import happening


async def test_a_right_guess_of_what_was_said_is_not_confirmed_by_the_entries(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every committed value is known to the reader byte for byte, and every salt that an entry shows is tried."""
    values: list[bytes] = []

    def known(salt: bytes, value: bytes) -> str:
        values.append(value)
        return commit(salt, value)

    monkeypatch.setattr(happening, "commit", known)
    await a_whole_life(service, hers())
    await service.check_house()
    entries = await entries_of(service)
    shown = {str(one.body[name]) for one in entries for name in one.body if "commitment" in name}
    assert len(values) > 3
    assert shown
    salts = {bytes(16), *(one.nonce for one in entries)}
    salts |= {str(value).encode().ljust(16, b"\0") for one in entries for value in one.body.values()}
    guessed = {commit(salt, value) for salt in salts for value in values}
    guessed |= {sha256(value).hexdigest() for value in values}
    assert guessed & shown == set()


async def test_a_right_guess_of_an_entry_is_not_confirmed_by_the_tiles(service: Service) -> None:
    """The public tiles hold hashes: who knows an entry's kind, moment and body, not its nonce, finds it nowhere."""
    await a_whole_life(service, hers())
    await service.check_house()
    tiles = b"".join(one.read_bytes() for one in (service.folder / "log" / "tile" / "0").rglob("*") if one.is_file())
    leaves = {tiles[at : at + 32] for at in range(0, len(tiles), 32)}
    entries = await entries_of(service)
    assert {leaf_hash(compose(one.kind, one.at, one.nonce, one.body)) for one in entries} <= leaves
    before = bytes(16)
    for one in entries:
        assert {
            leaf_hash(compose(one.kind, one.at, guess, one.body)) for guess in (bytes(16), before)
        } & leaves == set()
        before = one.nonce
