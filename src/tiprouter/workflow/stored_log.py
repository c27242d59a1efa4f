"""Is the log in the database the one that was signed?

1. `resume` looks at the right edge only, O(log size): the partial tiles of every level and the last bundle must give
   the root of the last checkpoint, and its signature must verify.
2. Besides, the last up to 256 entries must be the same in their rows, their bundle and their leaves, no row may lie
   beyond them, and the last hash of each edge tile must be what the full tile below it gives.
3. `begins_with` shows by O(log size) hashes whether an older checkpoint, as one outside remembers it, is about the
   beginning of this log.
4. `recheck` hashes every entry again and compares rows, bundles, tiles and root, O(size): `tiprouter audit recheck`.

Not promised by rules 1-3: that an entry far behind the edge is undamaged. Its hash is under the root that was signed:
a change is found by `recheck`, by `audit verify`, and by whoever fetches the entry with its proof.
"""

from collections.abc import Iterator

from tiprouter.audit.checkpoint import Checkpoint, open_checkpoint, read_unverified
from tiprouter.audit.growth import LogDamagedError, LogState, integrate
from tiprouter.audit.merkle import HASH_BYTES, inclusion_proof, leaf_hash, subtree_hash
from tiprouter.audit.note import Signer
from tiprouter.audit.tiles import (
    ENTRIES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    decode_bundle,
    encode_bundle,
    hash_reader,
    proof_tiles,
    split_hashes,
    tile_at,
)
from tiprouter.errors import TiprouterError
from tiprouter.storage import treelog
from tiprouter.storage.database import Transaction
from tiprouter.storage.treelog import TileRow
from tiprouter.workflow import log_keys
from tiprouter.workflow.happening import Desk


class LogRefusedError(TiprouterError):
    """The log's history is not what was signed."""


_DAMAGED = "The stored log is damaged; restore the database from a backup."
_OF_ANOTHER_ORIGIN = "The log in the database is of another origin; set TIPROUTER_LOG_ORIGIN as it was."
_UNLIKE = "The stored log is not what was signed; restore the database from a backup."


def resume(tx: Transaction, desk: Desk, first: Signer) -> LogState:
    """The log as the database holds it, checked at its right edge (rules 1 and 2). Raises `LogRefusedError`."""
    last = treelog.last_checkpoint(tx)
    if last is None:
        if treelog.size(tx):
            raise LogRefusedError(_UNLIKE)
        return LogState()
    try:
        signed = open_checkpoint(last.note, log_keys.in_force(tx, desk, first).verifier).checkpoint
        state = LogState.from_tiles(last.size, lambda tile: fetch(tx, tile))
        _refuse_edge(tx, state)
    except TiprouterError as error:
        raise LogRefusedError(_why(last.note, first.name)) from error
    if (signed.size, signed.root) != (last.size, state.root) or last.root != state.root:
        raise LogRefusedError(_UNLIKE)
    return state


def _why(note: bytes, origin: str) -> str:
    """What to say of a checkpoint that does not open, or of a log that is not what it says."""
    try:
        mine = read_unverified(note).origin == origin
    except TiprouterError:
        return _DAMAGED
    return _DAMAGED if mine else _OF_ANOTHER_ORIGIN


def begins_with(tx: Transaction, older: Checkpoint) -> bool:
    """Whether the checkpoint is about the first entries of the stored log (rule 3)."""
    return LogState.from_tiles(older.size, lambda tile: fetch(tx, tile)).root == older.root


def recheck(tx: Transaction, desk: Desk, first: Signer) -> LogState:
    """As `resume`, with every stored entry hashed again (rule 4). Raises `LogRefusedError`."""
    state = resume(tx, desk, first)
    try:
        whole = _rehashed(tx, state.size)
    except TiprouterError as error:
        raise LogRefusedError(_DAMAGED) from error
    if whole.root != state.root or treelog.count(tx) != state.size:
        raise LogRefusedError(_UNLIKE)
    return state


def _refuse_edge(tx: Transaction, state: LogState) -> None:
    """Rule 2. Raises `LogDamagedError`."""
    if treelog.size(tx) != state.size:
        raise LogDamagedError("There are more or fewer entries than were signed.")
    if state.size:
        last = tile_at(ENTRIES, (state.size - 1) // TILE_WIDTH, state.size)
        entries = decode_bundle(fetch(tx, last), last.width)
        leaves = b"".join(map(leaf_hash, entries))
        first = last.index * TILE_WIDTH
        same = treelog.between(tx, first, last.width) == entries
        if not same or fetch(tx, Tile(0, last.index, last.width)) != leaves:
            raise LogDamagedError("The last entries are not the same everywhere.")
    for upper, lower in _joints(state.size):
        if fetch(tx, upper)[-HASH_BYTES:] != subtree_hash(split_hashes(fetch(tx, lower))):
            raise LogDamagedError("A tile is not what the one below it gives.")


def _joints(size: int) -> Iterator[tuple[Tile, Tile]]:
    """The last tile of each upper level, as wide as it is, and the full tile that its last hash stands for."""
    level = 1
    while hashes := size >> (TILE_HEIGHT * level):
        upper = tile_at(level, (hashes - 1) // TILE_WIDTH, size)
        yield upper, Tile(level - 1, hashes - 1)
        level += 1


def _rehashed(tx: Transaction, size: int) -> LogState:
    """The log as its bundles give it. Raises `LogDamagedError` where rows or full tiles say something else."""
    state = LogState()
    while state.size < size:
        bundle = tile_at(ENTRIES, state.size // TILE_WIDTH, size)
        entries = decode_bundle(fetch(tx, bundle), bundle.width)
        grown = integrate(state, entries)
        full = ((tile, data) for tile, data in grown.files.items() if tile.full)
        if entries != treelog.between(tx, state.size, bundle.width) or any(fetch(tx, t) != data for t, data in full):
            raise LogDamagedError("A part of the log is not what its entries give.")
        state = grown.state
    return state


def inclusion(tx: Transaction, index: int, size: int) -> tuple[bytes, ...]:
    """The path from an entry to the root of `size` entries, by one statement. Raises `LogDamagedError`."""
    wanted = {(tile.level, tile.index): tile for tile in proof_tiles(index, size)}
    held = {wanted[row.level, row.number]: row for row in treelog.tiles_of(tx, wanted)}

    def read(tile: Tile) -> bytes:
        return _as_wide(tile, held.get(tile))

    return tuple(inclusion_proof(index, size, hash_reader(size, read)))


def fetch(tx: Transaction, tile: Tile) -> bytes:
    """A tile or entry bundle at the width asked for. Raises `LogDamagedError` when it is not there."""
    return _as_wide(tile, treelog.tile(tx, tile.level, tile.index))


def _as_wide(tile: Tile, row: TileRow | None) -> bytes:
    if row is None or row.width < tile.width:
        raise LogDamagedError("A part of the log is missing.")
    if row.width == tile.width:
        return row.tile
    if tile.level == ENTRIES:
        return encode_bundle(decode_bundle(row.tile, row.width)[: tile.width])
    return row.tile[: tile.width * HASH_BYTES]
