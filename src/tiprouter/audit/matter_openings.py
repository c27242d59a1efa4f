"""Do the values that somebody was given open what the log committed to, and if one cannot, what erased it?

1. An opening is a disclosure as SD-JWT spells one (RFC 9901 section 4.2.1): base64url of the JSON array of the salt
   (base64url), the name of the entry's member, and the value. The log's member is HMAC-SHA-256(salt, the value's UTF-8)
   (`entry.commit`), where SD-JWT hashes the array.
2. A bundle that was made under a grant has `openings.json`: the record, the grant, and for each of its entries that
   commits to something one item, in order: the index, and the opening or null. Facts of decisions are opened in
   `matter.json`, with a grant and without.
3. An opening opens its own entry's commitment and no other. One that does not is a fault, and so is a missing item.
4. Null is for what nobody can open any more. It is said by which later entry the record was erased, or that nothing
   says so: it was written over, refused, or written before openings were kept. That is shown, and is no fault.

Not promised: that what is null could not have been opened. Whoever holds the house's keys could keep an opening back,
and everybody sees at which entry.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from tiprouter.audit.entry import SALT_BYTES_MIN, Entry, commit
from tiprouter.audit.kinds import Kind
from tiprouter.audit.matter_bundle import OPENINGS, BundleFileError, EntryFaultError, read_json

NONE_GIVEN: Final = "none: the bundle was made without a grant"


def committed(entry: Entry) -> str | None:
    """The member of an entry that commits to a value, if one does (rule 2)."""
    if entry.kind is Kind.DISCLOSURE_MADE:
        return "digest"
    return "commitment" if "commitment" in entry.body else None


def spell(salt: bytes, member: str, value: str) -> str:
    """An opening (rule 1)."""
    return _encoded(json.dumps([_encoded(salt), member, value]).encode("ascii"))


def check(files: Mapping[str, bytes], record: str, entries: Mapping[int, Entry]) -> str:
    """Check a bundle's openings against its entries (rules 2-4), and say what there is. Raises `BundleFileError`."""
    if OPENINGS not in files:
        return NONE_GIVEN
    told = read_json(files, OPENINGS)
    if not isinstance(told, dict) or told.keys() != {"record", "grant", "openings"} or told["record"] != record:
        raise BundleFileError("it tells of the record, the grant and the openings", OPENINGS)
    given = _given(told["openings"])
    wanted = {index: member for index, entry in entries.items() if (member := committed(entry)) is not None}
    for index in sorted(wanted.keys() ^ given.keys()):
        raise EntryFaultError("an entry that commits to a value and an opening come together", index, OPENINGS)
    for index, opening in given.items():
        if opening is not None and not _opens(opening, wanted[index], entries[index]):
            raise EntryFaultError("the opening does not open what the entry commits to", index, OPENINGS)
    return _said(given, record, entries)


def _given(items: object) -> dict[int, str | None]:
    """The openings by index, each once and in order (rule 2)."""
    shape = {"index", "opening"}
    if not isinstance(items, list) or not all(isinstance(one, dict) and one.keys() == shape for one in items):
        raise BundleFileError("an item has the members index and opening", OPENINGS)
    indexes = [one["index"] for one in items]
    if not all(type(index) is int for index in indexes) or indexes != sorted(set(indexes)):
        raise BundleFileError("the openings come in the order of their entries, each once", OPENINGS)
    return {one["index"]: one["opening"] for one in items}


def _opens(opening: object, member: str, entry: Entry) -> bool:
    """Rules 1 and 3; there is one spelling of an opening."""
    try:
        salt_text, _, value = json.loads(_decoded(str(opening)))
        salt = _decoded(salt_text)
        same = spell(salt, member, value) == opening
        return same and len(salt) >= SALT_BYTES_MIN and commit(salt, value.encode()) == entry.body.get(member)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return False


def _said(given: Mapping[int, str | None], record: str, entries: Mapping[int, Entry]) -> str:
    """Rule 4."""
    erasures = [index for index, entry in sorted(entries.items()) if _erases(entry, record)]
    said = [f"opened: {sum(one is not None for one in given.values())}"]
    by: dict[int | None, list[int]] = {}
    for index in (index for index, opening in given.items() if opening is None):
        by.setdefault(next((one for one in erasures if one > index), None), []).append(index)
    for erasure, indexes in by.items():
        why = "without an opening" if erasure is None else f"content erased by entry {erasure}"
        said.append(f"{why}: {', '.join(map(str, indexes))}")
    return "; ".join(said)


def _erases(entry: Entry, record: str) -> bool:
    return entry.kind is Kind.RECORD_ERASED and entry.body.get("record") == record


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decoded(text: Any) -> bytes:  # noqa: ANN401 - whatever stood in somebody's JSON
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
