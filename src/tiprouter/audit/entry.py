"""What exactly is written down about one happening, and how is it kept free of people?

1. An entry is canonical JSON of `{"at","body","kind","nonce","v"}`: UTF-8, sorted keys, no white space, integers only
   (RFC 8785 for the closed subset used here). One happening has one spelling; `parse` refuses every other one.
2. Kinds and fields are the closed tables of `kinds.py`.
3. A value is None, a bool, an integer of at most 53 bits, or a token of at most 128 characters out of
   `A-Z a-z 0-9 _ . : + / = -`; or one list or object of those, or one list of objects. Free text, spaces, quotes,
   addresses of any kind (`@`, `://`) and bare telephone numbers are no tokens, so they cannot enter the log.
4. A fact about a person appears only as a salted commitment, so that a guess cannot be tested against the log.
5. Every entry holds 128 random bits of its own, so that equal happenings have unlike hashes.
6. What the verifier needs to follow a disclosure is demanded when the entry is made, not when it is too late.
7. At most 65,535 bytes: an entry bundle spells the length in two bytes (C2SP tlog-tiles).
8. What many entries say alike is checked and spelt once (`Alike`); their bytes are those they would have alone.

It does not promise that an entry is true, nor that a single word is not a name: callers pass ids and enum values.
"""

import hmac
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias, cast

from tiprouter.audit.kinds import FIELDS, REQUIRED, Kind
from tiprouter.errors import TiprouterError

JSON: TypeAlias = bool | int | str | Sequence["JSON"] | Mapping[str, "JSON"] | None

VERSION = 1
MAX_ENTRY_BYTES = 65_535
MAX_INTEGER = 2**53 - 1
NONCE_BYTES = 16
SALT_BYTES_MIN = 16

# Not shaped like a telephone number; hex ids of the usual lengths (8, 16, 32, 64) never are.
_TELEPHONE = r"(?:\+[0-9][0-9./-]{5,18}|1?[0-9]{10}|(?:1[./-])?[0-9]{3}[./-][0-9]{3}[./-][0-9]{4}|[0-9]{3}-[0-9]{4})"
# Many tokens at once, a line each: asking for each of an entry's two dozen alone takes several times longer.
_TOKENS = re.compile(rf"(?:(?!{_TELEPHONE}\n)[A-Za-z0-9_.:+/=-]{{1,128}}\n)*+")
_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_NONCE = re.compile(r"[0-9a-f]{32}")
_BEFORE_KIND = b',"kind":"'
_AFTER_KIND = len('","nonce":"') + 2 * NONCE_BYTES + len('","v":1}')
_PLAIN = frozenset({str})
_NONCE_GAP = ""  # no field is called so
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class EntryError(TiprouterError):
    """This cannot be an audit entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One happening as the log tells it: `at` is UTC in whole milliseconds, `nonce` 16 bytes."""

    kind: Kind
    at: datetime
    nonce: bytes
    body: Mapping[str, JSON]


def compose(kind: Kind, at: datetime, nonce: bytes, body: Mapping[str, JSON]) -> bytes:
    """Return the entry's final bytes; parts of a millisecond in `at` are dropped.

    Raises `EntryError` when a field is unknown or missing, or a value is none that rule 3 allows. The message names
    the field, never the value.
    """
    if at.tzinfo is None:
        raise EntryError("the time of an audit entry needs its zone")
    if len(nonce) != NONCE_BYTES:
        raise EntryError("the nonce of an audit entry is 16 bytes")
    _refuse_body(kind, body)
    return _fitting(_spell(kind, at, nonce.hex(), body))


