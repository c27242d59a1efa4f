"""Is this audit bundle what the log says of one matter, seen from outside, with nothing but the bundle and a key?

The steps, in order; the first that fails ends the verification:
1. The manifest is there, canonical, and of this format.
2. The files are the manifest's: none more, none fewer, each with its length and SHA-256.
3. The verifier key: the one given from elsewhere, and the bundle's own must be the same, or one the other led to.
4. The checkpoint is signed by the log and by the quorum of witnesses that the policy asks for.
5. The manifest is signed by the same key, and names this checkpoint.
6. Every entry is canonical, of a known kind, and of a plausible time.
7. Every entry stands in the log: its proof leads from its bytes, at its index, to the root of this checkpoint.
8. Every entry is about this matter: by the record's id, by what an entry about the record named, or by a consent of one
   of its persons.
9. Decisions rest on the facts that the log commits to, of closed vocabulary alone; disclosures have its commitments.
10. Nothing rests on what is missing: a disclosure on its decisions, an attempt on its disclosure, its end on its start.
11. The openings, where a grant gave any, open what the log commits to (`matter_openings.py`).

Bad input gives a failed report that says which file and, where it can be known, which entry; it raises nothing.
Not promised: that nothing is missing which nothing else rests on. Whoever holds the whole log can look.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tiprouter.audit import matter_openings
from tiprouter.audit.checkpoint import Checkpoint, open_checkpoint
from tiprouter.audit.entry import Entry, EntryError, commit, parse
from tiprouter.audit.folder import CHECKPOINT, VKEY
from tiprouter.audit.kinds import Kind
from tiprouter.audit.matter_bundle import (
    FORMAT,
    MANIFEST,
    MATTER,
    SIGNED,
    BundleFileError,
    EntryFaultError,
    canonical,
    entry_path,
    index_in,
    proof_path,
    read_json,
    statement,
)
from tiprouter.audit.merkle import leaf_hash, verify_inclusion
from tiprouter.audit.note import NoteError, Verifier, open_note
from tiprouter.audit.proof import Proof
from tiprouter.audit.steps import NOT_REACHED, Report, Step, Where, walk
from tiprouter.audit.succession import follow
from tiprouter.audit.trust import TrustPolicy
from tiprouter.audit.verify import CLOCK_SKEW, EARLIEST, LATEST
from tiprouter.errors import TiprouterError

TITLES: Final = (
    "The manifest is whole and canonical",
    "The files are those of the manifest",
    "The verifier key is the log's",
    "The checkpoint is signed by the log",
    "The manifest is signed by the log and names this checkpoint",
    "Every entry is canonical, of a known kind and a plausible time",
    "Every entry stands in the log",
    "Every entry is about this matter",
    "Facts and disclosures are what the log commits to",
    "Nothing rests on what is missing",
    "Openings open what the log commits to",
)

_TOKEN: Final = re.compile(r"[A-Za-z0-9_.:+/=-]{0,128}", re.ASCII)
_FIELD: Final = re.compile(r"[a-z0-9_.\[\]]{1,128}", re.ASCII)
_NAMING: Final = ("disclosure", "recall", "delivery", "decision", "review", "duty", "attempt", "grant", "notice")
"""Members of an entry about the record whose values later entries may name instead of the record."""


@dataclass(slots=True)
class _Case:
    """The files, what is given, and what earlier steps found for later ones."""

    files: Mapping[str, bytes]
    vkey: str | None
    latest: datetime
    policy: TrustPolicy | None
    manifest: dict[str, Any] = field(default_factory=dict)
    keys: list[Verifier] = field(default_factory=list)
    signed: Checkpoint | None = None
    entries: dict[int, Entry] = field(default_factory=dict)

    @property
    def checkpoint(self) -> Checkpoint:
        if self.signed is None:
            raise BundleFileError("the checkpoint was not verified", CHECKPOINT)
        return self.signed

    def of(self, *kinds: Kind) -> dict[int, Entry]:
        """The entries of these kinds, by index."""
        return {index: entry for index, entry in self.entries.items() if entry.kind in kinds}


def verify_bundle(
    files: Mapping[str, bytes],
    vkey: str | None = None,
    now: datetime | None = None,
    policy: TrustPolicy | None = None,
) -> Report:
    """Verify the files of a bundle; never raises for what it finds there. `vkey`, `now` and `policy` as for folders."""
    case = _Case(files, vkey, LATEST if now is None else now + CLOCK_SKEW, policy)
    steps, where = walk(case, TITLES, _STEPS, _place)
    return Report(
        ok=where is None,
        size=None if case.signed is None else case.signed.size,
        root=None if case.signed is None else case.signed.root,
        steps=steps,
        where=where,
        key_given=vkey is not None,
        erased=tuple(case.of(Kind.RECORD_ERASED, Kind.SUBJECT_ERASED)) if where is None else (),
    )


def _place(error: TiprouterError, _number: int) -> Where:
    if not isinstance(error, BundleFileError):
        raise error
    return Where(error.file, getattr(error, "entry", None))


def unreadable(fault: BundleFileError) -> Report:
    """The report of what could not even be read as a bundle."""
    first, *rest = TITLES
    steps = [Step(1, first, ok=False, detail=str(fault))]
    steps += [Step(number, one, ok=False, detail=NOT_REACHED) for number, one in enumerate(rest, 2)]
    return Report(ok=False, size=None, root=None, steps=tuple(steps), where=Where(fault.file), key_given=False)


def _check_manifest(case: _Case) -> str:
    manifest = read_json(case.files, MANIFEST)
    if not isinstance(manifest, dict) or manifest.keys() != {"format", "record", "checkpoint", "files"}:
        raise BundleFileError("a manifest has the members format, record, checkpoint and files", MANIFEST)
    if manifest["format"] != FORMAT or not isinstance(manifest["record"], str):
        raise BundleFileError("the manifest is of another format", MANIFEST)
    listed = manifest["files"]
    shape = {"path", "bytes", "sha256"}
    if not isinstance(listed, list) or not all(isinstance(one, dict) and one.keys() == shape for one in listed):
        raise BundleFileError("the manifest lists files by path, bytes and sha256", MANIFEST)
    paths = [str(one["path"]) for one in listed]
    if paths != sorted(set(paths)):
        raise BundleFileError("the manifest lists its files in order, each once", MANIFEST)
    case.manifest = manifest
    return f"{FORMAT}, record {manifest['record']}"


def _check_files(case: _Case) -> str:
    listed = {str(one["path"]): one for one in case.manifest["files"]}
    beside = case.files.keys() - {MANIFEST, SIGNED}
    for path in sorted(beside ^ listed.keys()):
        raise BundleFileError("the file is missing" if path in listed else "the manifest knows no such file", path)
    for path, one in listed.items():
        data = case.files[path]
        if one["bytes"] != len(data) or one["sha256"] != hashlib.sha256(data).hexdigest():
            raise BundleFileError("the file is not the one that the manifest tells of", path)
    return f"{len(listed)} files"


def _check_key(case: _Case) -> str:
    own = _verifier(case.files.get(VKEY, b"").decode("utf-8", "replace").removesuffix("\n"), VKEY)
    given = own if case.vkey is None else _verifier(case.vkey.strip(), "the key given")
    kept = [case.files[path] for path in sorted(case.files) if (index_in(path) or ("",))[0] == "entries"]
    named = [entry for data in kept if (entry := _log_key(data)) is not None]
    case.keys = _followed(given, named)
    if given not in (own, *_followed(own, named)) and own not in case.keys:
        raise BundleFileError("the bundle is of another log's key than the one given", VKEY)
    if case.vkey is None:
        return "the bundle's own key was used: the key itself was not checked against anything"
    return "the key given from outside was used"


def _log_key(data: bytes) -> Entry | None:
    try:
        entry = parse(data)
    except EntryError:
        return None  # step 6 complains of it
    return entry if entry.kind is Kind.LOG_KEY else None


def _followed(key: Verifier, named: list[Entry]) -> list[Verifier]:
    try:
        return follow(key, named)
    except NoteError as error:
        raise BundleFileError(str(error), CHECKPOINT) from error


def _verifier(vkey: str, file: str) -> Verifier:
    try:
        return Verifier.from_vkey(vkey)
    except TiprouterError as error:
        raise BundleFileError("this is no verifier key", file) from error


def _check_signature(case: _Case) -> str:
    witnesses = () if case.policy is None else case.policy.verifiers
    try:
        opened = open_checkpoint(case.files.get(CHECKPOINT, b""), case.keys[-1], witnesses)
    except TiprouterError as error:
        raise BundleFileError(str(error), CHECKPOINT) from error
    if case.policy is not None and not case.policy.satisfied(opened.cosignatures):
        raise BundleFileError("too few witnesses cosigned the checkpoint", CHECKPOINT)
    case.signed = opened.checkpoint
    said = f"{case.checkpoint.size} entries, root {case.checkpoint.root.hex()}"
    if case.policy is not None:
        said += f"; cosigned by {', '.join(sorted(one.name for one in opened.cosignatures)) or 'nobody'}"
    return said


def _check_manifest_signed(case: _Case) -> str:
    signed = case.checkpoint
    try:
        text, _ = open_note(case.files.get(SIGNED, b""), [case.keys[-1]])
    except TiprouterError as error:
        raise BundleFileError(str(error), SIGNED) from error
    if text != statement(signed.origin, case.files[MANIFEST]):
        raise BundleFileError("the log's key signed another manifest", SIGNED)
    if case.manifest["checkpoint"] != {"origin": signed.origin, "size": signed.size, "root": signed.root.hex()}:
        raise BundleFileError("the manifest names another checkpoint", MANIFEST)
    return f"by {case.keys[-1].name}"


def _check_entries(case: _Case) -> str:
    for path in sorted(case.files):
        part = index_in(path)
        if part is None or part[0] != "entries":
            continue
        try:
            entry = parse(case.files[path])
        except EntryError as error:
            raise EntryFaultError(str(error), part[1]) from error
        if not EARLIEST <= entry.at <= case.latest:
            raise EntryFaultError("the time of the entry is not plausible", part[1])
        case.entries[part[1]] = entry
    return f"{len(case.entries)} entries"


def _check_proofs(case: _Case) -> str:
    proved = {index_in(path) for path in case.files} - {None}
    for index in sorted({part[1] for part in proved if part is not None}):
        if ("entries", index) not in proved or ("proofs", index) not in proved:
            raise EntryFaultError("an entry and its proof come together", index)
        path, signed = proof_path(index), case.checkpoint
        try:
            proof = Proof.parse(case.files[path])
            if proof.index != index or proof.extra is not None or proof.note != case.files[CHECKPOINT]:
                raise BundleFileError("the proof is of another entry or another checkpoint", path)
            leaf = leaf_hash(case.files[entry_path(index)])
            verify_inclusion(leaf, index, signed.size, proof.path, signed.root)
        except TiprouterError as error:
            raise EntryFaultError(str(error), index, path) from error
    return f"{len(case.entries)} proofs lead to the root"


def _check_about(case: _Case) -> str:
    record = case.manifest["record"]
    known = {record}
    for entry in case.entries.values():
        if entry.body.get("record") == record:
            known.update(str(entry.body[name]) for name in _NAMING if name in entry.body)
    persons = {one for entry in case.entries.values() for one in _persons(entry, record)}
    for entry in case.entries.values():
        if entry.kind.startswith("consent.") and entry.body.get("person") in persons:
            known.update(_texts(entry.body.get("consent")))
    for index, entry in case.entries.items():
        named = {one for value in entry.body.values() for one in _texts(value)}
        ours = known | persons if entry.kind.startswith(("consent.", "subject.")) else known
        stranger = entry.body.get("record", record) != record
        if entry.kind is not Kind.LOG_KEY and (stranger or not named & ours):
            raise EntryFaultError("the entry is about another matter", index)
    if not case.of(Kind.RECORD_ACCEPTED):
        raise BundleFileError("no entry says that the record was accepted")
    return f"record {record}, {len(persons)} persons"


def _persons(entry: Entry, record: str) -> list[str]:
    if entry.body.get("record") != record:
        return []
    return _texts(entry.body.get("persons")) + _texts(entry.body.get("person"))


def _texts(value: object) -> list[str]:
    """A text, or the texts in a list."""
    several = value if isinstance(value, list) else [value]
    return [one for one in several if isinstance(one, str)]


def _check_commitments(case: _Case) -> str:
    matter = read_json(case.files, MATTER)
    shape = {"record", "decisions", "disclosures"}
    if not isinstance(matter, dict) or matter.keys() != shape or matter["record"] != case.manifest["record"]:
        raise BundleFileError("it tells of the record, its decisions and its disclosures", MATTER)
    for one in _told(case, matter["decisions"], {"decision", "index", "salt", "facts"}, Kind.DECISION):
        entry = case.entries[one["index"]]
        if entry.body.get("decision") != one["decision"] or not _is_closed(one["facts"]):
            raise EntryFaultError(
                "the facts are another decision's, or in words of nobody's vocabulary", one["index"], MATTER
            )
        if entry.body.get("facts") != _commitment(one):
            raise EntryFaultError("the decision rests on other facts than the log commits to", one["index"], MATTER)
    made = (Kind.DISCLOSURE_MADE, Kind.RECALL_MADE)
    for one in _told(case, matter["disclosures"], {"disclosure", "index", "commitment", "fields"}, *made):
        entry = case.entries[one["index"]]
        name = "recall" if entry.kind is Kind.RECALL_MADE else "disclosure"
        if entry.body.get(name) != one["disclosure"] or entry.body.get("digest") != one["commitment"]:
            raise EntryFaultError("the disclosure is not the one that the log tells of", one["index"], MATTER)
        if one["fields"] is not None and not _are_fields(one["fields"]):
            raise EntryFaultError("a field of the disclosure has no name that a field can have", one["index"], MATTER)
    return f"{len(matter['decisions'])} decisions, {len(matter['disclosures'])} disclosures and recalls"


def _are_fields(names: object) -> bool:
    return isinstance(names, list) and all(isinstance(one, str) and _FIELD.fullmatch(one) for one in names)


def _told(case: _Case, listed: object, shape: set[str], *kinds: Kind) -> list[dict[str, Any]]:
    """The items of a list, each with an entry of its kind, and no entry of these kinds without an item."""
    if not isinstance(listed, list) or not all(isinstance(one, dict) and one.keys() == shape for one in listed):
        raise BundleFileError(f"an item has the members {', '.join(sorted(shape))}", MATTER)
    indexes = [one["index"] for one in listed]
    if not all(isinstance(index, int) for index in indexes):
        raise BundleFileError("an index is a whole number", MATTER)
    for index in sorted(case.of(*kinds).keys() ^ set(indexes)):
        raise EntryFaultError("the log's entry and what is told of it do not come together", index, MATTER)
    if len(indexes) != len(set(indexes)):
        raise BundleFileError("something is told twice", MATTER)
    return listed


def _commitment(one: Mapping[str, Any]) -> str | None:
    try:
        return commit(bytes.fromhex(one["salt"]), canonical(one["facts"]))
    except (ValueError, TypeError, EntryError):
        return None


def _is_closed(value: object, deep: int = 8) -> bool:
    """Whether there is nothing in it but tokens, counts, and yes and no; and no more in one another than facts are."""
    if isinstance(value, dict | list):
        inside = [one for pair in value.items() for one in pair] if isinstance(value, dict) else value
        return deep > 0 and all(_is_closed(one, deep - 1) for one in inside)
    return _TOKEN.fullmatch(value) is not None if isinstance(value, str) else value is None or isinstance(value, int)


def _check_rests(case: _Case) -> str:
    made = {entry.body.get("decision") for entry in case.of(Kind.DECISION).values()}
    known: set[str] = set()
    for index, entry in sorted(case.entries.items()):
        body = entry.body
        missing: object = None
        match entry.kind:
            case Kind.DISCLOSURE_MADE:
                known.add(f"disclosure {body['disclosure']}")
                missing = set(_texts(body.get("decisions"))) - made
            case Kind.RECALL_MADE:
                missing = f"disclosure {body['disclosure']}" not in known
                known.add(f"disclosure {body.get('recall')}")
            case Kind.ATTEMPT_STARTED:
                missing = f"disclosure {body['disclosure']}" not in known
                known.add(f"attempt {body['attempt']}")
            case Kind.ATTEMPT_FINISHED:
                missing = f"attempt {body['attempt']}" not in known
            case _:
                pass
        if missing:
            raise EntryFaultError("what the entry rests on is missing", index)
    return f"{len(known)} disclosures, recalls and attempts"


_STEPS: tuple[Callable[[_Case], str], ...] = (
    _check_manifest,
    _check_files,
    _check_key,
    _check_signature,
    _check_manifest_signed,
    _check_entries,
    _check_proofs,
    _check_about,
    _check_commitments,
    _check_rests,
    lambda case: matter_openings.check(case.files, case.manifest["record"], case.entries),
)
