"""Is every kind of tampering with an audit bundle found, and which step says so?"""

import json
import random
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.conftest import LOG, ORIGIN, WITNESS, entry
from tests.audit.matter_story import (
    DATA,
    KEY,
    MINE,
    NEW,
    OTHER,
    POLICY,
    RECORD,
    STORY,
    THIEF,
    WHOLE,
    Files,
    bundle,
    merkle_path,
    root_of,
    told_of,
)
from tiprouter.audit import matter_bundle, merkle
from tiprouter.audit.checkpoint import Checkpoint, sign_checkpoint
from tiprouter.audit.folder import CHECKPOINT, VKEY
from tiprouter.audit.growth import LogState, integrate
from tiprouter.audit.kinds import Kind
from tiprouter.audit.matter_bundle import (
    GUIDE,
    MANIFEST,
    MATTER,
    SIGNED,
    BundleFileError,
    Contents,
    bind,
    canonical,
    compose,
    entry_path,
    is_bundle,
    pack,
    proof_path,
    read_folder,
    unpack,
)
from tiprouter.audit.matter_verify import unreadable, verify_bundle
from tiprouter.audit.merkle import leaf_hash
from tiprouter.audit.note import Signer
from tiprouter.audit.proof import Proof
from tiprouter.audit.steps import Report
from tiprouter.audit.trust import TrustPolicy


def failed(report: Report) -> int:
    """The number of the step that failed; 0 when none did."""
    return next((step.number for step in report.steps if not step.ok), 0)


def check(files: Files, key: str | None = LOG.vkey) -> Report:
    """Verify as an auditor with the log's first key does."""
    return verify_bundle(files, key)


def read_and_checked(data: bytes) -> bool:
    """Whether one file is accepted."""
    try:
        return check(unpack(data)).ok
    except BundleFileError:
        return False


def resigned(change: Callable[[Files], None], signer: Signer = NEW) -> Files:
    """The bundle after a change, its manifest made and signed anew: what an insider with the log's key could do."""
    files = {name: data for name, data in WHOLE.items() if name not in (MANIFEST, SIGNED)}
    change(files)
    return bind(files, RECORD, signer)


def test_a_bundle_verifies_with_any_key_of_the_log_and_says_what_it_saw() -> None:
    """The control: by the first key, by the one in force, by a policy with its witness, and by its own."""
    assert check(WHOLE).ok
    assert check(WHOLE, NEW.vkey).ok
    assert verify_bundle(WHOLE, LOG.vkey, policy=TrustPolicy.parse(POLICY)).ok
    own = check(WHOLE, None)
    assert own.ok
    assert not own.key_given
    assert own.size == len(STORY)
    assert [step.number for step in own.steps] == list(range(1, 12))


def test_the_same_matter_gives_the_same_bytes() -> None:
    """And they unpack to the same files, from the archive and from a folder."""
    assert pack(bundle()) == DATA
    assert unpack(DATA) == WHOLE
    with zipfile.ZipFile(BytesIO(DATA)) as archive:
        assert archive.namelist() == sorted(WHOLE)


def test_an_unpacked_bundle_verifies_and_an_added_file_is_found(tmp_path: Path) -> None:
    """A folder is as good as the archive; whatever else lies in it is named."""
    with zipfile.ZipFile(BytesIO(DATA)) as archive:
        archive.extractall(tmp_path)
    assert is_bundle(tmp_path)
    assert check(read_folder(tmp_path)).ok
    (tmp_path / "entries" / "notes.txt").write_text("hello")
    with pytest.raises(BundleFileError) as caught:
        read_folder(tmp_path)
    assert caught.value.file == "entries/notes.txt"
    assert failed(unreadable(caught.value)) == 1


@pytest.mark.parametrize("place", range(60))
def test_no_bit_of_the_file_can_be_flipped(place: int) -> None:
    """Sixty places all over the archive, headers and directory included."""
    data = bytearray(DATA)
    data[random.Random(place).randrange(len(data))] ^= 1 << place % 8  # noqa: S311 - no secret
    assert not read_and_checked(bytes(data))


