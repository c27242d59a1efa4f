"""How does the log grow by some entries, without reading again what it already holds?

1. All that growing needs is the right edge: the partial tile of every level and the partial entry bundle. Appending n
   entries costs O(n), whatever the size of the log.
2. `integrate` is a pure function: the same state and entries give the same tiles, bundles, state and root. Doing it
   again after a crash therefore writes the same bytes.
3. What it returns is all that a log of the new size has and one of the old size had not.
4. The root follows from the edge alone, and commits to every entry.

It does not promise that stored tiles are undamaged: `recompute` reads every entry again to see that.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from tiprouter.audit.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hashes, node_hash, subtree_hash
from tiprouter.audit.tiles import (
    ENTRIES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    decode_bundle,
    edge_tiles,
    encode_bundle,
    split_hashes,
    tile_at,
)
from tiprouter.errors import TiprouterError

RECOMPUTE_STEP = 16 * TILE_WIDTH


class LogDamagedError(TiprouterError):
    """What is stored of the log contradicts itself."""


@dataclass(frozen=True, slots=True)
class LogState:
    """The size of the log and its right edge.

    `edge` maps a tile level to the bytes of its partial tile (levels without one are absent); `bundle` is the partial
    entry bundle.
    """

    size: int = 0
    edge: Mapping[int, bytes] = field(default_factory=dict)
    bundle: bytes = b""

    @property
    def root(self) -> bytes:
        """The 32-byte root (rule 4)."""
        whole: bytes | None = None
        for level in sorted(self.edge):
            hashes = split_hashes(self.edge[level])
            while hashes:
                # The largest power of two that divides the width is the right-most complete subtree.
                count = len(hashes) & -len(hashes)
                part = subtree_hash(hashes[-count:])
                whole = part if whole is None else node_hash(part, whole)
                del hashes[-count:]
        return EMPTY_ROOT if whole is None else whole

    @classmethod
    def from_tiles(cls, size: int, fetch: Callable[[Tile], bytes]) -> "LogState":
        """Rebuild the state from the stored edge, O(log size) reads; `fetch` returns the bytes of one tile or bundle.

        Raises `LogDamagedError` if a tile is of the wrong length or the last entries do not hash to theirs, and
        `BundleError` if the bundle is malformed. Whether it is the edge that was signed shows in `root`, which the
        caller compares with the last checkpoint.
        """
        edge: dict[int, bytes] = {}
        bundle = b""
        for tile in edge_tiles(size):
            data = fetch(tile)
            if tile.level == ENTRIES:
                bundle = data
            elif len(data) != tile.width * HASH_BYTES:
                raise LogDamagedError(f"{tile.path} is of the wrong length")
            else:
                edge[tile.level] = data
        leaves = leaf_hashes(decode_bundle(bundle, size % TILE_WIDTH))
        if b"".join(leaves) != edge.get(0, b""):
            raise LogDamagedError("the last entries do not hash to the last tile")
        return cls(size, edge, bundle)


@dataclass(frozen=True, slots=True)
class Integration:
    """What appending gave: the state after it, its root, and the tiles and bundles to write (rule 3)."""

    state: LogState
    root: bytes
    tiles: Mapping[Tile, bytes]
    bundles: Mapping[Tile, bytes]

    @property
    def files(self) -> dict[Tile, bytes]:
        """Bundles and tiles together."""
        return {**self.bundles, **self.tiles}


class Growing:
    """A log to which entries are added some at a time, for whoever has something else to do between them."""

    def __init__(self, state: LogState) -> None:
        self._before, self._size = state.size, state.size
        self._edge = {level: bytearray(hashes) for level, hashes in state.edge.items()}
        self._edge.setdefault(0, bytearray())
        self._bundle = bytearray(state.bundle)
        self._tiles: dict[Tile, bytes] = {}
        self._bundles: dict[Tile, bytes] = {}

    def add(self, entries: Iterable[bytes]) -> None:
        """Append entries, in order; raises `TileError` for one of more than 65,535 bytes: then this is of no use."""
        coming = iter(entries)
        while some := list(islice(coming, TILE_WIDTH - self._size % TILE_WIDTH)):
            self._bundle += encode_bundle(some)
            self._edge[0] += b"".join(leaf_hashes(some))
            self._size += len(some)
            if not self._size % TILE_WIDTH:
                self._bundles[Tile(ENTRIES, self._size // TILE_WIDTH - 1)] = bytes(self._bundle)
                self._bundle.clear()
                _close_tiles(self._size, self._edge, self._tiles)

    def grown(self) -> Integration:
        """What was added, and the state after it."""
        edge = {level: bytes(hashes) for level, hashes in self._edge.items() if hashes}
        after = LogState(self._size, edge, bytes(self._bundle))
        tiles, bundles = dict(self._tiles), dict(self._bundles)
        for tile in edge_tiles(after.size):
            if tile.level == ENTRIES and after.size != self._before:
                bundles[tile] = after.bundle
            elif tile.level != ENTRIES and tile.end > self._before:
                tiles[tile] = after.edge[tile.level]
        return Integration(after, after.root, tiles, bundles)


def integrate(state: LogState, entries: Iterable[bytes]) -> Integration:
    """Append entries, in order; raises `TileError` for an entry of more than 65,535 bytes, and nothing happened."""
    growing = Growing(state)
    growing.add(entries)
    return growing.grown()


def recompute(size: int, fetch: Callable[[Tile], bytes]) -> LogState:
    """Rebuild the state by hashing every stored entry again, O(size); only bundles are fetched.

    Raises `BundleError` if a bundle is malformed. The caller compares the `root` with the last checkpoint.
    """
    state = LogState()
    while state.size < size:
        entries: list[bytes] = []
        # Tiles are thrown away step by step, so that memory does not grow with the log.
        for first in range(state.size, min(size, state.size + RECOMPUTE_STEP), TILE_WIDTH):
            bundle = tile_at(ENTRIES, first // TILE_WIDTH, size)
            entries += decode_bundle(fetch(bundle), bundle.width)
        state = integrate(state, entries).state
    return state


def _close_tiles(size: int, edge: dict[int, bytearray], tiles: dict[Tile, bytes]) -> None:
    """Set aside every tile that has just become full, and hand its hash to the level above."""
    level = 0
    while len(edge[level]) == TILE_WIDTH * HASH_BYTES:
        hashes = bytes(edge[level])
        tiles[Tile(level, (size >> (TILE_HEIGHT * (level + 1))) - 1)] = hashes
        edge[level].clear()
        level += 1
        edge.setdefault(level, bytearray()).extend(subtree_hash(split_hashes(hashes)))
