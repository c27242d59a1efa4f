"""Tests of signed notes and checkpoints: the published vectors, and what must be refused."""

import base64

import pytest

from tiprouter.audit.checkpoint import (
    Checkpoint,
    CheckpointError,
    cosign,
    open_checkpoint,
    read_unverified,
    sign_checkpoint,
)
from tiprouter.audit.note import Algorithm, NoteError, Signer, Verifier, append, open_note, sign, split_note

from .conftest import LOG, ORIGIN, WITNESS

ROOT = bytes.fromhex("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")
CHECKPOINT = Checkpoint(ORIGIN, 8, ROOT)
TEXT = b"tiprouter.example/audit\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n"
LOG_LINE = (
    "— tiprouter.example/audit "
    "Yz3m1fr++gBf/+1QmR6y1hKAxcA7Vhv0MfpUQONxPO6LF/8cPoYXZKyC27ZrFm/nckdjbTujfATPfSucTJoHmj6eEAo=\n"
).encode()
WITNESS_LINE = (
    "— witness.example/w1 "
    "JLXZ/gAAAABlU/EAYwQwR0Z3Ml631zKOcYUyE9Dq98SDQDhoXlz0Vh0f0B33MRVpYEENyl7zSpfluqmWQnATZpL6Ar0916pZ2V/XBg==\n"
).encode()
NOTE = TEXT + b"\n" + LOG_LINE
VKEY = "tiprouter.example/audit+633de6d5+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
WITNESS_VKEY = "witness.example/w1+24b5d9fe+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY"
STRANGER = Signer("stranger.example/log", b"\x0b" * 32)


def test_the_published_checkpoint() -> None:
    """The seed 32 x 0x07 signs the vector's checkpoint byte for byte."""
    assert CHECKPOINT.text == TEXT
    assert sign_checkpoint(CHECKPOINT, LOG) == NOTE
    assert open_checkpoint(NOTE, LOG.verifier).checkpoint == CHECKPOINT
    assert read_unverified(NOTE) == CHECKPOINT


def test_the_published_cosignature() -> None:
    """The seed 32 x 0x09 cosigns at 1700000000 byte for byte, and the time is read back."""
    noted = cosign(NOTE, WITNESS, 1_700_000_000)
    assert noted == NOTE + WITNESS_LINE
    (cosignature,) = open_checkpoint(noted, LOG.verifier, [WITNESS.verifier], quorum=1).cosignatures
    assert (cosignature.name, cosignature.seconds) == ("witness.example/w1", 1_700_000_000)


def test_the_published_verifier_keys() -> None:
    """Both keys are written and read as published."""
    assert (LOG.vkey, WITNESS.vkey) == (VKEY, WITNESS_VKEY)
    assert Verifier.from_vkey(VKEY) == LOG.verifier
    assert Verifier.from_vkey(WITNESS_VKEY).algorithm is Algorithm.COSIGNATURE


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+633de6d5",
        VKEY.replace("633de6d5", "633DE6D5"),
        VKEY.replace("633de6d5", "633de6d6"),
        VKEY.replace("audit", "other"),
        VKEY + "\n",
        VKEY + "=",
        VKEY[:-1],
        VKEY[:-4],
        VKEY.replace("+Ae", "+Be"),
        VKEY.replace("+Ae", "+"),
        VKEY.replace("RtIs", "RtI!"),
        "+633de6d5" + VKEY.split("633de6d5")[1],
        "a b+633de6d5" + VKEY.split("633de6d5")[1],
    ],
)
def test_no_other_line_is_a_verifier_key(vkey: str) -> None:
    """A key with another id, type, length or spelling is refused."""
    with pytest.raises(NoteError):
        Verifier.from_vkey(vkey)


