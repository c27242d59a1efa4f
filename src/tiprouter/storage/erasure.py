"""What may not be erased now, where does what must go stand, and how is it made unreadable?

1. A legal hold, a duty that is still owed, and a delivery that somebody must still get keep a record (`keeps`).
2. Erasing a whole record destroys its data key and empties every sealed column of it. Both: a key may live on in a copy
   of the database, a value in another.
3. Taking one person out renews the data key. What is labelled with others alone is sealed anew; everything else,
   earlier revisions and what nobody labelled included, is emptied, and the old key is gone.
4. `SEALED` names every sealed column that belongs to a record; a test holds it equal to the schema.
5. Digests of what is gone go with it: a guess could be tested against them. Ids, times, states, decisions with their
   facts, and the log stay.
6. What the accounting of an erased record counts from stands in the place of what its retention did (`whole`).

Not promised: that a backup, a replica or the database's own journal from before forgets. Destroying those is the
operator's (docs/operations.md).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.disclosure_states import DisclosureEvent
from tiprouter.domain.states import FETCHABLE, OWING
from tiprouter.domain.vocabulary import Outcome, RecordKind
from tiprouter.storage.disclosures import moving
from tiprouter.storage.duties_table import duties, duty_calls, duty_letters, duty_requests
from tiprouter.storage.grants_table import grants
from tiprouter.storage.questions_table import questions
from tiprouter.storage.recovery_table import retries
from tiprouter.storage.reviews_table import reviews
from tiprouter.storage.subjects_table import appearances, holds, subject_notices
from tiprouter.storage.tables import (
    acknowledgements,
    answers,
    attempts,
    decisions,
    deliveries,
    disclosures,
    persons,
    records,
    revisions,
)
from tiprouter.storage.vault import Place, Vault

GONE: Final = "0" * 64
"""In the place of a digest."""

_UNENDED: Final = tuple(sorted(FETCHABLE))
_OWING: Final = tuple(sorted(OWING))
_WAITS: Final = (Outcome.HOLD_REVIEW, Outcome.HOLD_ERROR, Outcome.DUTY_BLOCKED)


@unique
class Keeps(StrEnum):
    """Why a record may not be erased now."""

    HELD = "a legal hold"
    OWED = "a duty that is still owed"
    UNDER_WAY = "a delivery under way"


Where = Callable[[str], sa.ColumnElement[bool]]
Others = Callable[[str, Collection[str]], sa.ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed column of a record: which rows are the record's, and which of those are about others alone.

    `others` is asked with the person who is erased and the disclosures that are about them; None: nobody labelled it.
    """

    table: sa.Table
    mine: Where
    others: Others | None = None
    digests: tuple[str, ...] = ()


def _of_disclosure(table: sa.Table) -> Where:
    return lambda record: table.c.disclosure_id.in_(
        sa.select(disclosures.c.id).where(disclosures.c.record_id == record)
    )


def _of_duty(table: sa.Table) -> Where:
    return lambda record: table.c.duty_id.in_(sa.select(duties.c.id).where(duties.c.record_id == record))


def _duty_of_others(table: sa.Table) -> Others:
    return lambda person, _: table.c.duty_id.in_(sa.select(duties.c.id).where(duties.c.person_id != person))


SEALED: Final = (
    Sealed(revisions, lambda record: revisions.c.record_id == record),
    Sealed(
        disclosures,
        lambda record: disclosures.c.record_id == record,
        lambda _, theirs: disclosures.c.id.not_in(theirs),
        digests=("digest", "content_digest"),
    ),
    Sealed(
        acknowledgements,
        _of_disclosure(acknowledgements),
        lambda _, theirs: acknowledgements.c.disclosure_id.not_in(theirs),
    ),
    Sealed(
        attempts,
        lambda record: attempts.c.delivery_id.in_(sa.select(deliveries.c.id).where(deliveries.c.record_id == record)),
    ),
    Sealed(answers, lambda record: answers.c.owner == record, digests=("request_digest",)),
    Sealed(reviews, lambda record: reviews.c.record_id == record, lambda person, _: reviews.c.person_id != person),
    Sealed(duty_calls, _of_duty(duty_calls), _duty_of_others(duty_calls)),
    Sealed(duty_letters, _of_duty(duty_letters), _duty_of_others(duty_letters)),
    Sealed(duty_requests, _of_duty(duty_requests), _duty_of_others(duty_requests)),
    Sealed(holds, lambda record: holds.c.record_id == record),
    Sealed(retries, lambda record: retries.c.record_id == record),
    Sealed(grants, lambda record: grants.c.record_id == record),
    Sealed(
        questions,
        lambda record: questions.c.record_id == record,
        lambda _, theirs: questions.c.carried_by.not_in(theirs),
    ),
    Sealed(
        subject_notices,
        lambda record: subject_notices.c.record_id == record,
        lambda person, _: subject_notices.c.person_id != person,
    ),
)


