"""Tests of growing: however the entries arrive, the log is the same."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiprouter.audit import merkle
from tiprouter.audit.growth import LogDamagedError, LogState, integrate, recompute
from tiprouter.audit.merkle import EMPTY_ROOT, leaf_hash, root_of_leaves
from tiprouter.audit.tiles import ENTRIES, BundleError, Tile, TileError, hash_reader, tiles_between, tiles_for

from .conftest import LEAVES

ENTRIES_70K = [number.to_bytes(4, "big") for number in range(70_000)]


def _store(sizes: list[int], entries: list[bytes]) -> tuple[LogState, dict[Tile, bytes]]:
    state, stored = LogState(), dict[Tile, bytes]()
    for old, new in pairwise([0, *sizes]):
        grown = integrate(state, entries[old:new])
        assert set(grown.files) == set(tiles_between(old, new))
        assert grown.root == grown.state.root
        stored.update(grown.files)
        state = grown.state
    return state, stored


def _fetch(stored: dict[Tile, bytes]) -> Callable[[Tile], bytes]:
    return lambda tile: stored[tile]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 1400), min_size=1, max_size=8).map(sorted))
def test_any_split_gives_the_same_log(sizes: list[int]) -> None:
    """Entries integrated in random portions give the root by definition, the same tiles and the same state."""
    size = sizes[-1]
    entries = ENTRIES_70K[:size]
    state, stored = _store(sizes, entries)
    assert state.root == root_of_leaves([leaf_hash(entry) for entry in entries])
    at_once = integrate(LogState(), entries)
    assert at_once.state == state
    assert {tile: stored[tile] for tile in tiles_for(size)} == at_once.files
    assert LogState.from_tiles(size, _fetch(stored)) == state
    assert recompute(size, _fetch(stored)) == state


def test_the_vector_leaves_one_by_one() -> None:
    """The eight vector leaves lead to the published root, and their bundle is the published one."""
    state, stored = _store(list(range(1, 9)), LEAVES)
    assert state.root.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert stored[Tile(ENTRIES, 0, 8)].hex().startswith("0000000100")


def test_seventy_thousand_entries_over_three_levels() -> None:
    """A log with tiles of level 2: the same whether built at once or in portions, and the proofs come from tiles."""
    state, stored = _store([65_535, 65_536, 65_537, 70_000], ENTRIES_70K)
    assert set(state.edge) == {0, 1, 2}
    assert LogState.from_tiles(70_000, _fetch(stored)) == state
    asked: list[Tile] = []

    def fetch(tile: Tile) -> bytes:
        asked.append(tile)
        return stored[tile]

    read = hash_reader(70_000, fetch)
    assert merkle.root(70_000, read) == state.root
    older = merkle.root(65_535, read)
    merkle.verify_consistency(65_535, older, 70_000, state.root, merkle.consistency_proof(65_535, 70_000, read))
    for index in (0, 255, 256, 65_535, 65_536, 69_999):
        proof = merkle.inclusion_proof(index, 70_000, read)
        merkle.verify_inclusion(leaf_hash(ENTRIES_70K[index]), index, 70_000, proof, state.root)
    assert len(asked) == len(set(asked)) <= 12


def test_an_empty_log_has_the_root_of_nothing() -> None:
    """Nothing integrated writes nothing, and changes nothing."""
    nothing = integrate(LogState(), [])
    assert (nothing.root, nothing.files, nothing.state) == (EMPTY_ROOT, {}, LogState())
    some = integrate(LogState(), LEAVES).state
    assert integrate(some, []).files == {}
    assert recompute(0, _fetch({})) == LogState.from_tiles(0, _fetch({})) == LogState()


def test_an_entry_that_is_too_long_leaves_the_state_as_it_was() -> None:
    """A refused entry refuses the whole batch, and the state given is not touched."""
    before = integrate(LogState(), LEAVES).state
    with pytest.raises(TileError):
        integrate(before, [b"one", b"x" * 65_536])
    assert before == integrate(LogState(), LEAVES).state


def test_a_damaged_edge_is_noticed_on_start() -> None:
    """A last tile or bundle that was changed, cut or swapped is refused, or gives another root."""
    state, stored = _store([300], ENTRIES_70K)
    leaves, bundle, level1 = Tile(0, 1, 44), Tile(ENTRIES, 1, 44), Tile(1, 0, 1)
    flipped = bytes([stored[leaves][0] ^ 1]) + stored[leaves][1:]
    with pytest.raises(LogDamagedError):
        LogState.from_tiles(300, _fetch({**stored, leaves: flipped}))
    with pytest.raises(LogDamagedError):
        LogState.from_tiles(300, _fetch({**stored, leaves: stored[leaves][:-32]}))
    with pytest.raises(BundleError):
        LogState.from_tiles(300, _fetch({**stored, bundle: stored[bundle][:-1]}))
    with pytest.raises(LogDamagedError):
        LogState.from_tiles(300, _fetch({**stored, level1: stored[level1] * 2}))
    other = LogState.from_tiles(300, _fetch({**stored, level1: b"x" * 32}))
    assert other.root != state.root


def test_a_changed_entry_changes_the_recomputed_root() -> None:
    """Recomputing reads every entry: one flipped bit in an old bundle shows in the root."""
    state, stored = _store([300], ENTRIES_70K)
    old = Tile(ENTRIES, 0)
    flipped = stored[old][:-1] + bytes([stored[old][-1] ^ 1])
    assert recompute(300, _fetch(stored)).root == state.root
    assert recompute(300, _fetch({**stored, old: flipped})).root != state.root