def test_every_flipped_bit_of_a_checkpoint_is_noticed() -> None:
    """Text, divider, name, key id and signature: no byte can change."""
    for position in range(len(NOTE)):
        changed = NOTE[:position] + bytes([NOTE[position] ^ (1 << position % 8)]) + NOTE[position + 1 :]
        with pytest.raises((NoteError, CheckpointError)):
            open_checkpoint(changed, LOG.verifier)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT,
        TEXT + b"\n",
        TEXT + LOG_LINE,
        NOTE[:-1],
        NOTE + b"\n",
        NOTE + b"a line more\n",
        NOTE.replace(b"\n", b"\r\n"),
        NOTE.replace(b"8\n", b"8\t\n"),
        NOTE.replace(b"8\n", b"\xff\n"),
        NOTE.replace("— ".encode(), b"- "),
        NOTE.replace("— ".encode(), "—".encode()),
        NOTE.replace(b"audit Yz", b"audit  Yz"),
        NOTE.replace(b"audit Yz", "audit\u2003Yz".encode()),
        NOTE.replace(b"audit Yz", b"au+dit Yz"),
        NOTE.replace(b"EAo=\n", b"EAo\n"),
        NOTE.replace(b"EAo=\n", b"EAp=\n"),
        NOTE.replace(b"EAo=\n", b"EAo= \n"),
        NOTE.replace(b"EAo=\n", b"EA-=\n"),
        TEXT + b"\n" + "— tiprouter.example/audit Yz3m1Q==\n".encode(),
        NOTE + WITNESS_LINE * 100,
        NOTE + b"x" * 1_000_000,
    ],
)
def test_what_is_no_note_is_refused(note: bytes) -> None:
    """Malformed anywhere, even in a stranger's line, it is no note."""
    with pytest.raises(NoteError):
        open_note(note, [LOG.verifier])


def test_a_note_that_is_too_long_is_refused() -> None:
    """A million bytes are the most that is read, however well they are signed."""
    with pytest.raises(NoteError, match="too long"):
        open_note(sign(b"x" * 1_000_000 + b"\n", LOG), [LOG.verifier])


def test_strangers_are_ignored_but_do_not_count() -> None:
    """An unknown signature neither harms nor helps, also when it shares the name or the id with a known key."""
    namesake = Signer(ORIGIN, b"\x0c" * 32)
    _text, signatures = open_note(sign(TEXT, STRANGER, namesake, LOG), [LOG.verifier])
    assert [signature.name for signature in signatures] == [ORIGIN]
    for signers in ([STRANGER], [namesake], [STRANGER, namesake]):
        with pytest.raises(NoteError, match="nobody"):
            open_note(sign(TEXT, *signers), [LOG.verifier])
    with pytest.raises(NoteError, match="nobody"):
        open_note(NOTE, [])


def test_a_false_signature_of_a_known_key_rejects_the_note() -> None:
    """A second, good signature does not make up for a false one."""
    lie = base64.b64encode(STRANGER.verifier.key_id + b"\x00" * 64).decode()
    note = append(NOTE, f"— {STRANGER.name} {lie}\n".encode())
    assert open_note(note, [LOG.verifier])[0] == TEXT
    with pytest.raises(NoteError, match="does not verify"):
        open_note(note, [LOG.verifier, STRANGER.verifier])


def test_the_text_ends_at_the_last_blank_line() -> None:
    """A text may have blank lines of its own, and non-ASCII letters."""
    text = "one\n\ntwo é\n".encode()
    assert open_note(sign(text, LOG), [LOG.verifier])[0] == text
    assert split_note(sign(text, LOG))[0] == text


def test_text_that_cannot_be_signed_is_refused() -> None:
    """No final newline, a control character, no UTF-8, or nobody to sign."""
    for text in (b"", b"text", b"te\x01xt\n", b"\xff\n"):
        with pytest.raises(NoteError):
            sign(text, LOG)
    with pytest.raises(NoteError):
        sign(TEXT)


