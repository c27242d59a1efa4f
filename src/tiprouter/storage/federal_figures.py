"""How many signals, cases, referrals, reports and referral partners are there in a period?

1. Somebody was told when a delivery to them ended as delivered; recalls and answers to questions tell of nothing new.
2. Of one record one agency is told for the first time once: what follows in that matter is not counted again, whenever
   it arrives.
3. A tip or a case counts once for a kind of agency, however many of its agencies were first told in the period.

Not promised: that it is quick; first arrivals are looked for among all that arrived before the period ended.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.federal_report import Figure
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import RecipientKind, RecordKind
from tiprouter.storage.tables import deliveries, disclosures, recipients, records

_PROVIDER = RecipientKind.SERVICE_PROVIDER


def counted(tx: Connection, since: datetime, until: datetime) -> dict[Figure, int]:
    """Every figure for [since, until)."""
    told = _told(tx, since, until)
    nobody = (0, 0)
    return {
        Figure.SIGNALS: _accepted(tx, RecordKind.TIP, since, until),
        Figure.CASES: _accepted(tx, RecordKind.CASE, since, until),
        Figure.REFERRALS: told.get(_PROVIDER, nobody)[0],
        Figure.REFERRED: told.get(_PROVIDER, nobody)[1],
        Figure.TO_LAW_ENFORCEMENT: told.get(RecipientKind.LAW_ENFORCEMENT, nobody)[1],
        Figure.TO_CHILD_WELFARE: told.get(RecipientKind.CHILD_PROTECTION, nobody)[1],
        Figure.PARTNERS_ADDED: _partners(tx, recipients.c.registered_at >= since, recipients.c.registered_at < until),
        Figure.PARTNERS: _partners(tx, recipients.c.registered_at < until),
    }


def _accepted(tx: Connection, kind: RecordKind, since: datetime, until: datetime) -> int:
    query = sa.select(sa.func.count()).where(
        records.c.kind == kind, records.c.accepted_at >= since, records.c.accepted_at < until
    )
    return tx.execute(query).scalar_one()


def _partners(tx: Connection, *which: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count()).select_from(recipients).where(recipients.c.kind == _PROVIDER, *which)
    return tx.execute(query).scalar_one()


def _told(tx: Connection, since: datetime, until: datetime) -> dict[RecipientKind, tuple[int, int]]:
    """By kind: how often an agency was first told of a record, and of how many records (rules 1-3)."""
    first = (
        sa.select(disclosures.c.record_id, disclosures.c.recipient_id)
        .join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        .where(
            deliveries.c.state == DeliveryState.DELIVERED,
            deliveries.c.finished_at < until,
            disclosures.c.recalls.is_(None),
            disclosures.c.answers.is_(None),
        )
        .group_by(disclosures.c.record_id, disclosures.c.recipient_id)
        .having(sa.func.min(deliveries.c.finished_at) >= since)
        .subquery()
    )
    query = (
        sa.select(recipients.c.kind, sa.func.count(), sa.func.count(first.c.record_id.distinct()))
        .join(first, first.c.recipient_id == recipients.c.id)
        .group_by(recipients.c.kind)
    )
    return {RecipientKind(kind): (times, of_records) for kind, times, of_records in tx.execute(query)}
