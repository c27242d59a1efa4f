"""Twenty ways to tamper with a log's folder, at many places, against a checkpoint that was held outside.

`PYTHONPATH=src python -m tests.audit.tampering` takes every kind to 200 places and prints what was found, and then the
kinds of `turning_back.py`, which put a whole database back; the suite takes a few of each.
Kinds that sign do so with the log's real key: what finds them is the checkpoint outside, nothing else.
"""

import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from tests.audit import turning_back
from tests.audit.conftest import LOG, ORIGIN, START, publish_log, story
from tiprouter.audit.checkpoint import Checkpoint, read_unverified, sign_checkpoint
from tiprouter.audit.entry import compose, parse
from tiprouter.audit.folder import CHECKPOINT
from tiprouter.audit.growth import LogState, integrate
from tiprouter.audit.merkle import leaf_hash
from tiprouter.audit.note import Signer
from tiprouter.audit.tiles import ENTRIES, TILE_WIDTH, Tile, decode_bundle, encode_bundle, tile_at
from tiprouter.audit.verify import verify_folder

SIZE = 600
PLACES = 200
STORY = story(SIZE)
OLD = read_unverified(sign_checkpoint(Checkpoint(ORIGIN, SIZE, integrate(LogState(), STORY).root), LOG))
"""What somebody outside holds."""

Tampering = Callable[[Path, int], None]


