"""Which key signs the log, after the one before it named its successor?

1. A key is replaced by an entry of kind `log.key`: the new verifier key, the id of the key that it replaces, and the
   old key's signature over the statement `tiprouter-log-key/v1`, origin and new key, a line each. The statement is no
   checkpoint: its second line is no size.
2. Checkpoints up to that entry are signed by the old key, all later ones by the new one. Whoever knows one key follows
   the entries to the key of today, and needs no new trust.
3. An entry that names a successor without the signature of the key in force ends the verification.

Not promised: that a stolen key cannot name a successor. Whoever remembers a checkpoint sees the fork.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from tiprouter.audit.entry import JSON, Entry, EntryError, parse
from tiprouter.audit.kinds import Kind
from tiprouter.audit.note import Algorithm, NoteError, Signer, Verifier, decode_base64
from tiprouter.audit.tiles import ENTRIES, TILE_WIDTH, BundleError, Tile, decode_bundle, tile_at

_STATEMENT = "tiprouter-log-key/v1"
_KEY_ID_BYTES = 4
_MARK = b'"kind":"log.key"'


class SuccessionError(NoteError):
    """A successor was named by somebody other than the key in force."""


def name_successor(old: Signer, new: Signer) -> Mapping[str, JSON]:
    """The body of the entry by which `old` hands over to `new` (rule 1)."""
    line = old.line(_statement(old.name, new.vkey)).decode()
    return {
        "vkey": new.vkey,
        "replaces": old.verifier.key_id.hex(),
        "signature": line.rstrip("\n").rpartition(" ")[2],
    }


def successor(key: Verifier, entry: Entry) -> Verifier:
    """The key that follows `key` by this entry; raises `SuccessionError` (rule 3)."""
    vkey, signature = str(entry.body["vkey"]), str(entry.body["signature"])
    try:
        following = Verifier.from_vkey(vkey)
        signed = decode_base64(signature)
        key.check(_statement(key.name, vkey), signed[_KEY_ID_BYTES:])
    except NoteError as error:
        raise SuccessionError from error
    unlike = following.name != key.name or following.algorithm is not Algorithm.ED25519
    if unlike or signed[:_KEY_ID_BYTES] != key.key_id or entry.body["replaces"] != key.key_id.hex():
        raise SuccessionError
    return following


def follow(key: Verifier, entries: Iterable[Entry]) -> list[Verifier]:
    """The keys from `key` to the one in force, in order; entries before `key` came into force are passed over.

    `entries` are the log's of kind `log.key`. Raises `SuccessionError`.
    """
    keys = [key]
    for entry in entries:
        if entry.kind is Kind.LOG_KEY and (len(keys) > 1 or entry.body["replaces"] == key.key_id.hex()):
            keys.append(successor(keys[-1], entry))
    return keys


def entries_in(size: int, fetch: Callable[[Tile], bytes | None]) -> Iterator[Entry]:
    """The `log.key` entries of a log of `size`; what cannot be read is passed over, for others to complain of.

    `fetch` returns the bytes of an entry bundle, or None; the first that is missing ends the search.
    """
    for index in range(-(-size // TILE_WIDTH)):
        bundle = tile_at(ENTRIES, index, size)
        data = fetch(bundle)
        if data is None:
            return
        if _MARK in data:
            try:
                yield from (parse(entry) for entry in decode_bundle(data, bundle.width) if _MARK in entry)
            except (BundleError, EntryError):
                continue


def _statement(origin: str, vkey: str) -> bytes:
    return f"{_STATEMENT}\n{origin}\n{vkey}\n".encode()
