"""Under which name does which part of the log lie, and what is in it? (C2SP tlog-tiles v0.1.0)

1. A tile holds 256 hashes of 32 bytes; tile (level, index) holds the subtree hashes at tree level 8 * level. A partial
   tile holds the first `width` of them and exists only at the right edge. An empty tile does not exist.
2. `tile/<level>/<index>[.p/<width>]`, `tile/entries/<index>[.p/<width>]`; the index in groups of three digits, all but
   the last prefixed with `x`. There is no path element for the height.
3. An entry bundle holds the entries under one tile of level 0, each behind its length in two bytes, big-endian.
4. Every tree hash that a proof asks for is found in one tile.

It does not read or write anything: callers bring a function that returns a tile's bytes.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tiprouter.audit.merkle import HASH_BYTES, HashReader, parents
from tiprouter.errors import TiprouterError

TILE_WIDTH = 256
TILE_HEIGHT = 8
LEVEL_MAX = 63
ENTRIES = -1
ENTRY_BYTES_MAX = 65_535

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6})([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


class TileError(TiprouterError):
    """This is no tile of the log."""


class BundleError(TileError):
    """This is no entry bundle.

    `entries` are those that could be read before it went wrong.
    """

    def __init__(self, message: str, entries: Sequence[bytes]) -> None:
        super().__init__(message)
        self.entries = tuple(entries)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """The coordinates of a tile, or of an entry bundle when `level` is `ENTRIES`; `width` is 256 when it is full."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def full(self) -> bool:
        """Whether nothing will ever be added to it."""
        return self.width == TILE_WIDTH

    @property
    def path(self) -> str:
        """Its path below the log's prefix (rule 2)."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.full else f".p/{self.width}"
        return f"tile/{level}/{_spell_index(self.index)}{partial}"

    @property
    def whole(self) -> "Tile":
        """The full tile that this one is or will become."""
        return Tile(self.level, self.index)

    @property
    def end(self) -> int:
        """The least size of a log that has this tile."""
        return (self.index * TILE_WIDTH + self.width) << (TILE_HEIGHT * max(self.level, 0))

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """Read a path strictly; raises `TileError`."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise TileError("this is no path of a tile")
        level = ENTRIES if match[1] == "entries" else int(match[1])
        groups = match[2].replace("x", "").replace("/", "") + match[3]
        tile = cls(level, int(groups), int(match[4] or TILE_WIDTH))
        if level > LEVEL_MAX or tile.width > TILE_WIDTH or tile.path != path:
            raise TileError("this is not how the path of a tile is spelt")
        return tile


def tiles_for(size: int) -> list[Tile]:
    """Return every tile and entry bundle of a log of `size` entries, bundles first, then level by level."""
    return tiles_between(0, size)


def tiles_between(old: int, new: int) -> list[Tile]:
    """Return what a log of `new` entries has and the same log at `old` entries had not: what growing must write."""
    found: list[Tile] = []
    level = ENTRIES
    while hashes := new >> (height := TILE_HEIGHT * max(level, 0)):
        for index in range((old >> height) // TILE_WIDTH, -(-hashes // TILE_WIDTH)):
            tile = tile_at(level, index, new)
            if tile.end > old:
                found.append(tile)
        level += 1
    return found


def tile_at(level: int, index: int, size: int) -> Tile:
    """Return tile (level, index) with the width it has in a log of `size` entries; raises `TileError` if none."""
    height = TILE_HEIGHT * max(level, 0)
    width = min(TILE_WIDTH, (size >> height) - index * TILE_WIDTH)
    if width <= 0:
        raise TileError("the log is too small to have this tile")
    return Tile(level, index, width)


def edge_tiles(size: int) -> list[Tile]:
    """Return the partial bundle and the partial tiles of a log of `size` entries, level 0 first."""
    found: list[Tile] = []
    level = ENTRIES
    while hashes := size >> (TILE_HEIGHT * max(level, 0)):
        if hashes % TILE_WIDTH:
            found.append(tile_at(level, hashes // TILE_WIDTH, size))
        level += 1
    return found


def proof_tiles(index: int, size: int) -> list[Tile]:
    """Return the tiles that hold every hash of an inclusion proof: on each level the entry's own, and the last one.

    A sibling to the left lies in the same tile as what it is sibling of; what lies to the right is either that or a
    subtree at the right edge of the log. Raises `TileError` for an entry that a log of `size` entries has not.
    """
    if not 0 <= index < size:
        raise TileError("only an entry of the log has a proof")
    found: dict[Tile, None] = {}
    level = 0
    while hashes := size >> (TILE_HEIGHT * level):
        own = index >> (TILE_HEIGHT * level)
        for one in (own, hashes - 1):
            if one < hashes:
                found[tile_at(level, one // TILE_WIDTH, size)] = None
        level += 1
    return list(found)


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bundle of up to 256 entries; raises `TileError` for an entry of more than 65,535 bytes."""
    parts: list[bytes] = []
    for entry in entries:
        parts += _length(len(entry)), entry
    return b"".join(parts)


@lru_cache(maxsize=4_096)
def _length(size: int) -> bytes:
    """Rule 3's two bytes; few lengths occur, and each often."""
    if size > ENTRY_BYTES_MAX:
        raise TileError("an entry holds at most 65535 bytes")
    return size.to_bytes(2, "big")


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Return the `width` entries of a bundle; raises `BundleError` if it holds more, fewer, or a part of one."""
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        if len(entries) == width:
            raise BundleError("the bundle goes on after its last entry", entries)
        start = position + 2
        end = start + int.from_bytes(data[position:start], "big")
        if end > len(data):
            raise BundleError("the bundle ends within an entry", entries)
        entries.append(data[start:end])
        position = end
    if len(entries) != width:
        raise BundleError(f"the bundle holds {len(entries)} entries rather than {width}", entries)
    return entries


def split_hashes(data: bytes) -> list[bytes]:
    """Return the hashes of a tile's bytes."""
    if len(data) % HASH_BYTES:
        raise TileError("a tile consists of hashes of 32 bytes")
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]


def hash_reader(size: int, fetch: Callable[[Tile], bytes]) -> HashReader:
    """Return a reader of subtree hashes for `merkle`, served by the tiles of a log of `size` entries (rule 4).

    `fetch` returns a tile's bytes (width * 32); it is asked at most once for a tile while the reader lives.
    """
    known: dict[Tile, Sequence[bytes]] = {}

    def read(level: int, index: int) -> bytes:
        tile_level, rise = divmod(level, TILE_HEIGHT)
        first = index << rise
        tile = tile_at(tile_level, first // TILE_WIDTH, size)
        if tile not in known:
            known[tile] = _subtrees(fetch(tile))
        start = (first % TILE_WIDTH >> rise) * HASH_BYTES
        found = known[tile][rise][start : start + HASH_BYTES]
        if len(found) != HASH_BYTES:
            raise TileError(f"{tile.path} is shorter than it should be")
        return found

    return read


@lru_cache(maxsize=64)
def _subtrees(data: bytes) -> Sequence[bytes]:
    """The hashes of every complete subtree in a tile, joined, by how many levels it rises above the tile's own hashes.

    Remembered by what they are made of: every proof of a log asks for the same few upper and last tiles.
    """
    levels = [data]
    for _ in range(TILE_HEIGHT - 1):
        levels.append(parents(levels[-1]))
    return levels


def _spell_index(index: int) -> str:
    rest, last = divmod(index, 1000)
    spelt = f"{last:03d}"
    while rest:
        rest, group = divmod(rest, 1000)
        spelt = f"x{group:03d}/{spelt}"
    return spelt
