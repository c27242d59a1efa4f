"""Which of the decisions and disclosures that something names are what a question asks for?

1. Whatever is asked is asked of rows by their keys, so that no index is walked for all that are alike, and no plan can
   go wrong: that costs as much as so many are named.
2. A decision rests on a policy that it names, and on the basis among its facts.
3. A disclosure, or a recall, is late or not as `domain/lateness.py` says.
4. A decision is late or not as a disclosure that rests on it; no recall does. Those are found by its record, which has
   few.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.lateness import ENDED_UNDELIVERED, Lateness
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
    found: set[str] = set()
    for some in _parts(named):
        query = sa.select(deliveries.c.disclosure_id).where(among(tx, deliveries.c.disclosure_id, some))
        found.update(tx.execute(query.where(_stands(now) == wanted.value)).scalars())
    return found


def resting(tx: Connection, records: Collection[str], wanted: Lateness, now: datetime) -> set[str]:
    """The decisions about these records on which a disclosure rests that stands so to its deadline (rule 4)."""
    found: set[str] = set()
    told = sa.cast(disclosures.c.decisions, sa.Text)
    for some in _parts(records):
        query = sa.select(told).join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        query = query.where(among(tx, deliveries.c.record_id, some), _stands(now) == wanted.value)
        for one in tx.execute(query).scalars():
            found.update(json.loads(one))
    return found


def _stands(now: datetime) -> sa.ColumnElement[str]:
    """How a delivery stands to its deadline, as `lateness_of` says.

    A value, and no condition: for that the index of all that are late would be walked (rule 1).
    """
    state, deadline = deliveries.c.state, deliveries.c.deadline
    arrived = state == DeliveryState.DELIVERED
    return sa.case(
        (state == DeliveryState.CANCELLED, None),
        (sa.and_(arrived, deliveries.c.finished_at > deadline), Lateness.LATE.value),
        (arrived, Lateness.IN_TIME.value),
        (sa.or_(state.in_(ENDED_UNDELIVERED), deadline <= now), Lateness.NEVER.value),
    )


def _parts(named: Collection[str]) -> Iterator[list[str]]:
    keys = sorted(set(named))
    return (keys[first : first + _AT_ONCE] for first in range(0, len(keys), _AT_ONCE))
