"""Is one entry verified by its proof alone, from two files and a key? (cli/lone_proofs.py, audit/lone_proof.py)"""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import LOG, ORIGIN, CommandLine, publish_log
from tiprouter.audit import merkle
from tiprouter.audit.checkpoint import Checkpoint, cosign, read_unverified, sign_checkpoint
from tiprouter.audit.folder import read_tile
from tiprouter.audit.lone_proof import verify_lone_proof
from tiprouter.audit.merkle import leaf_hash
from tiprouter.audit.note import Algorithm, Signer
from tiprouter.audit.proof import Proof
from tiprouter.audit.tiles import ENTRIES, Tile, decode_bundle, hash_reader
from tiprouter.audit.trust import TrustPolicy
from tiprouter.cli import auditing, lone_proofs
from tiprouter.errors import ConfigurationError

WITNESS = Signer("witness.example", b"\x08" * 32, Algorithm.COSIGNATURE)
INDEX, SIZE = 41, 100


def proved(folder: Path) -> tuple[bytes, bytes]:
    """An entry of a log in a folder, and its proof."""
    publish_log(folder, SIZE)

    def tile(wanted: Tile) -> bytes:
        found = read_tile(folder, wanted)
        assert found is not None
        return found

    note = (folder / "checkpoint").read_bytes()
    path = merkle.inclusion_proof(INDEX, SIZE, hash_reader(SIZE, tile))
    entry = decode_bundle(tile(Tile(ENTRIES, 0, SIZE)), SIZE)[INDEX]
    return entry, Proof(INDEX, tuple(path), note).encode()


def test_a_lone_proof_verifies_on_the_command_line_and_a_flipped_bit_does_not(
    tiprouter: CommandLine, tmp_path: Path
) -> None:
    """Four numbered steps and exit code 0; with another entry, exit code 1 and where."""
    entry, proof = proved(tmp_path / "log")
    (tmp_path / "41.tlog-proof").write_bytes(proof)
    (tmp_path / "41.entry").write_bytes(entry)
    asked = ("audit", "verify", tmp_path / "41.tlog-proof", "--entry", tmp_path / "41.entry", "--key", LOG.vkey)
    done = tiprouter(*asked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[:7] for line in done.stdout.splitlines()[:4]] == [f"{number}. ok  " for number in range(1, 5)]
    assert f"The proof verifies: under the checkpoint of {SIZE} entries." in done.stdout
    (tmp_path / "41.entry").write_bytes(entry.replace(b"tip_41", b"tip_42"))
    done = tiprouter(*asked)
    assert done.returncode == 1
    assert "The proof is not what it should be: the entry, entry 41" in done.stdout


def test_what_the_service_answers_will_do_as_the_entry(tmp_path: Path) -> None:
    """The JSON of one entry has its bytes in it; whatever else a file holds is the entry itself."""
    entry, _ = proved(tmp_path / "log")
    answer = {"index": INDEX, "entry": json.loads(entry), "bytes": base64.b64encode(entry).decode()}
    assert lone_proofs.bytes_of(json.dumps(answer).encode()) == entry
    for data in (entry, b"", b"\xff", b"[]", b'{"bytes":7}', b'{"bytes":"%"}'):
        assert lone_proofs.bytes_of(data) == data


FAULTS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "truncated": (1, lambda data: data[:40]),
    "another header": (1, lambda data: data.replace(b"tlog-proof@v1", b"tlog-proof@v2")),
    "a line too many": (1, lambda data: data.replace(b"\n\n", b"\nAAAA\n\n", 1)),
    "another size": (2, lambda data: data.replace(f"\n{SIZE}\n".encode(), f"\n{SIZE + 1}\n".encode())),
    "no signature": (1, lambda data: data[: data.rindex("\u2014".encode())]),
    "another index": (3, lambda data: data.replace(b"index 41", b"index 40")),
    "an index beyond the end": (3, lambda data: data.replace(b"index 41", b"index 100")),
    "a hash too few": (3, lambda data: data.replace(data.split(b"\n")[2] + b"\n", b"", 1)),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_damaged_proof_is_refused_at_its_step(tmp_path: Path, fault: str) -> None:
    """Each fault fails the step that it belongs to, with words, and no later step is said to hold."""
    entry, proof = proved(tmp_path / "log")
    step, damage = FAULTS[fault]
    damaged = damage(proof)
    assert damaged != proof
    report = verify_lone_proof(damaged, entry, LOG.verifier)
    assert not report.ok
    assert [one.ok for one in report.steps] == [number < step for number in range(1, 5)], report.steps
    assert report.steps[step - 1].detail


def test_an_entry_that_the_log_does_not_know_is_none(tmp_path: Path) -> None:
    """What the log's own key signed over bytes that are no entry fails the last step."""
    root = leaf_hash(b"{}")
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, root), LOG)
    report = verify_lone_proof(Proof(0, (), note).encode(), b"{}", LOG.verifier)
    assert [one.ok for one in report.steps] == [True, True, True, False]


def test_the_key_comes_from_elsewhere_and_is_this_logs(tmp_path: Path) -> None:
    """Another log's key fails; without a key, without an entry, and with a key that is none nothing is verified."""
    entry, proof = proved(tmp_path / "log")
    file, own = tmp_path / "p", tmp_path / "e"
    file.write_bytes(proof)
    own.write_bytes(entry)
    assert lone_proofs.is_proof(str(file))
    assert not lone_proofs.is_proof(str(own))
    assert not lone_proofs.is_proof(str(tmp_path / "absent"))
    assert lone_proofs.verify(str(file), own, LOG.vkey, None) == 0
    assert lone_proofs.verify(str(file), own, Signer(ORIGIN, b"\x09" * 32).vkey, None) == 1
    for given, key in ((own, None), (None, LOG.vkey), (own, "no key"), (tmp_path / "absent", LOG.vkey)):
        with pytest.raises(ConfigurationError):
            lone_proofs.verify(str(file), given, key, None)


def test_a_policy_wants_its_witnesses_under_a_lone_proof_too(tmp_path: Path) -> None:
    """The quorum must have cosigned the checkpoint that the proof carries; then the policy's key is enough."""
    entry, plain = proved(tmp_path / "log")
    policy = TrustPolicy.parse(f"log {LOG.vkey}\nwitness w {WITNESS.vkey}\nquorum w\n")
    bare = Proof.parse(plain)
    assert not verify_lone_proof(plain, entry, LOG.verifier, policy).ok
    cosigned = Proof(bare.index, bare.path, cosign(bare.note, WITNESS, 1_772_000_000)).encode()
    assert verify_lone_proof(cosigned, entry, LOG.verifier, policy).ok
    file, own = tmp_path / "p", tmp_path / "e"
    file.write_bytes(cosigned)
    own.write_bytes(entry)
    assert lone_proofs.verify(str(file), own, None, policy) == 0
    assert read_unverified(bare.note).size == SIZE
    with pytest.raises(ConfigurationError):
        auditing.chosen_key("a", tmp_path / "b")
