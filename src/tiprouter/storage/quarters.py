"""What is counted of a quarter, and what was published of it?

1. What is counted is about different things, so that none can be subtracted from another: records by kind; decisions;
   disclosures by kind of recipient, place and how they stood to their deadline. Decisions that were alike in bundle,
   outcome, kind of recipient and facts are counted together, for whoever asks what another bundle makes of them.
2. A place is a state or territory (`US-TX`), `several` for an agency of more than one. A recall is no disclosure.
3. What is published of a quarter is stored once, with what is withheld already left out, and never counted again.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from tiprouter import ids
from tiprouter.domain.lateness import lateness_of
from tiprouter.domain.quarter import Quarter
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.storage.bundles_table import bundles
from tiprouter.storage.quarters_table import quarters
from tiprouter.storage.tables import decisions, deliveries, disclosures, recipients, records

SEVERAL: Final = "several"
NOBODY: Final = "none"
WAITING: Final = "waiting"

_ROUNDED: Final = timedelta(milliseconds=1)
_PARTS: Final = 2


@dataclass(frozen=True, slots=True)
class Counted:
    """One table before anything is withheld: its name, the names of its axes, and a count for each cell that is."""

    name: str
    axes: tuple[str, ...]
    counts: dict[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions of one quarter that were alike; `name` is the bundle's, `facts` are JSON values, None without any."""

    bundle: str
    name: str | None
    outcome: str
    recipient_kind: str
    facts: Mapping[str, Any] | None
    count: int


@dataclass(frozen=True, slots=True)
class Published:
    """What was published of a quarter; `tables` is JSON."""

    quarter: str
    threshold: int
    tables: list[dict[str, Any]]
    frozen_at: datetime


def begun(tx: Connection) -> datetime | None:
    """When the first record was accepted; None before there is one."""
    firsts = (
        tx.execute(
            sa.select(records.c.accepted_at)
            .where(records.c.id >= f"{kind.value}_", records.c.id < f"{kind.value}_~")
            .order_by(records.c.id)
            .limit(1)
        ).scalar_one_or_none()
        for kind in RecordKind
    )
    return min((one for one in firsts if one is not None), default=None)


def names(tx: Connection) -> list[str]:
    """The quarters that were published, newest first."""
    return list(tx.execute(sa.select(quarters.c.quarter).order_by(quarters.c.quarter.desc())).scalars())


def load(tx: Connection, quarter: str) -> Published | None:
    """What was published of a quarter, or None."""
    row = tx.execute(sa.select(quarters).where(quarters.c.quarter == quarter)).one_or_none()
    return None if row is None else Published(row.quarter, row.threshold, row.tables, row.frozen_at)


def freeze(tx: Connection, made: Published) -> bool:
    """Store what is published, unless it was before (rule 3); whether it was stored now."""
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    row = {name: getattr(made, name) for name in Published.__slots__}
    return bool(tx.execute(insert(quarters).values(row).on_conflict_do_nothing()).rowcount)


def counted(tx: Connection, quarter: Quarter, now: datetime) -> list[Counted]:
    """The tables of a quarter before anything is withheld, without its decisions (rules 1, 2)."""
    return [_records(tx, quarter), _disclosures(tx, quarter, now)]


def decided(tx: Connection, quarter: Quarter) -> list[Decided]:
    """The decisions of a quarter, those alike counted together (rule 1)."""
    # As text: a database compares texts and no JSON.
    facts = sa.cast(decisions.c.facts, sa.Text)
    alike = (decisions.c.bundle, bundles.c.name, decisions.c.outcome, recipients.c.kind, facts)
    query = (
        sa.select(*alike, sa.func.count())
        .outerjoin(recipients, recipients.c.id == decisions.c.recipient_id)
        .outerjoin(bundles, bundles.c.digest == decisions.c.bundle)
        .where(*_made(decisions.c.id, "dec", decisions.c.decided_at, quarter))
        .group_by(*alike)
    )
    return [
        Decided(bundle, name, outcome, kind or NOBODY, None if text is None else json.loads(text), count)
        for bundle, name, outcome, kind, text, count in tx.execute(query)
    ]


def _records(tx: Connection, quarter: Quarter) -> Counted:
    counts: dict[tuple[str, ...], int] = {}
    for kind in RecordKind:
        query = sa.select(sa.func.count()).where(*_made(records.c.id, kind.value, records.c.accepted_at, quarter))
        counts[kind.value,] = tx.execute(query).scalar_one()
    return Counted("records", ("record_kind",), counts)


def _disclosures(tx: Connection, quarter: Quarter, now: datetime) -> Counted:
    # How it stands is told by a row's own columns alone, so rows alike are counted by the database.
    late = (deliveries.c.finished_at > deliveries.c.deadline).label("late")
    overdue = (deliveries.c.deadline <= now).label("overdue")
    query = (
        sa.select(disclosures.c.recipient_id, deliveries.c.state, late, overdue, sa.func.count())
        .join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        .where(disclosures.c.recalls.is_(None), *_made(disclosures.c.id, "dis", disclosures.c.made_at, quarter))
        .group_by(disclosures.c.recipient_id, deliveries.c.state, late, overdue)
    )
    agencies = {row.id: (row.kind, _place(row.details)) for row in tx.execute(sa.select(recipients))}
    counts: Counter[tuple[str, ...]] = Counter()
    for recipient_id, state, was_late, is_overdue, count in tx.execute(query):
        how = _how(DeliveryState(state), now, was_late=bool(was_late), is_overdue=bool(is_overdue))
        counts[(*agencies[recipient_id], how)] += count
    return Counted("disclosures", ("recipient_kind", "place", "delivered"), dict(counts))


def _how(state: DeliveryState, now: datetime, *, was_late: bool, is_overdue: bool) -> str:
    """The word of `domain/lateness.py` for rows that are alike in it."""
    before, after = now - _ROUNDED, now + _ROUNDED
    deadline = before if was_late or is_overdue else after
    found = lateness_of(state, deadline, now if was_late else before, now)
    if found is not None:
        return found.value
    return state.value if state is DeliveryState.CANCELLED else WAITING


def _place(details: Any) -> str:  # noqa: ANN401 - JSON
    places = {"-".join(place.split("-")[:_PARTS]) for place in details.get("jurisdictions", ())}
    return places.pop() if len(places) == 1 else SEVERAL


def _made(
    key: sa.ColumnElement[str], prefix: str, at: sa.ColumnElement[datetime], quarter: Quarter
) -> tuple[sa.ColumnElement[bool], ...]:
    """Made in a quarter: found by the key, which is of the moment, and told apart by the moment itself."""
    nothing = bytes(ids.RANDOM_BYTES)
    return (
        key >= ids.mint(prefix, quarter.begins - _ROUNDED, nothing),
        key < ids.mint(prefix, quarter.ends + 2 * _ROUNDED, nothing),
        at >= quarter.begins,
        at < quarter.ends,
    )
