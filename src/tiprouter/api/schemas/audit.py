"""How is an entry of the log told?

`bytes` are the entry exactly as it was hashed (base64); `entry` is the same, parsed; `proof` is where it is proved.
"""

import base64
import json
from typing import Any, Final, Self

from tiprouter.api.schemas.places import LogPlace
from tiprouter.api.schemas.words import Message, Moment
from tiprouter.storage.treelog import EntryRow


class EntryBody(Message):
    """One entry and its index."""

    index: int
    kind: str
    at: Moment
    entry: dict[str, Any]
    bytes: str
    proof: str

    @classmethod
    def of(cls, row: EntryRow) -> Self:
        """An entry."""
        return cls(
            index=row.index,
            kind=row.kind,
            at=row.at,
            entry=json.loads(row.entry),
            bytes=base64.b64encode(row.entry).decode(),
            proof=LogPlace.proof_of(row.index),
        )


class EntryList(Message):
    """A page of entries: newest first, or oldest first when those after an index are asked for with `before`."""

    items: tuple[EntryBody, ...]


COLUMNS: Final = ("index", "kind", "at", "entry", "bytes", "proof")
