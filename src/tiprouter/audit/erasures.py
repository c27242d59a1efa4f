"""Which erasures does a log tell of?

1. Each is one thing whose data key was destroyed or replaced, and when: a record that was erased whole, a record that a
   person was taken out of, or a person.
2. The log in the folder verifies first, whole and under a key from elsewhere: what somebody wrote into it by hand
   erases nothing.

The log lies outside the database, so it remembers what a restored backup has forgotten.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tiprouter.audit.entry import EntryError, heading, parse
from tiprouter.audit.folder import read_tile
from tiprouter.audit.kinds import Kind
from tiprouter.audit.tiles import ENTRIES, TILE_WIDTH, decode_bundle, tile_at
from tiprouter.audit.verify import verify_folder
from tiprouter.errors import TiprouterError


class UnverifiedLogError(TiprouterError):
    """The log does not verify, so nothing in it is believed; see `tiprouter audit verify`."""


@dataclass(frozen=True, slots=True)
class ToldErasure:
    """One erasure: a record (`person` None: whole; else that person was taken out of it), or a person alone."""

    at: datetime
    record: str | None
    person: str | None


def erasures(folder: Path, vkey: str) -> list[ToldErasure]:
    """Every erasure that the log in a folder tells of, in its order (rules 1, 2).

    Raises `UnverifiedLogError`.
    """
    report = verify_folder(folder, vkey)
    if not report.ok or report.size is None:
        raise UnverifiedLogError
    return [told for entry in _entries(folder, report.size) for told in _told(entry)]


def _entries(folder: Path, size: int) -> Iterator[bytes]:
    for index in range(-(-size // TILE_WIDTH)):
        bundle = tile_at(ENTRIES, index, size)
        data = read_tile(folder, bundle)
        if data is None:
            raise UnverifiedLogError
        yield from decode_bundle(data, bundle.width)


def _told(data: bytes) -> Iterator[ToldErasure]:
    try:
        kind = heading(data)[0]
        if kind not in {Kind.RECORD_ERASED, Kind.SUBJECT_ERASED}:
            return
        entry = parse(data)
    except EntryError as error:
        raise UnverifiedLogError from error
    body = entry.body
    if kind == Kind.SUBJECT_ERASED:
        yield ToldErasure(entry.at, None, str(body["person"]))
    elif body["whole"]:
        yield ToldErasure(entry.at, str(body["record"]), None)
    else:
        persons = body["persons"]
        assert isinstance(persons, list)  # noqa: S101 - as `compose` wrote it
        yield from (ToldErasure(entry.at, str(body["record"]), str(person)) for person in persons)
