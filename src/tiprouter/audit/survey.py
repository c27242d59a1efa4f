"""Do the entries, the tiles and the root of a stored log agree, and if not, what is damaged?

1. Entries are the truth, tiles are their consequence: every bundle is hashed again and every tile compared with what
   it should be. Memory does not grow with the log.
2. The signed root arbitrates. Where a level-0 tile and its bundle differ: if the entries lead to the signed root, the
   tile is damaged, otherwise the entry is.
3. The first malformed bundle ends the survey; the entry it names is the first that does not hash to its tile.

It reads nothing itself: `fetch` returns a tile's or bundle's bytes, or None when there is none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tiprouter.audit.growth import RECOMPUTE_STEP, LogState, integrate
from tiprouter.audit.merkle import HASH_BYTES, leaf_hash
from tiprouter.audit.tiles import ENTRIES, TILE_WIDTH, BundleError, Tile, decode_bundle, split_hashes, tile_at

Fetch: TypeAlias = Callable[[Tile], bytes | None]


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong: where it lies, which entry of the log it is (if known), and what is wrong with it."""

    tile: Tile
    entry: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found: the first damage of each sort, and the root of the entries (None when not all could be read)."""

    root: bytes | None
    bundle: Damage | None = None
    leaf: Damage | None = None
    tile: Damage | None = None


def survey(size: int, fetch: Fetch, signed_root: bytes) -> Survey:
    """Hash every entry of a log of `size` again and compare; O(size), never raises for bad data."""
    state = LogState()
    leaf: Damage | None = None
    tile: Damage | None = None
    while state.size < size:
        entries: list[bytes] = []
        for first in range(state.size, min(size, state.size + RECOMPUTE_STEP), TILE_WIDTH):
            bundle = tile_at(ENTRIES, first // TILE_WIDTH, size)
            read = _read_bundle(bundle, fetch)
            if isinstance(read, Damage):
                return Survey(None, bundle=read)
            entries += read
        step = integrate(state, entries)
        leaf = leaf or _compare(step.tiles, size, fetch, leaves=True)
        tile = tile or _compare(step.tiles, size, fetch, leaves=False)
        state = step.state
    root = state.root
    if leaf is not None and leaf.entry is not None and root != signed_root:
        bundle = tile_at(ENTRIES, leaf.tile.index, size)
        leaf = Damage(bundle, leaf.entry, "the entry does not hash to the leaf in its tile, nor to the signed root")
    elif leaf is not None:
        leaf = Damage(leaf.tile, None, leaf.problem)
    return Survey(root, leaf=leaf, tile=tile)


def _read_bundle(bundle: Tile, fetch: Fetch) -> list[bytes] | Damage:
    data = fetch(bundle)
    if data is None:
        return Damage(bundle, None, "the entry bundle is missing")
    try:
        return decode_bundle(data, bundle.width)
    except BundleError as error:
        # A damaged length makes all that follows look wrong; the first leaf that differs is where it began.
        leaves = split_hashes((fetch(Tile(0, bundle.index, bundle.width)) or b"")[: bundle.width * HASH_BYTES])
        unlike = (
            position
            for position, (entry, leaf) in enumerate(zip(error.entries, leaves, strict=False))
            if leaf_hash(entry) != leaf
        )
        position = next(unlike, min(len(error.entries), bundle.width - 1))
        return Damage(bundle, bundle.index * TILE_WIDTH + position, str(error))


def _compare(expected: Mapping[Tile, bytes], size: int, fetch: Fetch, *, leaves: bool) -> Damage | None:
    for tile, hashes in expected.items():
        # Partial tiles of the steps in between are no part of the final log.
        if (tile.level == 0) is not leaves or tile != tile_at(tile.level, tile.index, size):
            continue
        stored = fetch(tile)
        if stored is None:
            return Damage(tile, None, "the tile is missing")
        if len(stored) != len(hashes):
            return Damage(tile, None, f"the tile has {len(stored)} bytes rather than {len(hashes)}")
        if stored != hashes:
            position = next(i for i in range(tile.width) if _hash_at(stored, i) != _hash_at(hashes, i))
            entry = tile.index * TILE_WIDTH + position if tile.level == 0 else None
            return Damage(tile, entry, f"hash {position} of the tile is not what the entries lead to")
    return None


def _hash_at(tile: bytes, position: int) -> bytes:
    return tile[position * HASH_BYTES : (position + 1) * HASH_BYTES]
