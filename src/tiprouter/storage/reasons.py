"""Which of the decisions and disclosures that something names are what a question asks for?

1. Whatever is asked is asked of rows by their keys, so that no index is walked for all that are alike, and no plan can
   go wrong: that costs as much as so many are named.
2. A decision rests on a policy that it names, and on the basis among its facts.
3. A disclosure, or a recall, is late or not as `domain/lateness.py` says.
4. A decision is late or not as a disclosure that rests on it; no recall does. Those are found by its record, which has
   few.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.lateness import Lateness, lateness_of
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Basis
from tiprouter.storage.among import among
from tiprouter.storage.tables import decisions, deliveries, disclosures

_AT_ONCE: Final = 5_000


def because(policy: str | None, basis: Basis | None) -> list[sa.ColumnElement[bool]]:
    """What a decision must be to rest on these; None means any (rule 2). Policies' ids hold no quotes."""
    found = [] if policy is None else [sa.cast(decisions.c.policies, sa.Text).contains(f'"{policy}"', autoescape=True)]
    return found if basis is None else [*found, decisions.c.facts["basis"].as_string() == basis.value]


def met(tx: Connection, named: Collection[str], conditions: Sequence[sa.ColumnElement[bool]]) -> set[str]:
    """Those of the decisions that meet every condition (rule 1)."""
    found: set[str] = set()
    for some in _parts(named):
        query = sa.select(decisions.c.id).where(among(tx, decisions.c.id, some), *conditions)
        found.update(tx.execute(query).scalars())
    return found


def late(tx: Connection, named: Collection[str], wanted: Lateness, now: datetime) -> set[str]:
    """Those of the disclosures that stand so to their deadline (rule 3)."""
    rows = (row for some in _parts(named) for row in _delivered(tx, among(tx, disclosures.c.id, some)))
    return {row.id for row in rows if _stands(row, now) is wanted}


def resting(tx: Connection, records: Collection[str], wanted: Lateness, now: datetime) -> set[str]:
    """The decisions about these records on which a disclosure rests that stands so to its deadline (rule 4)."""
    rows = (row for some in _parts(records) for row in _delivered(tx, among(tx, disclosures.c.record_id, some)))
    return {one for row in rows if _stands(row, now) is wanted for one in row.decisions}


def _delivered(tx: Connection, which: sa.ColumnElement[bool]) -> Sequence[Any]:
    # How each stands is seen here: a condition would have the index of all that are late walked (rule 1).
    columns = (disclosures.c.id, disclosures.c.decisions, deliveries.c.state, deliveries.c.deadline)
    query = (
        sa.select(*columns, deliveries.c.finished_at)
        .join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        .where(which)
    )
    return tx.execute(query).all()


def _stands(row: Any, now: datetime) -> Lateness | None:  # noqa: ANN401 - a SQLAlchemy row
    return lateness_of(DeliveryState(row.state), row.deadline, row.finished_at, now)


def _parts(named: Collection[str]) -> Iterator[list[str]]:
    keys = sorted(set(named))
    return (keys[first : first + _AT_ONCE] for first in range(0, len(keys), _AT_ONCE))
