"""Can whoever knows one key of the log follow it to the key of today, and only by the word of the key before?"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.audit.conftest import LOG, ORIGIN, entry, story
from tiprouter.audit.checkpoint import Checkpoint, sign_checkpoint
from tiprouter.audit.entry import parse
from tiprouter.audit.folder import publish
from tiprouter.audit.growth import LogState, integrate
from tiprouter.audit.kinds import Kind
from tiprouter.audit.note import Signer
from tiprouter.audit.succession import SuccessionError, follow, name_successor
from tiprouter.audit.verify import verify_folder

KEYS = [LOG, Signer(ORIGIN, b"\x21" * 32), Signer(ORIGIN, b"\x22" * 32)]


def handed_over(number: int, old: Signer, new: Signer) -> bytes:
    """The entry by which one key names the next."""
    return entry(number, Kind.LOG_KEY, **name_successor(old, new))


def published(folder: Path, entries: Sequence[bytes], signer: Signer) -> Path:
    """The entries in a folder, signed by one key; the folder's own key is the first."""
    grown = integrate(LogState(), entries)
    publish(folder, grown.files, sign_checkpoint(Checkpoint(ORIGIN, len(entries), grown.root), signer), LOG.vkey)
    return folder


def handovers() -> list[bytes]:
    """A log in which the key is replaced twice."""
    return [*story(300), handed_over(300, *KEYS[:2]), *story(2)[1:], handed_over(302, *KEYS[1:]), *story(3)[1:]]


def test_any_key_of_the_log_leads_to_the_one_in_force(tmp_path: Path) -> None:
    """Rule 2: who was given the first, the second or the last key verifies the same log."""
    folder = published(tmp_path / "log", handovers(), KEYS[2])
    for number, key in enumerate(KEYS):
        report = verify_folder(folder, key.vkey)
        assert report.ok, report.steps
        assert ("replaced" in report.steps[1].detail) == (number < 2)
    assert verify_folder(folder).ok


@pytest.mark.parametrize("number", [0, 1])
def test_a_key_that_was_replaced_signs_nothing_more(tmp_path: Path, number: int) -> None:
    """Rule 2: the log as a thief of an old key would sign it does not verify."""
    folder = published(tmp_path / "log", handovers(), KEYS[number])
    for key in KEYS[: number + 1]:
        report = verify_folder(folder, key.vkey)
        assert [step.ok for step in report.steps[:2]] == [True, False]


def test_nobody_else_names_a_successor(tmp_path: Path) -> None:
    """Rule 3: not a stranger, not a key replaced before, and not for another log or key."""
    stranger = Signer(ORIGIN, b"\x66" * 32)
    good = name_successor(*KEYS[:2])
    bodies = (
        {**name_successor(stranger, KEYS[1]), "replaces": good["replaces"]},
        {**good, "vkey": stranger.vkey},
        {**good, "vkey": "nonsense"},
        {**good, "signature": "AAAA"},
        {**good, "vkey": Signer("elsewhere.example/log", b"\x21" * 32).vkey},
    )
    for number, body in enumerate(bodies):
        folder = published(tmp_path / str(number), [*story(3), entry(3, Kind.LOG_KEY, **body)], LOG)
        assert not verify_folder(folder, LOG.vkey).ok
    twice = [handed_over(1, *KEYS[:2]), handed_over(2, LOG, stranger)]
    with pytest.raises(SuccessionError):
        follow(LOG.verifier, map(parse, twice))


def test_entries_before_a_key_came_into_force_are_not_its_business() -> None:
    """Rule 2: the last key is followed from its own beginning."""
    entries = [parse(handed_over(1, *KEYS[:2])), parse(handed_over(2, *KEYS[1:]))]
    assert follow(KEYS[0].verifier, entries) == [key.verifier for key in KEYS]
    assert follow(KEYS[2].verifier, entries) == [KEYS[2].verifier]
