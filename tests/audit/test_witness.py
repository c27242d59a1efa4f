"""Does a witness cosign only what follows from what it cosigned before? (audit/witness.py, C2SP tlog-witness)"""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.audit.conftest import LOG, ORIGIN, WITNESS, story
from tiprouter.audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from tiprouter.audit.growth import Integration, LogState, integrate
from tiprouter.audit.merkle import consistency_proof
from tiprouter.audit.note import Signer, append, split_note
from tiprouter.audit.tiles import hash_reader
from tiprouter.audit.witness import SIZE_TYPE, RequestError, Submission, Witness

NOW = 1_700_000_000
ENTRIES = story(700)


def note_at(size: int, signer: Signer = LOG, changed: int | None = None) -> bytes:
    """The signed checkpoint of the first `size` entries, one of them changed if wanted."""
    return sign_checkpoint(Checkpoint(signer.name, size, grown(size, changed).root), signer)


def grown(size: int, changed: int | None = None) -> Integration:
    """The log of `size` entries."""
    entries = ENTRIES[:size]
    if changed is not None:
        entries = [*entries[:changed], entries[changed] + b" ", *entries[changed + 1 :]]
    return integrate(LogState(), entries)


def submission(old: int, new: int, changed: int | None = None) -> Submission:
    """What an honest log asks, or one that changed an entry."""
    files = grown(new, changed).files
    proof = consistency_proof(old, new, hash_reader(new, lambda tile: files[tile])) if old else []
    return Submission(old, tuple(proof), note_at(new, LOG, changed))


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    """A witness that has seen nothing yet."""
    return Witness(ORIGIN, [LOG.verifier], WITNESS, tmp_path / "state")


def test_a_growing_log_is_cosigned_at_each_size(witness: Witness) -> None:
    """Rule 1 and 3: the line verifies under the witness's key, states the time, and is over that very checkpoint."""
    old = 0
    for size in (1, 5, 256, 257, 600, 600, 700):
        asked = submission(old, size)
        assert Submission.parse(asked.encode()) == asked
        answer = witness.add_checkpoint(asked.encode(), NOW)
        assert answer.status == 200, answer.body
        opened = open_checkpoint(append(asked.note, answer.body), LOG.verifier, [WITNESS.verifier], quorum=1)
        assert (opened.checkpoint.size, opened.cosignatures[0].seconds) == (size, NOW)
        assert witness.latest() == append(asked.note, answer.body)
        old = size


def test_another_size_than_the_one_known_is_told_the_known_one(witness: Witness) -> None:
    """Rule 2: 409 with the size in the type that the specification names, after which the right proof is taken."""
    witness.add_checkpoint(submission(0, 300).encode(), NOW)
    for old in (0, 299, 301):
        answer = witness.add_checkpoint(submission(old, 600).encode(), NOW)
        assert (answer.status, answer.media_type, answer.body) == (409, SIZE_TYPE, b"300\n")
    assert witness.add_checkpoint(submission(300, 600).encode(), NOW).status == 200


def test_a_rewritten_history_is_not_cosigned(witness: Witness) -> None:
    """Rule 2: neither a longer one (422) nor one of the same size (409), and nothing is remembered of it."""
    first = submission(0, 300)
    cosigned = append(first.note, witness.add_checkpoint(first.encode(), NOW).body)
    assert witness.add_checkpoint(submission(300, 600, changed=7).encode(), NOW).status == 422
    same = witness.add_checkpoint(Submission(300, (), note_at(300, LOG, 7)).encode(), NOW)
    assert (same.status, same.media_type == SIZE_TYPE) == (409, False)
    good = submission(300, 600)
    for proof in ((), good.proof[:-1], (*good.proof, b"\0" * 32), good.proof[::-1]):
        assert witness.add_checkpoint(replace(good, proof=proof).encode(), NOW).status == 422
    assert witness.latest() == cosigned


def test_who_did_not_sign_and_what_is_not_known(witness: Witness) -> None:
    """Rule 2: 404 for another origin, 403 for another key, 400 for what shrinks or is no request."""
    stranger = Signer("elsewhere.example/log", LOG.seed)
    assert witness.add_checkpoint(Submission(0, (), note_at(3, stranger)).encode(), NOW).status == 404
    forger = Signer(ORIGIN, b"\x08" * 32)
    assert witness.add_checkpoint(Submission(0, (), note_at(3, forger)).encode(), NOW).status == 403
    assert witness.add_checkpoint(Submission(4, (), note_at(3)).encode(), NOW).status == 400
    good = Submission(0, (), note_at(3)).encode()
    for bad in (b"", good[4:], b"old 00" + good[5:], b"old -1" + good[5:], good.replace(b"\n\n", b"\n", 1), good[:-1]):
        assert witness.add_checkpoint(bad, NOW).status in (400, 403), bad
    with pytest.raises(RequestError):
        Submission.parse(b"old 0\n" + b"AAAA\n" + b"\n" + note_at(3))
    assert witness.latest() is None


def test_what_it_shows_is_signed_by_the_log_and_itself_alone(witness: Witness) -> None:
    """Rule 5: other lines that a sender put under the checkpoint, its own from before among them, are not shown."""
    asked = submission(0, 300)
    first = witness.add_checkpoint(asked.encode(), NOW).body
    stranger = Signer("elsewhere.example/log", b"\x08" * 32).line(split_note(asked.note)[0])
    again = Submission(300, (), append(append(asked.note, first), stranger))
    second = witness.add_checkpoint(again.encode(), NOW + 60)
    shown = witness.latest() or b""
    assert shown == append(asked.note, second.body)
    opened = open_checkpoint(shown, LOG.verifier, [WITNESS.verifier], quorum=1)
    assert [one.seconds for one in opened.cosignatures] == [NOW + 60]


def test_it_remembers_before_it_gives_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 3: when the disk refuses there is no cosignature; when it is killed after keeping, it remembers."""
    witness = Witness(ORIGIN, [LOG.verifier], WITNESS, tmp_path / "absent" / "state")
    with pytest.raises(OSError, match="No such file"):
        witness.add_checkpoint(submission(0, 3).encode(), NOW)
    state = tmp_path / "state"
    killed = Witness(ORIGIN, [LOG.verifier], WITNESS, state)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    request = submission(0, 3).encode()
    with monkeypatch.context() as patch:
        patch.setattr("tiprouter.audit.witness.Answer", die)
        with pytest.raises(KeyboardInterrupt):
            killed.add_checkpoint(request, NOW)
    again = Witness(ORIGIN, [LOG.verifier], WITNESS, state)
    assert open_checkpoint(again.latest() or b"", LOG.verifier, [WITNESS.verifier], quorum=1).checkpoint.size == 3
    assert again.add_checkpoint(submission(0, 5).encode(), NOW).status == 409
    assert again.add_checkpoint(submission(3, 5).encode(), NOW).status == 200


def test_a_log_with_a_new_key_is_known_by_both(tmp_path: Path) -> None:
    """The keys before and after a replacement are the same log's."""
    new = Signer(ORIGIN, b"\x08" * 32)
    witness = Witness(ORIGIN, [LOG.verifier, new.verifier], WITNESS, tmp_path / "state")
    assert witness.add_checkpoint(submission(0, 3).encode(), NOW).status == 200
    signed = replace(submission(3, 9), note=note_at(9, new))
    assert witness.add_checkpoint(signed.encode(), NOW).status == 200
