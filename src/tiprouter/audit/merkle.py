"""What does a list of entries hash to, and how is it shown that one entry, or an older list, is part of it?

1. Leaf = SHA-256(0x00 || entry), node = SHA-256(0x01 || left || right), the root of nothing = SHA-256(""); a list is
   split at the largest power of two below its length (RFC 6962 section 2.1).
2. A proof is made from complete subtrees only, asked for by (level, index): the hash over the entries
   [index * 2**level, (index + 1) * 2**level). Nothing else is stored anywhere, and O(log n) of them suffice.
3. Proofs are checked as RFC 9162 sections 2.1.3.2 and 2.1.4.2 say: every hash of the proof must be used, none may be
   missing, and a proof that is not needed must be empty.

It does not promise anything about who signed a root: see `checkpoint`.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from tiprouter.errors import TiprouterError

HashReader: TypeAlias = Callable[[int, int], bytes]

HASH_BYTES = 32
_sha256 = hashlib.sha256
_NODE = hashlib.sha256(b"\x01")
EMPTY_ROOT = hashlib.sha256(b"").digest()


class ProofError(TiprouterError):
    """The proof does not show what it should."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the 32-byte hash of one entry as a leaf."""
    return _sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """Return the 32-byte hash of each entry as a leaf, in order."""
    return [_sha256(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of the node over two subtrees."""
    return _sha256(b"\x01" + left + right).digest()


def parents(hashes: bytes) -> bytes:
    """Return the hashes of the nodes over each two of these hashes, joined as they are; one without a pair has none."""
    pair, nodes = 2 * HASH_BYTES, []
    for place in range(0, len(hashes) - pair + 1, pair):
        node = _NODE.copy()  # cheaper than beginning anew
        node.update(hashes[place : place + pair])
        nodes.append(node.digest())
    return b"".join(nodes)


def subtree_hash(hashes: Sequence[bytes]) -> bytes:
    """Return the hash of the complete subtree over 2**k equally high subtrees."""
    level = list(hashes)
    while len(level) > 1:
        pairs = iter(level)
        level = [_sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return level[0]


def root_of_leaves(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, straight from the definition: the slow oracle of the fast paths."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return node_hash(root_of_leaves(leaves[:split]), root_of_leaves(leaves[split:]))


def root(size: int, read: HashReader) -> bytes:
    """Return the root of the first `size` entries."""
    return _range_hash(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: HashReader) -> list[bytes]:
    """Return the path from entry `index` to the root of `size` entries, the leaf's sibling first."""
    if not 0 <= index < size:
        raise ProofError("only an entry of the tree has a proof of inclusion")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_hash(middle, high, read))
            high = middle
        else:
            path.append(_range_hash(low, middle, read))
            low = middle
    return path[::-1]


def consistency_proof(old: int, new: int, read: HashReader) -> list[bytes]:
    """Return the proof that the tree of `old` entries is the beginning of the tree of `new` (RFC 9162 2.1.4.1)."""
    if not 0 <= old <= new:
        raise ProofError("a log only grows")
    if old in (0, new):
        return []
    proof: list[bytes] = []
    low, high = 0, new
    while old < high:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(_range_hash(middle, high, read))
            high = middle
        else:
            proof.append(_range_hash(low, middle, read))
            low = middle
    # Only when the walk never went right is the old tree itself a subtree that the verifier already knows.
    if low:
        proof.append(_range_hash(low, high, read))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes) -> None:
    """Raise `ProofError` unless the leaf hash stands at `index` of the tree with this root (RFC 9162 2.1.3.2)."""
    _refuse_lengths(proof)
    if not 0 <= index < size:
        raise ProofError("the index lies outside the tree")
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is longer than the tree is high")
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            node, last = _skip_to_right_child(node, last)
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or not hmac.compare_digest(current, root_hash):
        raise ProofError("the proof does not lead to the root")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise `ProofError` unless the new tree begins with the old one (RFC 9162 2.1.4.2)."""
    _refuse_lengths(proof)
    if not 0 <= old <= new:
        raise ProofError("a log only grows")
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if proof or not hmac.compare_digest(expected, old_root):
            raise ProofError("the two trees differ")
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        raise ProofError("the proof is too short")
    node, last = _skip_to_left_child(old - 1, new - 1)
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the proof is longer than the tree is high")
        if node & 1 or node == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            node, last = _skip_to_right_child(node, last)
        else:
            newer = node_hash(newer, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or not hmac.compare_digest(older, old_root) or not hmac.compare_digest(newer, new_root):
        raise ProofError("the new tree does not begin with the old one")


def _skip_to_right_child(node: int, last: int) -> tuple[int, int]:
    """Climb over the levels at which a right-most node without a sibling is its own parent."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _skip_to_left_child(node: int, last: int) -> tuple[int, int]:
    while node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _refuse_lengths(proof: Sequence[bytes]) -> None:
    if any(len(item) != HASH_BYTES for item in proof):
        raise ProofError("a proof consists of hashes of 32 bytes")


def _split(size: int) -> int:
    """Return the largest power of two below `size` (two or more)."""
    return 1 << (size - 1).bit_length() - 1


def _range_hash(low: int, high: int, read: HashReader) -> bytes:
    """Return the hash over entries [low, high), where `low` is a multiple of a power of two not below high - low."""
    parts: list[bytes] = []
    while low < high:
        level = (high - low).bit_length() - 1
        parts.append(read(level, low >> level))
        low += 1 << level
    whole = parts.pop()
    while parts:
        whole = node_hash(parts.pop(), whole)
    return whole