def _entries(folder: Path, place: int, change: Callable[[list[bytes], int], None]) -> None:
    """Change the entries of the bundle that holds entry `place`, and nothing else."""
    bundle = tile_at(ENTRIES, place // TILE_WIDTH, SIZE)
    path = folder / bundle.path
    entries = decode_bundle(path.read_bytes(), bundle.width)
    change(entries, place % TILE_WIDTH)
    path.write_bytes(encode_bundle(entries))


def _rewritten(folder: Path, entries: list[bytes], signer: Signer = LOG) -> None:
    """The whole log anew from other entries, signed."""
    shutil.rmtree(folder)
    folder.mkdir()
    grown = integrate(LogState(), entries)
    for tile, data in grown.files.items():
        (folder / tile.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / tile.path).write_bytes(data)
    (folder / CHECKPOINT).write_bytes(sign_checkpoint(Checkpoint(ORIGIN, len(entries), grown.root), signer))


def _flipped(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place * 7919 % len(data)] ^= 1 << place % 8
    path.write_bytes(bytes(data))


def _other(entries: list[bytes], at: int) -> None:
    entries[at] = entries[at].replace(b'"v":1', b'"v":2')


def _swap(entries: list[bytes], at: int) -> None:
    other = at - 1 if at else 1
    entries[at], entries[other] = entries[other], entries[at]


def _drop(entries: list[bytes], at: int) -> None:
    del entries[at]


def _twice(entries: list[bytes], at: int) -> None:
    entries.insert(at, entries[at])


def _backdate(entries: list[bytes], at: int) -> None:
    entry = parse(entries[at])
    entries[at] = compose(entry.kind, START - timedelta(days=at + 1), entry.nonce, entry.body)


def _another(entries: list[bytes], at: int) -> None:
    entry = parse(entries[at])
    entries[at] = compose(entry.kind, entry.at, b"\xfe" * 16, entry.body)


def _all(change: Callable[[list[bytes], int], None]) -> Tampering:
    """The change in the whole log, all of it hashed and signed again with the real key."""

    def tamper(folder: Path, place: int) -> None:
        entries = list(STORY)
        change(entries, place)
        _rewritten(folder, entries)

    return tamper


def _rehashed(folder: Path, place: int) -> None:
    _entries(folder, place, _another)
    bundle = tile_at(ENTRIES, place // TILE_WIDTH, SIZE)
    hashes = b"".join(map(leaf_hash, decode_bundle((folder / bundle.path).read_bytes(), bundle.width)))
    (folder / Tile(0, bundle.index, bundle.width).path).write_bytes(hashes)


def _checkpoint(folder: Path, change: Callable[[Checkpoint], Checkpoint], signer: Signer | None) -> None:
    """Another checkpoint, under the old signature or a new one."""
    path = folder / CHECKPOINT
    note = path.read_bytes()
    new = change(read_unverified(note))
    old_text = read_unverified(note).text
    path.write_bytes(note.replace(old_text, new.text) if signer is None else sign_checkpoint(new, signer))


def _forked(folder: Path, place: int) -> None:
    entries = list(STORY)
    _another(entries, place)
    _rewritten(folder, [*entries, *story(SIZE + 50)[SIZE:]])


def _exchanged(folder: Path, place: int) -> None:
    one, other = (folder / Tile(0, index).path for index in (place % 2, 1 - place % 2))
    one.write_bytes(other.read_bytes())


def _cut(folder: Path, place: int) -> None:
    path = folder / tile_at(0, 2, SIZE).path
    path.write_bytes(path.read_bytes()[: 32 * (place % 88)])


def _resized(folder: Path, place: int) -> None:
    _checkpoint(folder, lambda old: Checkpoint(old.origin, place, old.root), None)


def _rerooted(folder: Path, place: int) -> None:
    _checkpoint(folder, lambda old: Checkpoint(old.origin, old.size, _root(place)), LOG)


def _renamed(folder: Path, place: int) -> None:
    _checkpoint(folder, lambda old: Checkpoint(f"other{place}.example", old.size, old.root), None)


def _root(place: int) -> bytes:
    return leaf_hash(b"%d" % place)


KINDS: dict[str, Tampering] = {
    "flip a bit of a bundle": lambda f, p: _flipped(f / tile_at(ENTRIES, p % 3, SIZE).path, p),
    "flip a bit of a leaf tile": lambda f, p: _flipped(f / tile_at(0, p % 3, SIZE).path, p),
    "flip a bit of an upper tile": lambda f, p: _flipped(f / tile_at(1, 0, SIZE).path, p),
    "flip a bit of the checkpoint": lambda f, p: _flipped(f / CHECKPOINT, p),
    "alter an entry": lambda f, p: _entries(f, p, _other),
    "replace an entry and hash its tile again": _rehashed,
    "drop an entry": lambda f, p: _entries(f, p, _drop),
    "repeat an entry": lambda f, p: _entries(f, p, _twice),
    "swap two entries": lambda f, p: _entries(f, p, _swap),
    "remove a bundle": lambda f, p: (f / tile_at(ENTRIES, p % 3, SIZE).path).unlink(),
    "remove a tile": lambda f, p: (f / tile_at(0, p % 3, SIZE).path).unlink(),
    "exchange two tiles": _exchanged,
    "cut a partial tile": _cut,
    "state another size": _resized,
    "state another root, signed anew": _rerooted,
    "state another origin": _renamed,
    "sign with another key": lambda f, p: _checkpoint(f, lambda c: c, Signer(ORIGIN, p.to_bytes(32, "big"))),
    "set the log back, signed anew": lambda f, p: _rewritten(f, STORY[:p]),
    "backdate an entry, all signed anew": _all(_backdate),
    "drop an entry, all signed anew": _all(_drop),
    "swap two entries, all signed anew": _all(_swap),
    "fork the log and go on, all signed anew": _forked,
}


def found(original: Path, work: Path, kind: str, place: int) -> bool:
    """Whether the verifier refuses the log after this."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(original, work)
    KINDS[kind](work, place)
    return not verify_folder(work, LOG.vkey, OLD).ok


def places(count: int) -> list[int]:
    """So many places in the log, the first and last among them, always the same."""
    return [0, SIZE - 1, *random.Random(7).sample(range(1, SIZE - 1), count - 2)]  # noqa: S311 - no secret


def run() -> int:
    """Every kind at 200 places; the exit code."""
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        original = publish_log(Path(folder) / "log", STORY)
        if not verify_folder(original, LOG.vkey, OLD).ok:
            sys.exit("the log does not verify before anything was done to it")
        for kind in KINDS:
            hits = sum(found(original, Path(folder) / "work", kind, place) for place in places(PLACES))
            missed += PLACES - hits
            sys.stdout.write(f"{hits:>4} of {PLACES} found: {kind}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(KINDS) * PLACES - missed} of {len(KINDS) * PLACES} found\n")
    return int(missed + turning_back.run(sys.stdout.write) > 0)


if __name__ == "__main__":
    sys.exit(run())