def test_a_cosignature_states_its_time_and_nothing_else_does() -> None:
    """A witness cannot sign without a time, the log not with one; the time itself is signed."""
    with pytest.raises(NoteError):
        WITNESS.line(TEXT)
    with pytest.raises(NoteError):
        LOG.line(TEXT, 1)
    with pytest.raises(NoteError):
        WITNESS.line(TEXT, 2**63)
    later = NOTE + WITNESS_LINE.replace(b"lU/EA", b"lU/EB")
    with pytest.raises(NoteError, match="does not verify"):
        open_checkpoint(later, LOG.verifier, [WITNESS.verifier])


def test_a_signer_needs_a_whole_seed_and_never_shows_it() -> None:
    """Secret bytes are 32, and in no representation."""
    for name, seed in ((ORIGIN, b"short"), ("two words", b"\x07" * 32), ("", b"\x07" * 32)):
        with pytest.raises(NoteError):
            Signer(name, seed)
    assert "\\x07" not in repr(LOG)
    with pytest.raises(NoteError):
        Verifier(ORIGIN, Algorithm.ED25519, b"short")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        TEXT[:-1],
        TEXT + b"\n",
        TEXT.replace(b"\n8\n", b"\n08\n"),
        TEXT.replace(b"\n8\n", b"\n+8\n"),
        TEXT.replace(b"\n8\n", b"\n-8\n"),
        TEXT.replace(b"\n8\n", b"\n\n"),
        TEXT.replace(b"\n8\n", b"\n9223372036854775808\n"),
        TEXT.replace(b"\n8\n", "\n\u0668\n".encode()),
        TEXT.replace(b"Qyg=", b"Qyh="),
        TEXT.replace(b"Qyg=", b""),
        TEXT.replace(b"tiprouter.example/audit", b""),
        b"\xff\n8\n" + TEXT[-45:],
        b"origin\n8\n",
    ],
)
def test_no_other_text_is_a_checkpoint(text: bytes) -> None:
    """A size or root in another spelling, or a line that is missing or empty, is refused."""
    assert Checkpoint.parse(TEXT) == CHECKPOINT
    with pytest.raises(CheckpointError):
        Checkpoint.parse(text)


def test_extension_lines_are_read_and_never_written() -> None:
    """Another log's extension is kept, since its signature covers it; this log writes none."""
    extended = Checkpoint.parse(TEXT + b"extension\n")
    assert extended.extensions == ("extension",)
    assert extended.text == TEXT + b"extension\n"
    with pytest.raises(CheckpointError):
        sign_checkpoint(extended, LOG)


def test_only_the_log_signs_for_its_origin() -> None:
    """A trusted key of another name, or a witness alone, does not make a checkpoint of this log."""
    with pytest.raises(CheckpointError):
        sign_checkpoint(CHECKPOINT, STRANGER)
    with pytest.raises(CheckpointError):
        open_checkpoint(sign(TEXT, STRANGER), STRANGER.verifier)
    alone = TEXT + b"\n" + WITNESS_LINE
    with pytest.raises(CheckpointError, match="itself"):
        open_checkpoint(alone, LOG.verifier, [WITNESS.verifier])


def test_too_few_witnesses_are_refused() -> None:
    """The quorum counts witnesses, and the same one twice is one."""
    other = Signer("witness.example/w2", b"\x0d" * 32, Algorithm.COSIGNATURE)
    witnesses = [WITNESS.verifier, other.verifier]
    once = cosign(NOTE, WITNESS, 1)
    with pytest.raises(CheckpointError, match="too few"):
        open_checkpoint(cosign(once, WITNESS, 2), LOG.verifier, witnesses, quorum=2)
    again = Signer(WITNESS.name, b"\x0e" * 32, Algorithm.COSIGNATURE)
    with pytest.raises(CheckpointError, match="too few"):
        open_checkpoint(cosign(once, again, 2), LOG.verifier, [WITNESS.verifier, again.verifier], quorum=2)
    assert len(open_checkpoint(cosign(once, other, 2), LOG.verifier, witnesses, quorum=2).cosignatures) == 2