@given(at=st.integers(0, 10**9), bit=st.integers(0, 7), name=st.sampled_from(sorted(WHOLE)))
def test_no_bit_of_any_file_can_be_flipped_in_a_folder(at: int, bit: int, name: str) -> None:
    """Without the archive around it either; the report names the file, or the manifest that no longer fits it."""
    changed = bytearray(WHOLE[name])
    changed[at % len(changed)] ^= 1 << bit
    report = check(WHOLE | {name: bytes(changed)})
    assert not report.ok
    assert report.where is not None


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_no_file_can_be_removed(name: str) -> None:
    """Every one of them is missed by name."""
    report = check({one: data for one, data in WHOLE.items() if one != name})
    assert not report.ok
    assert report.where is not None
    assert report.where.file == name


def manifest_of(files: Files, change: Callable[[dict[str, Any]], Any]) -> Files:
    """The files under a manifest that was changed, spelt canonically, not signed anew."""
    manifest = json.loads(files[MANIFEST])
    change(manifest)
    return files | {MANIFEST: canonical(manifest)}


def _swapped(files: Files, one: str, other: str) -> None:
    files[one], files[other] = files[other], files[one]


def _set(name: str, data: bytes) -> Callable[[Files], None]:
    return lambda files: files.update({name: data})


def _within() -> object:
    """A token in a list in a list, and so on."""
    value: object = "adult"
    for _ in range(400):
        value = [value]
    return value


def _matter(change: Callable[[dict[str, Any]], Any]) -> Callable[[Files], None]:
    def tamper(files: Files) -> None:
        told = json.loads(files[MATTER])
        change(told)
        files[MATTER] = canonical(told)

    return tamper


def _without(*indexes: int) -> Callable[[Files], None]:
    def tamper(files: Files) -> None:
        for index in indexes:
            del files[entry_path(index)], files[proof_path(index)]

    return tamper


def _with(index: int) -> Callable[[Files], None]:
    """Another matter's entry, with its true proof."""

    def tamper(files: Files) -> None:
        strange = bundle(mine=(index,), matter={"record": RECORD, "decisions": [], "disclosures": []})
        files.update({path: strange[path] for path in (entry_path(index), proof_path(index))})

    return tamper


def _both(*changes: Callable[[Files], None]) -> Callable[[Files], None]:
    def tamper(files: Files) -> None:
        for change in changes:
            change(files)

    return tamper


def _gone(path: str) -> Callable[[Files], None]:
    def tamper(files: Files) -> None:
        del files[path]

    return tamper


def _older(files: Files) -> None:
    """Another true checkpoint of the same log, which the proofs do not lead to."""
    state = integrate(LogState(), STORY[:20])
    files[CHECKPOINT] = sign_checkpoint(Checkpoint(ORIGIN, 20, state.root), NEW)


def _proof(change: Callable[[Proof], Proof]) -> Callable[[Files], None]:
    def tamper(files: Files) -> None:
        path = proof_path(MINE[2])
        files[path] = change(Proof.parse(files[path])).encode()

    return tamper


ALTERED = STORY[MINE[2]].replace(b'"v":1', b'"v":1 ')
FORGED = entry(9_000, Kind.DECISION, record=RECORD, decision="dec_01KJQH0CC0BX86ENBVMH4TY5PZ")

