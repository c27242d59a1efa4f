"""How does the log lie in a folder, so that any web server or memory stick can hand it to an auditor?

1. The layout is C2SP tlog-tiles: `checkpoint`, `tile/...`, `tile/entries/...`; and `log.vkey`, the verifier key.
2. A file appears whole or not at all: written beside its place, forced to disk, renamed.
3. A checkpoint appears only after everything under it: `publish` refuses one whose tiles are neither given nor there.
   After a gap (a crash between the database's commit and this folder) the caller gives all of `tiles_between` the
   folder's size and the new one; there is no second way of recovery.
4. Nothing published changes: a tile with other bytes, a smaller log, another root for the same size, or another key
   is refused. This folder is the copy that remembers when the database was set back.
5. Partial tiles go when the full one is there and the checkpoint that needs it too.

One process publishes; it does not lock the folder against a second one, nor verify signatures: see `verify`.
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

from tiprouter.audit.checkpoint import Checkpoint, read_unverified
from tiprouter.audit.merkle import HASH_BYTES
from tiprouter.audit.note import NOTE_BYTES_MAX
from tiprouter.audit.tiles import (
    ENTRIES,
    ENTRY_BYTES_MAX,
    TILE_WIDTH,
    BundleError,
    Tile,
    TileError,
    decode_bundle,
    encode_bundle,
    tiles_between,
)
from tiprouter.errors import TiprouterError

CHECKPOINT = "checkpoint"
VKEY = "log.vkey"
BUNDLE_BYTES_MAX = TILE_WIDTH * (ENTRY_BYTES_MAX + 2)
AT_ONCE = 8
"""Files that are forced to disk at a time."""


class FolderError(TiprouterError):
    """The folder holds another log than the one to publish, or lacks a part of it."""


def publish(folder: Path, files: Mapping[Tile, bytes], note: bytes, vkey: str) -> None:
    """Write tiles and bundles, then the signed checkpoint `note`. Doing it again changes nothing.

    Raises `FolderError` (rules 3 and 4) before the checkpoint is touched, and `OSError` as the disk does.
    """
    checkpoint = read_unverified(note)
    before = _size_before(folder, checkpoint)
    for tile in tiles_between(before, checkpoint.size):
        if tile not in files and not (folder / tile.path).exists():
            raise FolderError(f"{tile.path} is neither given nor published yet")
    _write_once(folder / VKEY, f"{vkey}\n".encode())
    paths = {folder / tile.path: data for tile, data in files.items()}
    _put({path: data for path, data in paths.items() if not _stands(path, data)})
    # If we were to crash here, the tiles would be ahead of the checkpoint: verifiers ignore what lies beyond it, and
    # publishing again finds the same bytes in place.
    if last_checkpoint(folder) != note:
        _write(folder / CHECKPOINT, note)
    # If we were to crash here, superseded partial tiles would stay: each is still true, and may be served.
    for tile in tiles_between(before, checkpoint.size):
        if tile.full:
            _remove_partials(folder / f"{tile.path}.p")


def last_checkpoint(folder: Path) -> bytes | None:
    """Return the signed checkpoint that was published last, or None for a folder without one."""
    return _read(folder / CHECKPOINT, NOTE_BYTES_MAX)


def read_file(folder: Path, name: str) -> bytes | None:
    """Return the bytes of `checkpoint` or `log.vkey`, or None; at most a million bytes."""
    return _read(folder / name, NOTE_BYTES_MAX)


def read_tile(folder: Path, tile: Tile) -> bytes | None:
    """Return the bytes of a tile or bundle, or None.

    In place of a partial one that is gone, the beginning of the full one is returned, as the specification advises.
    """
    limit = BUNDLE_BYTES_MAX if tile.level == ENTRIES else TILE_WIDTH * HASH_BYTES
    data = _read(folder / tile.path, limit)
    if data is not None or tile.full:
        return data
    full = _read(folder / tile.whole.path, limit)
    if full is None or tile.level != ENTRIES:
        return full and full[: tile.width * HASH_BYTES]
    try:
        return encode_bundle(decode_bundle(full, TILE_WIDTH)[: tile.width])
    except BundleError:
        return full


def list_tiles(folder: Path) -> Iterator[Tile | str]:
    """Yield every file below `tile/` in order: its coordinates, or its path when it is no tile of a log."""
    for path in sorted((folder / "tile").rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(folder).as_posix()
        try:
            yield Tile.parse(name)
        except TileError:
            yield name


def _size_before(folder: Path, checkpoint: Checkpoint) -> int:
    note = last_checkpoint(folder)
    if note is None:
        return 0
    before = read_unverified(note)
    if before.origin != checkpoint.origin:
        raise FolderError("the folder holds the log of another origin")
    if before.size > checkpoint.size:
        raise FolderError("the folder holds a larger log: the database has been set back")
    if before.size == checkpoint.size and before.root != checkpoint.root:
        raise FolderError("the folder holds another log of the same size")
    return before.size


def _read(path: Path, limit: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            # One byte more than there can be, so that what is too long is seen to be.
            return file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write_once(path: Path, data: bytes) -> None:
    if not _stands(path, data):
        _write(path, data)


def _stands(path: Path, data: bytes) -> bool:
    """Whether the file is there with these bytes; raises `FolderError` when it has others."""
    stored = _read(path, len(data))
    if stored is not None and stored != data:
        raise FolderError(f"{path.name} was published before with other bytes")
    return stored is not None


def _write(path: Path, data: bytes) -> None:
    _put({path: data})


def _put(files: Mapping[Path, bytes]) -> None:
    """Write files, each whole, and its name with it; some at a time.

    One after the other, a disk that answers in 5 ms holds the log up more than all the rest of growing.
    """
    parents = {path.parent for path in files}
    for parent in parents:
        _make_folder(parent)
    hidden = {path: path.with_name(f".{path.name}.new") for path in files}
    some = len(files) >= AT_ONCE
    with ThreadPoolExecutor(AT_ONCE) if some else nullcontext() as threads:
        at_once = map if threads is None else threads.map
        # All are written before one is forced: so forcing some of them brings the others to the disk, too.
        for path, data in files.items():
            hidden[path].write_bytes(data)
        # The answers are taken, or a disk's refusal in a thread would not be heard.
        list(at_once(_force, hidden.values()))
        # If we were to crash here, hidden files would stay behind; the next attempt overwrites them.
        for path, temporary in hidden.items():
            temporary.replace(path)
        list(at_once(_force, parents))


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _force(folder.parent)


def _force(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_partials(folder: Path) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