class Alike:
    """Entries of one kind and moment that say most of it alike, and some words each of its own (rule 8)."""

    def __init__(self, kind: Kind, at: datetime, shared: Mapping[str, JSON]) -> None:
        self.kind, self._at, self._shared = kind, at, shared
        self._forms: dict[tuple[str, ...], str] = {}

    def compose(self, nonce: bytes, own: Mapping[str, JSON]) -> bytes:
        """What `compose` returns for all that is said, alike and of its own; raises `EntryError` where it would."""
        words, names = cast("Collection[str]", own.values()), tuple(own)
        if len(nonce) != NONCE_BYTES or not (_PLAIN.issuperset(map(type, words)) and _are_tokens(words)):
            # More than words, or to be refused: there it is said why.
            return compose(self.kind, self._at, nonce, {**self._shared, **own})
        if names not in self._forms:
            self._forms[names] = self._form(names)
        return _fitting((self._forms[names] % {**own, _NONCE_GAP: nonce.hex()}).encode("ascii"))

    def _form(self, names: tuple[str, ...]) -> str:
        """An entry with gaps for these fields and the nonce: no token holds a per cent sign, so each of them is one."""
        compose(self.kind, self._at, bytes(NONCE_BYTES), {**self._shared, **dict.fromkeys(names, "x")})
        gaps = {name: f"%({name})s" for name in names}
        return _spell(self.kind, self._at, f"%({_NONCE_GAP})s", {**self._shared, **gaps}).decode("ascii")