def keeps(tx: Connection, record_id: str) -> tuple[Keeps, ...]:
    """Why a record may not be erased now (rule 1); the record is locked by now."""
    held = sa.exists().where(holds.c.record_id == record_id, holds.c.released_at.is_(None))
    owed = sa.exists().where(duties.c.record_id == record_id, duties.c.current, duties.c.phase.in_(_OWING))
    found = [(Keeps.HELD, held), (Keeps.OWED, owed)]
    kept = [why for why, there in found if tx.execute(sa.select(there)).scalar_one()]
    return (*kept, Keeps.UNDER_WAY) if _under_way(tx, record_id) else tuple(kept)


def _under_way(tx: Connection, record_id: str) -> bool:
    """Whether an attempt is being made, a recall has not arrived, or a report that nobody's consent carries waits."""
    query = (
        sa.select(deliveries.c.lease, deliveries.c.state, disclosures.c.recalls, disclosures.c.decisions)
        .join(disclosures, disclosures.c.id == deliveries.c.disclosure_id)
        .where(deliveries.c.record_id == record_id)
        .where(sa.or_(deliveries.c.lease.is_not(None), deliveries.c.state.in_(_UNENDED)))
    )
    because: list[str] = []
    for row in tx.execute(query):
        if row.lease is not None or row.recalls is not None:
            return True
        because.extend(row.decisions)
    reports = sa.select(decisions.c.id).where(decisions.c.id.in_(because), decisions.c.outcome == Outcome.REPORT)
    return tx.execute(reports.limit(1)).first() is not None


def hold_all(tx: Connection, person_ids: Collection[str], record_ids: Collection[str]) -> None:
    """On PostgreSQL, keep others from these persons' consents and these records until this story commits, in order."""
    for table, ids in ((persons, person_ids), (records, record_ids)):
        query = sa.select(table.c.id).where(table.c.id.in_(sorted(ids))).order_by(table.c.id)
        tx.execute(query.with_for_update(key_share=True)).all()


def records_with(tx: Connection, person_id: str) -> list[str]:
    """The records, not erased, of which any revision ever named this person."""
    query = sa.select(appearances.c.record_id).join(records, records.c.id == appearances.c.record_id)
    query = query.where(
        appearances.c.person_id == person_id, appearances.c.erased_at.is_(None), records.c.erased_at.is_(None)
    )
    return sorted(tx.execute(query).scalars())


def appears(tx: Connection, record_id: str, person_id: str) -> bool:
    """Whether this record was not erased, and this person not out of it."""
    query = sa.select(records.c.id).join(appearances, records.c.id == appearances.c.record_id)
    named = (records.c.id == record_id, appearances.c.person_id == person_id)
    kept = (appearances.c.erased_at.is_(None), records.c.erased_at.is_(None))
    return tx.execute(query.where(*named, *kept)).first() is not None


def persons_in(tx: Connection, record_ids: Collection[str]) -> list[str]:
    """The persons whom any revision of these records ever named."""
    query = sa.select(appearances.c.person_id).where(appearances.c.record_id.in_(record_ids)).distinct()
    return sorted(tx.execute(query).scalars())


def erased_at(tx: Connection, record_id: str) -> datetime | None:
    """When a record was erased, or None."""
    query = sa.select(records.c.erased_at).where(records.c.id == record_id)
    moment: datetime | None = tx.execute(query).scalar_one_or_none()
    return moment


def unended(tx: Connection, record_id: str) -> list[str]:
    """The disclosures of a record whose deliveries have not ended."""
    query = sa.select(deliveries.c.disclosure_id).where(
        deliveries.c.record_id == record_id, deliveries.c.state.in_(_UNENDED)
    )
    return sorted(tx.execute(query).scalars())


def about_person(tx: Connection, record_id: str, person_id: str) -> list[str]:
    """The disclosures of a record that tell of this person; recalls tell of nobody."""
    theirs = sa.select(decisions.c.id).where(decisions.c.record_id == record_id, decisions.c.person_id == person_id)
    mine = set(tx.execute(theirs).scalars())
    query = sa.select(disclosures.c.id, disclosures.c.decisions).where(disclosures.c.record_id == record_id)
    return [row.id for row in tx.execute(query) if mine.intersection(row.decisions)]


def whole(tx: Connection, vault: Vault, record_id: str, now: datetime) -> None:
    """Rule 2. Its decisions stand no longer; nothing about it is live, open or looked at again."""
    vault.destroy(tx, record_id, now)
    for sealed in SEALED:
        _empty(tx, sealed, sealed.mine(record_id))
    tx.execute(moving(DisclosureEvent.ERASE).where(disclosures.c.record_id == record_id))
    tx.execute(decisions.update().where(decisions.c.record_id == record_id).values(current=False))
    tx.execute(
        records.update()
        .where(records.c.id == record_id)
        .values(
            erased_at=now,
            aged_from=done_last(tx, record_id) or now,
            open=False,
            due_at=None,
            epoch=records.c.epoch + 1,
        )
    )


