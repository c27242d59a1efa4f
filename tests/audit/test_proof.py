"""Tests of the proof file: one entry shown to be in the log, with nothing but the file and a key."""

import pytest

from tiprouter.audit.checkpoint import Checkpoint, cosign, sign_checkpoint
from tiprouter.audit.growth import LogState, integrate
from tiprouter.audit.lone_proof import verify_lone_proof
from tiprouter.audit.merkle import ProofError, inclusion_proof
from tiprouter.audit.note import Verifier
from tiprouter.audit.proof import Proof
from tiprouter.audit.tiles import hash_reader
from tiprouter.audit.trust import TrustPolicy

from .conftest import LOG, ORIGIN, WITNESS, story

ENTRIES = story(300)
GROWN = integrate(LogState(), ENTRIES)
NOTE = cosign(sign_checkpoint(Checkpoint(ORIGIN, 300, GROWN.root), LOG), WITNESS, 1_700_000_000)
COSIGNED = TrustPolicy.parse(f"log {LOG.vkey}\nwitness w {WITNESS.vkey}\nquorum w\n")


def _proof(index: int, extra: bytes | None = None) -> Proof:
    path = inclusion_proof(index, 300, hash_reader(300, GROWN.tiles.__getitem__))
    return Proof(index, tuple(path), NOTE, extra)


@pytest.mark.parametrize("index", [0, 1, 255, 256, 299])
@pytest.mark.parametrize("extra", [None, b"", b"context"])
def test_a_proof_is_read_back_and_verifies(index: int, extra: bytes | None) -> None:
    """Written, read and verified, with the witness's cosignature in it."""
    data = _proof(index, extra).encode()
    assert Proof.parse(data) == _proof(index, extra)
    report = verify_lone_proof(data, ENTRIES[index], LOG.verifier, COSIGNED)
    assert (report.ok, report.size) == (True, 300), report.steps


def test_the_file_begins_as_specified() -> None:
    """Header, extra, index, hashes, blank line, checkpoint."""
    lines = _proof(299, b"extra").encode().decode().split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra ZXh0cmE=", "index 299"]
    blank = lines.index("")
    assert blank - 3 == len(_proof(299).path)
    assert "\n".join(lines[blank + 1 :]).encode() == NOTE


def test_a_tree_of_one_has_an_empty_path() -> None:
    """The only entry's leaf is the root: no hash lines."""
    alone = integrate(LogState(), ENTRIES[:1])
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, alone.root), LOG)
    report = verify_lone_proof(Proof(0, (), note).encode(), ENTRIES[0], LOG.verifier)
    assert (report.ok, report.size) == (True, 1), report.steps


def test_no_flipped_bit_survives() -> None:
    """Any byte of the file up to the witness's line, and any bit of the entry."""
    data = _proof(123).encode()
    end = data.index("— witness".encode())
    for position in range(end):
        changed = data[:position] + bytes([data[position] ^ (1 << position % 8)]) + data[position + 1 :]
        assert not verify_lone_proof(changed, ENTRIES[123], LOG.verifier).ok
    assert verify_lone_proof(data, ENTRIES[123], LOG.verifier).ok
    for other in (ENTRIES[124], ENTRIES[123][:-1] + b"]"):
        report = verify_lone_proof(data, other, LOG.verifier)
        assert [step.number for step in report.steps if step.ok] == [1, 2]


GOOD = _proof(5).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD.replace(b"@v1", b"@v2"),
        GOOD.replace(b"index 5", b"index 05"),
        GOOD.replace(b"index 5", b"index -5"),
        GOOD.replace(b"index 5\n", b""),
        GOOD.replace(b"index 5", b"index 5\nindex 5"),
        GOOD.replace(b"index 5", b"extra AA==\nextra AA==\nindex 5"),
        GOOD.replace(b"index 5", b"extra AB==\nindex 5"),
        GOOD.replace(b"index 5\n", b"index 5\nAAAA\n"),
        GOOD.replace(b"index 5\n", b"index 5\n" + (b"A" * 43 + b"=\n") * 64),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"\n\n", b"\n"),
        GOOD[:-1],
        GOOD + b"\n",
        b"\n" + GOOD,
        GOOD.replace(b"index", "ïndex".encode()),
    ],
)
def test_no_other_file_is_a_proof(data: bytes) -> None:
    """One spelling, nothing left over."""
    assert Proof.parse(GOOD).index == 5
    with pytest.raises(ProofError):
        Proof.parse(data)


def test_what_could_not_be_read_back_is_not_written() -> None:
    """A negative index, a short hash or an unsigned checkpoint cannot become a file."""
    for proof in (Proof(-1, (), NOTE), Proof(0, (b"short",), NOTE), Proof(0, (), b"text\n")):
        with pytest.raises(ProofError):
            proof.encode()


def test_a_proof_alone_proves_nothing() -> None:
    """Without a key from elsewhere that signed the checkpoint, or enough witnesses, the proof is refused."""
    stranger = Verifier(ORIGIN, LOG.verifier.algorithm, b"\x01" * 32)
    uncosigned = Proof(5, _proof(5).path, sign_checkpoint(Checkpoint(ORIGIN, 300, GROWN.root), LOG)).encode()
    for report in (
        verify_lone_proof(GOOD, ENTRIES[5], stranger),
        verify_lone_proof(uncosigned, ENTRIES[5], LOG.verifier, COSIGNED),
    ):
        assert [step.number for step in report.steps if step.ok] == [1]
    assert verify_lone_proof(uncosigned, ENTRIES[5], LOG.verifier).ok