def parse(data: bytes) -> Entry:
    """Read an entry's bytes back; raises `EntryError` for anything `compose` would not have written."""
    if len(data) > MAX_ENTRY_BYTES:
        raise EntryError("an audit entry holds at most 65535 bytes")
    try:
        raw: object = _DECODER.decode(data.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise EntryError("an audit entry is canonical JSON in ASCII") from error
    entry = _entry_of(raw)
    # This also refuses a member that is named twice: of two, only one is spelt again.
    if _spell(entry.kind, entry.at, entry.nonce.hex(), entry.body) != data:
        raise EntryError("an audit entry is spelt canonically")
    return entry


def heading(data: bytes) -> tuple[str, int]:
    """The kind and the time (microseconds since 1970) of bytes that `compose` wrote, from where they stand in them.

    Some thirty times cheaper than `parse`, and no proof of the rest: for what this house wrote itself. Raises
    `EntryError` where the kind or the time is not in its place.
    """
    try:
        kind = _KINDS[data[data.rindex(_BEFORE_KIND) + len(_BEFORE_KIND) : -_AFTER_KIND]]
        return kind, _moment(data[:40])
    except (KeyError, ValueError) as error:
        raise EntryError("an audit entry has its kind and its time in their places") from error


@lru_cache(maxsize=1_024)
def _moment(start: bytes) -> int:
    """The microseconds since 1970 that an entry begins with; those of one happening begin alike."""
    if start[:7] != b'{"at":"' or start[26:27] != b"." or start[30:] != b'Z","body":':
        raise EntryError("an audit entry begins with its time")
    return _second(start[7:26]) + 1_000 * int(start[27:30])


@lru_cache(maxsize=1_024)
def _second(text: bytes) -> int:
    """The microseconds since 1970 of a moment without parts of a second; many entries share one."""
    return (datetime.fromisoformat(text.decode("ascii")).replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def commit(salt: bytes, value: bytes) -> str:
    """Return the hex of HMAC-SHA-256(salt, value): binding, and blind while the salt (16 bytes or more) is secret.

    HMAC rather than SHA-256(salt + value): the border between the two cannot be moved.
    """
    if len(salt) < SALT_BYTES_MIN:
        raise EntryError("the salt of a commitment is at least 16 bytes")
    return hmac.digest(salt, value, "sha256").hex()


def _fitting(data: bytes) -> bytes:
    if len(data) > MAX_ENTRY_BYTES:
        raise EntryError("an audit entry holds at most 65535 bytes")
    return data


def _spell(kind: Kind, at: datetime, nonce: str, body: Mapping[str, JSON]) -> bytes:
    whole = {"at": _stamp(at.astimezone(UTC)), "body": body, "kind": kind.value, "nonce": nonce, "v": VERSION}
    # All keys and values are ASCII tokens by now, for which this is RFC 8785's spelling, escapes and order included.
    return _ENCODER.encode(whole).encode("ascii")


@lru_cache(maxsize=16)
def _stamp(at: datetime) -> str:
    """How a moment in UTC is spelt; all entries of one happening share theirs."""
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _plain(value: object) -> object:
    """Let json see through read-only mappings and sequences which are not dict, list or tuple."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise EntryError("an audit entry holds tokens, integers, and lists and objects of them")


def _entry_of(raw: object) -> Entry:
    if not isinstance(raw, dict) or raw.keys() != {"at", "body", "kind", "nonce", "v"}:
        raise EntryError("an audit entry has the members at, body, kind, nonce and v")
    at, body, kind, nonce = raw["at"], raw["body"], raw["kind"], raw["nonce"]
    if raw["v"] != VERSION:
        raise EntryError("an audit entry is of version 1")
    if not isinstance(at, str) or not _AT.fullmatch(at):
        raise EntryError("the time of an audit entry is in UTC, in milliseconds")
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise EntryError("the nonce of an audit entry is 16 bytes in lower-case hex")
    if not isinstance(body, dict):
        raise EntryError("the body of an audit entry is an object")
    try:
        known, when = Kind(kind), datetime.fromisoformat(at)
    except ValueError as error:
        raise EntryError("an audit entry is of a known kind, at a time that exists") from error
    _refuse_body(known, body)
    return Entry(known, when, bytes.fromhex(nonce), cast("Mapping[str, JSON]", body))


def _refuse_body(kind: Kind, body: Mapping[str, object]) -> None:
    if not FIELDS[kind].issuperset(body):
        # The name of an unknown field is the caller's, so it is not repeated.
        raise EntryError(f"an entry of kind {kind} has a field the log does not know")
    for field in sorted(REQUIRED.get(kind, ())):
        if not isinstance(body.get(field), str):
            raise EntryError(f"an entry of kind {kind} needs the field {field}")
    if _are_values(body.values()):
        return
    for field, value in body.items():
        if not _are_values((value,)):
            raise EntryError(f"the field {field} of kind {kind} holds something other than ids, enum values and counts")


def _are_values(values: Iterable[object]) -> bool:
    """Rule 3: their shapes are looked at one by one, all their words at once."""
    words: list[str] = []
    for value in values:
        # Most are words or lists of them: asked first, since every entry of the log passes here.
        if isinstance(value, str):
            words.append(value)
        elif type(value) is list and _PLAIN.issuperset(map(type, value)):
            words.extend(value)
        elif not (_is_scalar(value) or _is_flat(value, words) or _is_list_of_objects(value, words)):
            return False
    return not words or _are_tokens(words)


def _are_tokens(words: Collection[str]) -> bool:
    text = "\n".join(words) + "\n"
    # The lines are counted, or a word with a line break in it would pass as two.
    return text.count("\n") == len(words) and "://" not in text and _TOKENS.fullmatch(text) is not None


def _is_scalar(value: object) -> bool:
    """A scalar that is no word."""
    return value is None or (isinstance(value, int) and -MAX_INTEGER <= value <= MAX_INTEGER)


def _is_flat(value: object, words: list[str]) -> bool:
    """A list or an object of scalars; their words, and the names of the object's members, join the others."""
    if _is_list(value):
        items = cast("Sequence[object]", value)
    elif isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        items = [*value, *value.values()]
    else:
        return False
    for item in items:
        if isinstance(item, str):
            words.append(item)
        elif not _is_scalar(item):
            return False
    return True


def _is_list_of_objects(value: object, words: list[str]) -> bool:
    return _is_list(value) and all(
        isinstance(item, Mapping) and _is_flat(item, words) for item in cast("Sequence[object]", value)
    )


def _is_list(value: object) -> bool:
    # The built-in ones first: asking about an abstract class takes ten times longer.
    return isinstance(value, (list, tuple)) or (
        isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))
    )


def _refuse_number(_number: str) -> object:
    raise ValueError("only integers")


_KINDS = {kind.value.encode(): kind.value for kind in Kind}
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False, default=_plain
)
_DECODER = json.JSONDecoder(parse_float=_refuse_number, parse_constant=_refuse_number)
