"""Tests of the tiles: the specification's own examples, and strict reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.audit.tiles import (
    ENTRIES,
    BundleError,
    Tile,
    TileError,
    decode_bundle,
    edge_tiles,
    encode_bundle,
    hash_reader,
    split_hashes,
    tile_at,
    tiles_between,
    tiles_for,
)

from .conftest import LEAVES

BUNDLE = "00000001000001100002202100023031000440414243000850515253545556570010606162636465666768696a6b6c6d6e6f"


def test_the_published_path() -> None:
    """Index 1234067 is written in groups of three, without an element for the height."""
    assert Tile(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert Tile(ENTRIES, 1_234_067, 8).path == "tile/entries/x001/x234/067.p/8"
    assert Tile(2, 0, 1).path == "tile/2/000.p/1"
    assert Tile(1, 1000).path == "tile/1/x001/000"


@given(st.integers(ENTRIES, 63), st.integers(0, 2**55), st.integers(1, 256))
def test_a_path_is_read_back(level: int, index: int, width: int) -> None:
    """Every tile has one path, and the path gives the tile back."""
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/1000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/00/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/8/0/001/",
        "tile/0/001.p/0",
        "tile/0/001.p/01",
        "tile/0/001.p/256",
        "tile/0/001.p/999",
        "tile/0/001.p",
        "/tile/0/001",
        "tile/0/001\n",
        "tile/0/../001",
        "tile/0/\u0660\u0660\u0661",
        "tile/data/001",
    ],
)
def test_no_other_spelling_is_a_path(path: str) -> None:
    """What a web server is asked for is a tile's one spelling or nothing."""
    with pytest.raises(TileError):
        Tile.parse(path)


def test_the_published_layout_of_seventy_thousand_entries() -> None:
    """273 full tiles and 0/273.p/112; one full and 1/001.p/17; 2/000.p/1; the same bundles as level-0 tiles."""
    tiles = tiles_for(70_000)
    paths = [tile.path for tile in tiles]
    assert [sum(tile.level == level for tile in tiles) for level in range(ENTRIES, 4)] == [274, 274, 2, 1, 0]
    assert [path for path in paths if ".p/" in path] == [
        "tile/entries/273.p/112",
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ]
    assert [tile.path for tile in edge_tiles(70_000)] == [path for path in paths if ".p/" in path]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_536, 65_537])
def test_empty_tiles_do_not_exist(size: int) -> None:
    """At no size is there a tile without hashes, nor a partial tile as wide as a full one."""
    for tile in tiles_for(size):
        assert tile == tile_at(tile.level, tile.index, size)
        assert 1 <= tile.width <= 256
        assert tile.end <= size
    assert len(set(tiles_for(size))) == len(tiles_for(size))
    with pytest.raises(TileError):
        tile_at(0, -(-size // 256), size)


@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_what_growing_writes_is_what_was_not_there(one: int, other: int) -> None:
    """The tiles between two sizes are those of the larger which the smaller had not."""
    old, new = sorted((one, other))
    earlier = set(tiles_for(old))
    assert tiles_between(old, new) == [tile for tile in tiles_for(new) if tile not in earlier]


def test_the_published_bundle() -> None:
    """The eight vector leaves, each behind its length in two bytes."""
    assert encode_bundle(LEAVES).hex() == BUNDLE
    assert decode_bundle(bytes.fromhex(BUNDLE), 8) == LEAVES


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_a_bundle_is_read_back(entries: list[bytes]) -> None:
    """Any entries, empty ones too; one more or one fewer than expected is refused."""
    data = encode_bundle(entries)
    assert decode_bundle(data, len(entries)) == entries
    for width in (len(entries) - 1, len(entries) + 1):
        with pytest.raises(BundleError):
            decode_bundle(data, width)


@pytest.mark.parametrize("length", range(1, len(BUNDLE) // 2))
def test_a_truncated_bundle_is_refused(length: int) -> None:
    """Cut anywhere, it is no bundle, and the entries before the cut are still told."""
    with pytest.raises(BundleError) as refusal:
        decode_bundle(bytes.fromhex(BUNDLE)[:length], 8)
    assert list(refusal.value.entries) == LEAVES[: len(refusal.value.entries)]


def test_a_long_entry_is_refused() -> None:
    """65,535 bytes fit, one more does not."""
    assert len(encode_bundle([b"x" * 65_535])) == 65_537
    with pytest.raises(TileError):
        encode_bundle([b"x" * 65_536])


def test_a_tile_that_is_too_short_is_noticed() -> None:
    """The reader of hashes does not pass on a part of a hash, or fewer hashes than asked for."""
    with pytest.raises(TileError):
        split_hashes(b"x" * 33)
    with pytest.raises(TileError):
        hash_reader(4, lambda _tile: b"x" * 64)(2, 0)
