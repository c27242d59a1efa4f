"""Is this folder a log that nobody has tampered with, seen from outside, with files alone?

The steps, in order; the first that fails ends the verification:
1. The verifier key: the one given from elsewhere, and the folder's own must be the same, or one the other led to.
2. The checkpoint is signed with it, or with the key that it handed over to (`audit/succession.py`), and by the quorum
   of witnesses that the policy asks for.
3. Every entry bundle under the checkpoint is there and well formed.
4. Every entry hashes to its leaf in the tiles of level 0.
5. The higher tiles follow from those, and older partial tiles that still lie there are their beginnings.
6. The root of the entries is the signed root.
7. The log begins with the one that the remembered checkpoint is about.
8. Every entry is canonical, of a known kind, and of a plausible time. Times need not be in order.
9. The log is complete in itself: each attempt follows the disclosure or recall that it delivers, each end of an
   attempt its start.

Bad input gives a failed report that says which file and, where it can be known, which entry; it raises nothing.
It does not promise that entries are true, that what was never logged never happened, or, without a remembered or
cosigned checkpoint, that others were shown the same log.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tiprouter.audit import merkle
from tiprouter.audit.checkpoint import Checkpoint, open_checkpoint, read_unverified
from tiprouter.audit.entry import Entry, EntryError, parse
from tiprouter.audit.folder import CHECKPOINT, VKEY, list_tiles, read_file, read_tile
from tiprouter.audit.kinds import Kind
from tiprouter.audit.note import Verifier
from tiprouter.audit.steps import Report, Where, walk
from tiprouter.audit.succession import entries_in, follow
from tiprouter.audit.survey import Damage, Survey, survey
from tiprouter.audit.tiles import (
    ENTRIES,
    TILE_WIDTH,
    BundleError,
    Tile,
    TileError,
    decode_bundle,
    hash_reader,
    split_hashes,
    tile_at,
    tiles_between,
)
from tiprouter.audit.trust import TrustPolicy
from tiprouter.errors import TiprouterError

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)

TITLES = (
    "The verifier key is the log's",
    "The checkpoint is signed by the log",
    "Every entry bundle is there and well formed",
    "Every entry hashes to its leaf",
    "The higher tiles follow from the leaves",
    "The root of the entries is the signed root",
    "The log begins with the one remembered",
    "Every entry is canonical, of a known kind and a plausible time",
    "Every attempt follows what it delivers",
)


class _FaultError(TiprouterError):
    """A step failed."""

    def __init__(self, message: str, file: str, entry: int | None = None) -> None:
        super().__init__(message)
        self.where = Where(file, entry)


@dataclass(slots=True)
class _Case:
    """What is given, and what earlier steps found for later ones."""

    folder: Path
    vkey: str | None
    remembered: Checkpoint | None
    latest: datetime
    policy: TrustPolicy | None = None
    verifier: Verifier | None = None
    checkpoint: Checkpoint | None = None
    survey: Survey | None = None
    known: set[str] = field(default_factory=set)
    erased: list[int] = field(default_factory=list)
    gap: "_FaultError | None" = None

    def fetch(self, tile: Tile) -> bytes | None:
        """Return a tile's bytes, reporting what the disk refuses as a fault of that file."""
        try:
            return read_tile(self.folder, tile)
        except OSError as error:
            raise _FaultError("the file cannot be read", tile.path) from error

    def entries(self) -> Iterator[tuple[Tile, int, bytes]]:
        """Yield (bundle, index, entry) for every entry; only after step 3."""
        size = self.signed.size
        for first in range(0, size, TILE_WIDTH):
            bundle = tile_at(ENTRIES, first // TILE_WIDTH, size)
            for position, entry in enumerate(decode_bundle(self.fetch(bundle) or b"", bundle.width)):
                yield bundle, first + position, entry

    @property
    def signed(self) -> Checkpoint:
        if self.checkpoint is None:
            raise _FaultError("the checkpoint was not verified", CHECKPOINT)
        return self.checkpoint

    @property
    def surveyed(self) -> Survey:
        if self.survey is None:
            self.survey = survey(self.signed.size, self.fetch, self.signed.root)
        return self.survey


def verify_folder(
    folder: Path,
    vkey: str | None = None,
    remembered: Checkpoint | None = None,
    now: datetime | None = None,
    policy: TrustPolicy | None = None,
) -> Report:
    """Verify the log in a folder; never raises for what it finds there.

    `vkey` is the log's key as got from elsewhere, `remembered` an older checkpoint that the caller trusts, `now` the
    time after which no entry may claim to be made (2100 when absent), `policy` who must have cosigned.
    """
    case = _Case(folder, vkey, remembered, LATEST if now is None else now + CLOCK_SKEW, policy)
    steps, where = walk(case, TITLES, [_reading(step) for step in _STEPS], _place)
    signed = case.checkpoint
    return Report(
        ok=where is None,
        size=None if signed is None else signed.size,
        root=None if signed is None else signed.root,
        steps=steps,
        where=where,
        key_given=vkey is not None,
        erased=tuple(case.erased),
    )


def _reading(step: Callable[[_Case], str]) -> Callable[[_Case], str]:
    """The step, which fails where the disk refuses what no file of the log is to blame for."""

    def taken(case: _Case) -> str:
        try:
            return step(case)
        except OSError as error:
            raise _FaultError("the folder cannot be read", ".") from error

    return taken


def _place(error: TiprouterError, _number: int) -> Where:
    if not isinstance(error, _FaultError):
        raise error
    return error.where


def _check_key(case: _Case) -> str:
    stored = read_file(case.folder, VKEY)
    own = None if stored is None else _verifier(stored, VKEY)
    if case.vkey is None and own is None:
        raise _FaultError("no key was given and the folder holds none", VKEY)
    given = own if case.vkey is None else _verifier(f"{case.vkey.strip()}\n".encode(), "the key given")
    if own is not None and own != given and given not in _keys(case, own):
        raise _FaultError("the folder holds another key than the one given", VKEY)
    case.verifier = given
    if case.vkey is None:
        return "the folder's own key was used: the key itself was not checked against anything"
    return "the key given from outside was used"


def _verifier(line: bytes, file: str) -> Verifier:
    try:
        verifier = Verifier.from_vkey(line.decode().removesuffix("\n"))
    except (UnicodeDecodeError, TiprouterError) as error:
        raise _FaultError("this is no verifier key", file) from error
    if f"{verifier.vkey}\n".encode() != line:
        raise _FaultError("a verifier key is one line", file)
    return verifier


def _check_signature(case: _Case) -> str:
    note = read_file(case.folder, CHECKPOINT)
    if note is None or case.verifier is None:
        raise _FaultError("the checkpoint is missing", CHECKPOINT)
    keys = _keys(case, case.verifier)
    witnesses = () if case.policy is None else case.policy.verifiers
    try:
        opened = open_checkpoint(note, keys[-1], witnesses)
    except TiprouterError as error:
        raise _FaultError(str(error), CHECKPOINT) from error
    if case.policy is not None and not case.policy.satisfied(opened.cosignatures):
        raise _FaultError("too few witnesses cosigned the checkpoint", CHECKPOINT)
    case.checkpoint = opened.checkpoint
    said = f"{case.checkpoint.size} entries, root {case.checkpoint.root.hex()}"
    if len(keys) > 1:
        said += f"; the key was replaced, each time by the one before; this is number {len(keys)}"
    if case.policy is not None:
        said += f"; cosigned by {', '.join(sorted(one.name for one in opened.cosignatures)) or 'nobody'}"
    return said


def _keys(case: _Case, key: Verifier) -> list[Verifier]:
    """The keys from this one to the one in force at the size that the checkpoint claims."""
    note = read_file(case.folder, CHECKPOINT)
    if note is None:
        return [key]
    try:
        return follow(key, entries_in(read_unverified(note).size, case.fetch))
    except _FaultError:
        # A bundle that cannot be read is step 3's to complain of.
        return [key]
    except TiprouterError as error:
        raise _FaultError(str(error), CHECKPOINT) from error


def _check_bundles(case: _Case) -> str:
    _refuse_damage(case.surveyed.bundle)
    return f"{-(-case.signed.size // TILE_WIDTH)} bundles"


def _check_leaves(case: _Case) -> str:
    _refuse_damage(case.surveyed.leaf)
    return f"{case.signed.size} leaves"


def _check_tiles(case: _Case) -> str:
    _refuse_damage(case.surveyed.tile)
    needed = set(tiles_between(0, case.signed.size))
    older = beyond = strangers = 0
    for tile in list_tiles(case.folder):
        if isinstance(tile, str):
            strangers += 1
        elif tile.end > case.signed.size:
            beyond += 1
        elif tile not in needed:
            _check_older(case, tile)
            older += 1
    return (
        f"{len(needed)} tiles and bundles; {older} older partial ones agree; not looked at: {beyond} beyond the "
        f"checkpoint, {strangers} files that are no tiles"
    )


def _check_older(case: _Case, tile: Tile) -> None:
    current = tile_at(tile.level, tile.index, case.signed.size)
    parts, problem = _parts(case, tile)
    expected, _none = _parts(case, current)
    unlike = (i for i, (part, true) in enumerate(zip(parts, expected, strict=False)) if part != true)
    position = next(unlike, min(len(parts), tile.width - 1) if problem else None)
    if position is not None:
        entry = tile.index * TILE_WIDTH + position if tile.level == ENTRIES else None
        raise _FaultError(problem or "the older partial tile is not how the later one begins", tile.path, entry)


def _parts(case: _Case, tile: Tile) -> tuple[Sequence[bytes], str | None]:
    """Return the entries or hashes of a stored bundle or tile, and what is wrong with their number."""
    data = case.fetch(tile) or b""
    try:
        if tile.level == ENTRIES:
            return decode_bundle(data, tile.width), None
        hashes = split_hashes(data)
    except BundleError as error:
        return error.entries, str(error)
    except TileError as error:
        return (), str(error)
    return hashes, None if len(hashes) == tile.width else "the tile is of the wrong length"


def _check_root(case: _Case) -> str:
    if case.surveyed.root != case.signed.root:
        raise _FaultError("the entries and tiles agree, but not with the signed root", CHECKPOINT)
    return case.signed.root.hex()


def _check_remembered(case: _Case) -> str:
    old, new = case.remembered, case.signed
    if old is None:
        return "no checkpoint was remembered, so nothing was compared"
    if old.origin != new.origin:
        raise _FaultError("the remembered checkpoint is of another log", CHECKPOINT)
    if old.size > new.size:
        raise _FaultError(f"the log had {old.size} entries and now has {new.size}", CHECKPOINT)
    reader = hash_reader(new.size, lambda tile: case.fetch(tile) or b"")
    if merkle.root(old.size, reader) != old.root:
        raise _FaultError(f"the first {old.size} entries are not the ones remembered", CHECKPOINT)
    return f"the first {old.size} entries are the ones remembered"


def _check_entries(case: _Case) -> str:
    for bundle, index, data in case.entries():
        try:
            entry = parse(data)
        except EntryError as error:
            raise _FaultError(str(error), bundle.path, index) from error
        if not EARLIEST <= entry.at <= case.latest:
            raise _FaultError("the time of the entry is not plausible", bundle.path, index)
        if entry.kind in (Kind.RECORD_ERASED, Kind.SUBJECT_ERASED):
            case.erased.append(index)
        # Step 9 is taken on the way, so that every entry is parsed once; its finding waits for its turn.
        problem = _follow(case.known, entry)
        if problem and case.gap is None:
            case.gap = _FaultError(problem, bundle.path, index)
    return f"{case.signed.size} entries"


def _check_complete(case: _Case) -> str:
    if case.gap is not None:
        raise case.gap
    return f"{len(case.known)} disclosures, recalls and attempts"


def _follow(known: set[str], entry: Entry) -> str | None:
    """Remember what an entry introduces, and say what it follows without there being one."""
    body = entry.body
    match entry.kind:
        case Kind.DISCLOSURE_MADE:
            known.add(f"disclosure {body['disclosure']}")
        case Kind.RECALL_MADE:
            known.update(f"disclosure {body[name]}" for name in ("disclosure", "recall") if name in body)
        case Kind.ATTEMPT_STARTED:
            if f"disclosure {body['disclosure']}" not in known:
                return "the attempt delivers a disclosure that the log had not told of"
            known.add(f"attempt {body['attempt']}")
        case Kind.ATTEMPT_FINISHED if f"attempt {body['attempt']}" not in known:
            return "an attempt ends that never started"
        case _:
            pass
    return None


def _refuse_damage(damage: Damage | None) -> None:
    if damage is not None:
        raise _FaultError(damage.problem, damage.tile.path, damage.entry)


_STEPS: tuple[Callable[[_Case], str], ...] = (
    _check_key,
    _check_signature,
    _check_bundles,
    _check_leaves,
    _check_tiles,
    _check_root,
    _check_remembered,
    _check_entries,
    _check_complete,
)