OUTSIDE: dict[str, tuple[Files, int]] = {
    "an entry changed": (WHOLE | {entry_path(MINE[2]): FORGED}, 2),
    "a file added": (WHOLE | {"entries/000000000000099.json": FORGED}, 2),
    "a guide that says otherwise": (WHOLE | {GUIDE: b"All is well.\n"}, 2),
    "the manifest reordered": (manifest_of(WHOLE, lambda one: one["files"].reverse()), 1),
    "the manifest spelt otherwise": (WHOLE | {MANIFEST: json.dumps(json.loads(WHOLE[MANIFEST])).encode()}, 1),
    "a file twice in the manifest": (manifest_of(WHOLE, lambda one: one["files"].append(one["files"][-1])), 1),
    "another record in the manifest": (manifest_of(WHOLE, lambda one: one.update(record=OTHER)), 5),
    "another format": (manifest_of(WHOLE, lambda one: one.update(format="x")), 1),
    "another length": (manifest_of(WHOLE, lambda one: one["files"][0].update(bytes=1)), 2),
    "signed by a stranger": (resigned(lambda _: None, THIEF), 5),
    "signed by the key before": (resigned(lambda _: None, LOG), 5),
    "the signature of another bundle": (WHOLE | {SIGNED: resigned(_without(MINE[7]))[SIGNED]}, 5),
    "the checkpoint as the signature": (WHOLE | {SIGNED: WHOLE[CHECKPOINT]}, 5),
}
"""What somebody without the log's key can do, and the step that says so."""

INSIDE: dict[str, tuple[Callable[[Files], None], int]] = {
    "an entry changed": (_set(entry_path(MINE[2]), FORGED), 7),
    "an entry spelt otherwise": (_set(entry_path(MINE[2]), ALTERED), 6),
    "an entry without its proof": (_gone(proof_path(MINE[1])), 7),
    "a proof without its entry": (_gone(entry_path(MINE[1])), 7),
    "two entries exchanged": (lambda files: _swapped(files, entry_path(MINE[2]), entry_path(MINE[7])), 7),
    "two proofs exchanged": (lambda files: _swapped(files, proof_path(MINE[2]), proof_path(MINE[7])), 7),
    "a proof of another index": (_proof(lambda one: Proof(one.index + 1, one.path, one.note)), 7),
    "a proof cut short": (_proof(lambda one: Proof(one.index, one.path[:-1], one.note)), 7),
    "a proof that goes elsewhere": (_proof(lambda one: Proof(one.index, (*one.path[:-1], b"\1" * 32), one.note)), 7),
    "a proof with something extra": (_proof(lambda one: Proof(one.index, one.path, one.note, b"x")), 7),
    "another checkpoint": (_older, 7),
    "a checkpoint of the key before": (
        _set(CHECKPOINT, sign_checkpoint(Checkpoint(ORIGIN, len(STORY), integrate(LogState(), STORY).root), LOG)),
        4,
    ),
    "a thief's key": (_set(VKEY, f"{THIEF.vkey}\n".encode()), 3),
    "another matter's entry": (_with(2), 8),
    "another matter's attempt": (_with(10), 8),
    "no beginning": (_without(MINE[0]), 8),
    "a decision left out": (_without(MINE[2]), 9),
    "a decision left out, also where it is told": (
        _both(_without(MINE[2]), _matter(lambda told: told["decisions"].pop(0))),
        10,
    ),
    "an attempt's start left out": (_without(MINE[4]), 10),
    "a disclosure left out, also where it is told": (
        _both(_without(MINE[3]), _matter(lambda told: told["disclosures"].pop())),
        8,
    ),
    "other facts": (_matter(lambda told: told["decisions"][0]["facts"].update(age="minor")), 9),
    "another salt": (_matter(lambda told: told["decisions"][0].update(salt="00" * 16)), 9),
    "no salt": (_matter(lambda told: told["decisions"][0].update(salt=None)), 9),
    "facts of another decision": (_matter(lambda told: told["decisions"][0].update(decision="dec_x")), 9),
    "facts within facts without end": (_matter(lambda told: told["decisions"][0].update(facts=_within())), 9),
    "somebody's words among the facts": (_matter(lambda told: told["decisions"][0].update(facts="a b")), 9),
    "a decision told twice": (_matter(lambda told: told["decisions"].append(told["decisions"][0])), 9),
    "an index that is none": (_matter(lambda told: told["decisions"][0].update(index=[1])), 9),
    "another commitment": (_matter(lambda told: told["disclosures"][0].update(commitment="cd" * 32)), 9),
    "a value among the fields": (_matter(lambda told: told["disclosures"][0].update(fields=["Example Person"])), 9),
    "fields that are none": (_matter(lambda told: told["disclosures"][0].update(fields=1)), 9),
    "another record told": (_matter(lambda told: told.update(record=OTHER)), 9),
    "a list told": (_set(MATTER, b"[]"), 9),
    "a member twice": (_set(MATTER, b'{"decisions":[],"decisions":[],"disclosures":[],"record":"x"}'), 9),
    "no JSON told": (_set(MATTER, b"{"), 9),
}
"""What somebody with the log's key can do to a bundle and sign, and the step that says so all the same."""