def one_of_several(
    tx: Connection, vault: Vault, record_id: str, person_id: str, theirs: Collection[str], now: datetime
) -> None:
    """Rule 3: all but the next revision, which is stored under the new key right after this."""
    old = vault.key(tx, record_id)
    kept = [(sealed, row) for sealed in SEALED for row in _about_others(tx, sealed, record_id, person_id, theirs)]
    opened = [
        (sealed, row, old.opening(row["sealed"], Place(sealed.table.name, row["id"], "sealed"))) for sealed, row in kept
    ]
    new = vault.renew(tx, record_id, now)
    for sealed in SEALED:
        _empty(tx, sealed, sealed.mine(record_id))
    for sealed, row, (salt, plain) in opened:
        again = {name: row[name] for name in sealed.digests}
        again["sealed"] = new.seal(plain, Place(sealed.table.name, row["id"], "sealed"), vault.nonce(), salt)
        tx.execute(sealed.table.update().where(sealed.table.c.id == row["id"]).values(**again))
    named = (appearances.c.record_id == record_id, appearances.c.person_id == person_id)
    tx.execute(appearances.update().where(*named).values(erased_at=now))


def _about_others(
    tx: Connection, sealed: Sealed, record_id: str, person_id: str, theirs: Collection[str]
) -> list[dict[str, Any]]:
    if sealed.others is None:
        return []
    table = sealed.table
    columns = [table.c.id, table.c.sealed, *(table.c[name] for name in sealed.digests)]
    query = sa.select(*columns).where(sealed.mine(record_id), sealed.others(person_id, theirs))
    return [dict(row) for row in tx.execute(query).mappings() if row["sealed"]]


def _empty(tx: Connection, sealed: Sealed, which: sa.ColumnElement[bool]) -> None:
    gone: dict[str, Any] = {"sealed": None if sealed.table.c.sealed.nullable else b""}
    tx.execute(sealed.table.update().where(which).values(**gone | dict.fromkeys(sealed.digests, GONE)))


def empty_answers(tx: Connection, owner: str) -> None:
    """Empty the stored answers of a person."""
    gone = {"sealed": b"", "request_digest": GONE}
    tx.execute(answers.update().where(answers.c.owner == owner).values(**gone))


def aged(tx: Connection, kind: RecordKind, until: datetime, limit: int) -> list[str]:
    """Records of a kind whose retention may be over, the oldest first."""
    query = sa.select(records.c.id).where(
        records.c.erased_at.is_(None), records.c.kind == kind, records.c.aged_from <= until
    )
    return list(tx.execute(query.order_by(records.c.aged_from, records.c.id).limit(limit)).scalars())


def closed(tx: Connection, record_id: str) -> bool:
    """Whether nothing more is to come of a record: a closed case, or a tip that nobody waits for; nothing to send."""
    waits = sa.exists().where(decisions.c.record_id == record_id, decisions.c.current, decisions.c.outcome.in_(_WAITS))
    sends = sa.exists().where(deliveries.c.record_id == record_id, deliveries.c.state.in_(_UNENDED))
    row = tx.execute(
        sa.select(records.c.kind, records.c.open, waits.label("waits"), sends.label("sends")).where(
            records.c.id == record_id
        )
    ).one()
    return not row.sends and (not row.open if row.kind == RecordKind.CASE else not row.waits)


def age_from(tx: Connection, record_id: str, moment: datetime | None) -> None:
    """Count a record's retention from another moment."""
    tx.execute(records.update().where(records.c.id == record_id).values(aged_from=moment))


def counted_from(tx: Connection, record_id: str) -> datetime | None:
    """What a record's retention is counted from."""
    moment: datetime | None = tx.execute(
        sa.select(records.c.aged_from).where(records.c.id == record_id)
    ).scalar_one_or_none()
    return moment


def done_last(tx: Connection, record_id: str) -> datetime | None:
    """When a record was last sent of or decided about, whichever was later; None where neither ever was."""
    tried = sa.select(sa.func.max(attempts.c.started_at)).where(
        attempts.c.delivery_id.in_(sa.select(deliveries.c.id).where(deliveries.c.record_id == record_id))
    )
    decided = sa.select(sa.func.max(decisions.c.decided_at)).where(decisions.c.record_id == record_id)
    moments = [tx.execute(query).scalar_one() for query in (tried, decided)]
    return max((moment for moment in moments if moment is not None), default=None)


LOOK_AGAIN: Final = timedelta(days=1)
"""What must still be kept is looked at again after this."""
