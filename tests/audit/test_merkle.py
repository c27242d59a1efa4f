"""Tests of the tree: the published vectors, and that no proof survives a flipped bit."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiprouter.audit.merkle import (
    EMPTY_ROOT,
    HashReader,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    root_of_leaves,
    verify_consistency,
    verify_inclusion,
)

from .conftest import LEAVES

ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def _leaves(size: int) -> list[bytes]:
    return [leaf_hash(b"entry %d" % number) for number in range(size)]


def _reader(leaves: list[bytes], asked: list[tuple[int, int]] | None = None) -> HashReader:
    def read(level: int, index: int) -> bytes:
        if asked is not None:
            asked.append((level, index))
        part = leaves[index << level : (index + 1) << level]
        assert len(part) == 1 << level, "only complete subtrees may be asked for"
        return root_of_leaves(part)

    return read


@pytest.mark.parametrize(("size", "expected"), list(enumerate(ROOTS)))
def test_the_published_roots(size: int, expected: str) -> None:
    """The roots of the first 0 to 8 vector leaves, by the definition and by subtrees."""
    leaves = [leaf_hash(leaf) for leaf in LEAVES]
    assert root_of_leaves(leaves[:size]).hex() == expected
    assert root(size, _reader(leaves)).hex() == expected


def test_the_published_consistency_proof() -> None:
    """The proof from 6 to 8 of the vector leaves has these three hashes."""
    proof = [node.hex() for node in consistency_proof(6, 8, _reader([leaf_hash(leaf) for leaf in LEAVES]))]
    assert [(node[:8], node[-4:]) for node in proof] == [
        ("0ebc5d34", "ef6a"),
        ("ca854ea1", "0ae0"),
        ("d37ee418", "14b7"),
    ]
    verify_consistency(6, bytes.fromhex(ROOTS[6]), 8, bytes.fromhex(ROOTS[8]), [bytes.fromhex(node) for node in proof])


def _flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


def _refused(check: Callable[[], None]) -> None:
    with pytest.raises(ProofError):
        check()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_inclusion_proof_verifies_and_none_survives_a_flipped_bit(data: st.DataObject) -> None:
    """True for any size and index; a flipped bit, a lost, doubled or added hash, another index or size: all refused."""
    size = data.draw(st.integers(1, 700))
    index = data.draw(st.integers(0, size - 1))
    bit = data.draw(st.integers(0, 255))
    leaves = _leaves(size)
    whole = root_of_leaves(leaves)
    proof = inclusion_proof(index, size, _reader(leaves))
    verify_inclusion(leaves[index], index, size, proof, whole)
    _refused(lambda: verify_inclusion(_flip(leaves[index], bit), index, size, proof, whole))
    _refused(lambda: verify_inclusion(leaves[index], index, size, proof, _flip(whole, bit)))
    _refused(lambda: verify_inclusion(leaves[index], index, size, [*proof, whole], whole))
    _refused(lambda: verify_inclusion(leaves[index], size, size, proof, whole))
    _refused(lambda: verify_inclusion(leaves[index], -1, size, proof, whole))
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        changed = [_flip(node, bit) if i == place else node for i, node in enumerate(proof)]
        _refused(lambda: verify_inclusion(leaves[index], index, size, changed, whole))
        _refused(lambda: verify_inclusion(leaves[index], index, size, proof[:-1], whole))
        _refused(lambda: verify_inclusion(leaves[index], index, size, [*proof[:-1], proof[-1][:-1]], whole))
        _refused(lambda: verify_inclusion(leaves[index], (index + 1) % size, size, proof, whole))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_consistency_proof_verifies_and_none_survives_a_flipped_bit(data: st.DataObject) -> None:
    """True for any two sizes; a flipped bit anywhere, a lost or added hash, or another size: all refused."""
    new = data.draw(st.integers(1, 700))
    old = data.draw(st.integers(0, new))
    bit = data.draw(st.integers(0, 255))
    leaves = _leaves(new)
    older, newer = root_of_leaves(leaves[:old]), root_of_leaves(leaves)
    proof = consistency_proof(old, new, _reader(leaves))
    verify_consistency(old, older, new, newer, proof)
    _refused(lambda: verify_consistency(old, _flip(older, bit), new, newer, proof))
    _refused(lambda: verify_consistency(old, older, new, newer, [*proof, newer]))
    _refused(lambda: verify_consistency(new + 1, older, new, newer, proof))
    if old:
        _refused(lambda: verify_consistency(old, older, new, _flip(newer, bit), proof))
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        changed = [_flip(node, bit) if i == place else node for i, node in enumerate(proof)]
        _refused(lambda: verify_consistency(old, older, new, newer, changed))
        _refused(lambda: verify_consistency(old, older, new, newer, proof[:-1]))
        _refused(lambda: verify_consistency(old, older, new, newer, []))


def test_all_small_trees() -> None:
    """Every index and every pair of sizes up to 40, so that no shape is left to chance."""
    leaves = _leaves(40)
    roots = [root_of_leaves(leaves[:size]) for size in range(41)]
    read = _reader(leaves)
    for size in range(1, 41):
        for index in range(size):
            verify_inclusion(leaves[index], index, size, inclusion_proof(index, size, read), roots[size])
        for old in range(size + 1):
            verify_consistency(old, roots[old], size, roots[size], consistency_proof(old, size, read))


def test_a_proof_does_not_serve_a_tree_of_another_size() -> None:
    """The size that was signed counts: neither a larger nor a smaller tree is believed from the same hashes."""
    leaves = _leaves(8)
    roots = [root_of_leaves(leaves[:size]) for size in range(9)]
    _refused(lambda: verify_inclusion(leaves[0], 0, 2, [], roots[1]))
    _refused(lambda: verify_inclusion(leaves[1], 0, 1, [leaves[0]], roots[2]))
    _refused(lambda: verify_consistency(1, roots[1], 3, roots[2], [leaves[1]]))
    _refused(lambda: verify_consistency(3, roots[7], 4, roots[8], consistency_proof(7, 8, _reader(leaves))))


def test_proofs_ask_for_few_hashes() -> None:
    """A proof over 700 entries asks for at most some twenty subtrees, not for the leaves."""
    asked: list[tuple[int, int]] = []
    read = _reader(_leaves(700), asked)
    inclusion_proof(123, 700, read)
    consistency_proof(333, 700, read)
    assert len(asked) <= 2 * 2 * 10


def test_there_is_no_proof_of_what_is_not_there() -> None:
    """An index beyond the tree, or a tree that shrinks, has no proof."""
    read = _reader(_leaves(5))
    for index in (-1, 5):
        with pytest.raises(ProofError):
            inclusion_proof(index, 5, read)
    for old, new in ((6, 5), (-1, 5)):
        with pytest.raises(ProofError):
            consistency_proof(old, new, read)


def test_an_empty_tree_is_the_beginning_of_every_tree() -> None:
    """From nothing no proof is needed, but the root of nothing must be the right one."""
    verify_consistency(0, EMPTY_ROOT, 5, root_of_leaves(_leaves(5)), [])
    _refused(lambda: verify_consistency(0, _leaves(1)[0], 5, root_of_leaves(_leaves(5)), []))


def test_roots_differ() -> None:
    """No two sizes share a root."""
    assert all(one != other for one, other in pairwise(ROOTS))