@pytest.mark.parametrize("kind", OUTSIDE)
def test_tampering_from_outside_is_found(kind: str) -> None:
    """Each by the step that is about it, with the file."""
    files, step = OUTSIDE[kind]
    report = check(files)
    assert failed(report) == step
    assert report.where is not None
    assert report.steps[step - 1].detail


@pytest.mark.parametrize("kind", INSIDE)
def test_tampering_by_whoever_holds_the_logs_key_is_found(kind: str) -> None:
    """The manifest is made and signed anew, and the bundle is refused all the same."""
    change, step = INSIDE[kind]
    assert failed(check(resigned(change))) == step


def test_another_log_altogether_is_found() -> None:
    """Whole in itself, under a stranger's key: refused by whoever has the key from elsewhere, and by a witness."""
    state = integrate(LogState(), STORY)
    note = sign_checkpoint(Checkpoint(ORIGIN, len(STORY), state.root), THIEF)
    leaves = [leaf_hash(one) for one in STORY]
    contents = Contents(
        RECORD,
        THIEF.vkey,
        note,
        {index: STORY[index] for index in MINE},
        {index: merkle_path(leaves, index) for index in MINE},
        told_of(STORY),
    )
    files = compose(contents, THIEF)
    assert check(files, None).ok
    assert failed(check(files)) == 3
    assert failed(verify_bundle(files, None, policy=TrustPolicy.parse(POLICY))) == 4


def test_a_quorum_that_did_not_cosign_is_missed() -> None:
    """A policy asks for witnesses of a bundle as it does of a log."""
    other = Signer("witness.example/w2", b"\x0a" * 32, WITNESS.algorithm)
    policy = TrustPolicy.parse(f"log {LOG.vkey}\nwitness w2 {other.vkey}\nquorum w2\n")
    assert failed(verify_bundle(WHOLE, LOG.vkey, policy=policy)) == 4


def test_an_archive_with_more_in_it_is_refused() -> None:
    """A member twice, a foreign one, one that is compressed, something before or after: none of it is a bundle."""
    for change in ("twice", "foreign", "deflated", "behind", "before"):
        out = BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if change == "deflated" else zipfile.ZIP_STORED) as archive:
            for name in sorted(WHOLE):
                archive.writestr(zipfile.ZipInfo(name), WHOLE[name], archive.compression)
            if change == "foreign":
                archive.writestr("../escape.txt", b"x")
            if change == "twice":
                with pytest.warns(UserWarning, match="Duplicate"):
                    archive.writestr(MATTER, WHOLE[MATTER])
        data = {"behind": DATA + b"x", "before": b"x" + DATA}.get(change, out.getvalue())
        with pytest.raises(BundleFileError):
            unpack(data)


def test_a_bundle_has_no_more_entries_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on everything."""
    monkeypatch.setattr(matter_bundle, "ENTRIES_MAX", 3)
    with pytest.raises(BundleFileError):
        bundle()


def test_the_proofs_are_those_of_the_log() -> None:
    """The paths above, made from the leaves alone, are what the product's own tree gives."""
    leaves = [leaf_hash(one) for one in STORY]
    for index in (*MINE, KEY):
        merkle.verify_inclusion(leaves[index], index, len(leaves), merkle_path(leaves, index), root_of(leaves))
