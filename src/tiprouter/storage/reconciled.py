"""How many rows are there, and how many entries tell of them?

Counted in one snapshot. Entries still in the outbox count: their rows were committed with them.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage import outbox
from tiprouter.storage.tables import (
    acknowledgements,
    attempts,
    consents,
    decisions,
    disclosures,
    log_entries,
    notices,
    recipients,
    records,
)


class Count(NamedTuple):
    """One kind of row: its name, how many there are, and how many entries tell of one coming to be."""

    what: str
    rows: int
    entries: int


_CONSENT: Final = tuple(
    f"consent.{what}" for what in ("granted", "refused", "pending", "confirmed", "narrowed", "lapsed", "withdrawn")
)

_TOLD: Final[Mapping[str, tuple[sa.Table, sa.ColumnElement[bool], tuple[str, ...]]]] = MappingProxyType(
    {
        "records": (records, sa.true(), ("record.accepted",)),
        "consent-revisions": (consents, sa.true(), _CONSENT),
        "recipients": (recipients, sa.true(), ("recipient.registered",)),
        "decisions": (decisions, sa.true(), ("decision",)),
        "disclosures": (disclosures, disclosures.c.recalls.is_(None), ("disclosure.made",)),
        "recalls": (disclosures, disclosures.c.recalls.is_not(None), ("recall.made",)),
        "attempts": (attempts, sa.true(), ("attempt.started",)),
        "acknowledgements": (acknowledgements, sa.true(), ("acknowledgement",)),
        "notices": (notices, sa.true(), ("notice",)),
    }
)
"""Rows are never deleted (erasure takes their keys), so each stands beside the one entry of its beginning."""


def counts(tx: Connection, kind_of: Callable[[bytes], str]) -> list[Count]:
    """Every kind of row, counted; `kind_of` reads the kind of an entry's bytes."""
    told: Counter[str] = Counter()
    query = sa.select(log_entries.c.kind, sa.func.count().label("number")).group_by(log_entries.c.kind)
    told.update({row.kind: row.number for row in tx.execute(query)})
    told.update(kind_of(entry) for entry in outbox.each(tx))
    return [
        Count(
            what,
            tx.execute(sa.select(sa.func.count()).select_from(table).where(condition)).scalar_one(),
            sum(told[kind] for kind in kinds),
        )
        for what, (table, condition, kinds) in _TOLD.items()
    ]
