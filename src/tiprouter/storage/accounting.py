"""What was disclosed about one person, and until when does their copy of it leave whom out?

1. What was sent is read off deliveries, what people said or wrote for a duty off the calls that reached somebody and
   the letters. A call that nobody answered told nobody.
2. All of it is what erasure leaves: disclosures, recalls, deliveries, attempts, decisions, duties, calls and letters
   are ids, times and closed vocabulary once their words are gone, and are kept. Nothing here ever held content.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.discharge import CallOutcome
from tiprouter.domain.vocabulary import AttemptKind, Outcome, RecipientKind, StatementForm
from tiprouter.storage.duties_table import duties, duty_calls, duty_letters
from tiprouter.storage.subjects_table import appearances, suspensions
from tiprouter.storage.tables import attempts, decisions, deliveries, disclosures
from tiprouter.storage.vault import Place, Vault


@unique
class Event(StrEnum):
    """In which way somebody was told."""

    DISCLOSURE = "disclosure"
    RECALL = "recall"
    CALL = "call"
    LETTER = "letter"


@dataclass(frozen=True, slots=True)
class Told:
    """A disclosure or a recall that was on its way, or a call or letter for a duty. `at` is when it first was.

    `state` is where a disclosure's delivery is. A call or letter to another agency than the duty's own has no recipient
    that is registered: `kind` and `place` say whom it was to.
    """

    id: str
    recalls: str | None
    recipient_id: str | None
    at: datetime
    state: str | None
    decisions: tuple[str, ...]
    event: Event = Event.DISCLOSURE
    kind: RecipientKind | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Because:
    """A decision as the accounting tells it."""

    id: str
    outcome: str
    categories: tuple[str, ...]
    policies: tuple[str, ...]
    bundle: str


@dataclass(frozen=True, slots=True)
class Suspension:
    """Until when a person's copy leaves a recipient out, and in which form that was asked for."""

    id: str
    person_id: str
    recipient_id: str
    form: StatementForm
    until: datetime
    made_by: str
    made_at: datetime


def told(tx: Connection, person_id: str, since: datetime) -> list[Told]:
    """What was on its way about this person's records from a moment on, oldest first; recalls among it."""
    mine = sa.select(appearances.c.record_id).where(appearances.c.person_id == person_id)
    first = sa.func.min(attempts.c.started_at).label("at")
    query = (
        sa.select(
            disclosures.c.id,
            disclosures.c.recalls,
            disclosures.c.recipient_id,
            disclosures.c.decisions,
            deliveries.c.state,
            first,
        )
        .join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        .join(attempts, attempts.c.delivery_id == deliveries.c.id)
        .where(disclosures.c.record_id.in_(mine), attempts.c.kind != AttemptKind.ANNOUNCE)
        .group_by(disclosures.c.id, deliveries.c.id)
        .order_by(first, disclosures.c.id)
    )
    found = (
        Told(row.id, row.recalls, row.recipient_id, row.at, row.state, tuple(row.decisions), _sent(row.recalls))
        for row in tx.execute(query)
    )
    return [one for one in found if one.at >= since]


def spoken(tx: Connection, person_id: str, since: datetime) -> list[Told]:
    """The calls that reached somebody and the letters for duties about this person, from a moment on, oldest first."""
    since_then = [
        _SPOKEN[Event.CALL].where(duty_calls.c.called_at >= since),
        _SPOKEN[Event.LETTER].where(duty_letters.c.sent_at >= since),
    ]
    rows = [row for query in since_then for row in tx.execute(query.where(duties.c.person_id == person_id))]
    return sorted((_spoken(tx, row) for row in rows), key=lambda one: (one.at, one.id))


def spoken_as(tx: Connection, evidence_id: str) -> Told | None:
    """One call or letter by its id, as `spoken` tells it."""
    for event, table in ((Event.CALL, duty_calls), (Event.LETTER, duty_letters)):
        row = tx.execute(_SPOKEN[event].where(table.c.id == evidence_id)).one_or_none()
        if row is not None:
            return _spoken(tx, row)
    return None


def _said(event: Event, table: sa.Table, at: sa.Column[Any]) -> sa.Select[Any]:
    about = [duties.c[name] for name in ("record_id", "person_id", "recipient_id", "decision_id")]
    told = [table.c[name] for name in ("id", "kind", "place", "made_at")]
    query = sa.select(sa.literal(event.value).label("event"), at.label("at"), *told, *about)
    return query.join(duties, duties.c.id == table.c.duty_id)


_SPOKEN: Final = {
    Event.CALL: _said(Event.CALL, duty_calls, duty_calls.c.called_at).where(
        duty_calls.c.outcome == CallOutcome.REACHED
    ),
    Event.LETTER: _said(Event.LETTER, duty_letters, duty_letters.c.sent_at),
}


def _spoken(tx: Connection, row: Any) -> Told:  # noqa: ANN401 - a SQLAlchemy row
    """A call or letter, and the decision that owed the duty when it was recorded."""
    query = (
        sa.select(decisions.c.id)
        .where(
            decisions.c.record_id == row.record_id,
            decisions.c.person_id == row.person_id,
            decisions.c.recipient_id.is_not_distinct_from(row.recipient_id),
            decisions.c.decided_at <= row.made_at,
            decisions.c.outcome.in_((Outcome.REPORT, Outcome.DUTY_BLOCKED)),
        )
        .order_by(decisions.c.decided_at.desc(), decisions.c.id.desc())
        .limit(1)
    )
    return Told(
        id=row.id,
        recalls=None,
        recipient_id=row.recipient_id if row.kind is None else None,
        at=row.at,
        state=None,
        decisions=(tx.execute(query).scalar_one_or_none() or row.decision_id,),
        event=Event(row.event),
        kind=None if row.kind is None else RecipientKind(row.kind),
        place=row.place or None,
    )


def _sent(recalls: str | None) -> Event:
    return Event.DISCLOSURE if recalls is None else Event.RECALL


def because(tx: Connection, person_id: str) -> dict[str, Because]:
    """Every decision about this person that let something leave, or that people report by hand, by id."""
    mine = sa.select(appearances.c.record_id).where(appearances.c.person_id == person_id)
    columns = (
        decisions.c.id,
        decisions.c.outcome,
        decisions.c.categories,
        decisions.c.policies,
        decisions.c.bundle,
    )
    query = sa.select(*columns).where(decisions.c.record_id.in_(mine), decisions.c.person_id == person_id)
    return {
        row.id: Because(row.id, row.outcome, tuple(row.categories), tuple(row.policies), row.bundle)
        for row in tx.execute(query)
        if row.categories or row.outcome == Outcome.DUTY_BLOCKED
    }


def decisions_of(tx: Connection, disclosure_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The decisions that each disclosure rested on."""
    query = sa.select(disclosures.c.id, disclosures.c.decisions).where(disclosures.c.id.in_(disclosure_ids))
    return {row.id: tuple(row.decisions) for row in tx.execute(query)}


def suspend(tx: Connection, vault: Vault, suspension: Suspension, asked_by: str) -> None:
    """Store a suspension; who asked is sealed under a key of its own, which outlives the person's."""
    key = vault.create(tx, suspension.id, suspension.made_at)
    sealed = key.seal(asked_by.encode(), Place("suspensions", suspension.id, "sealed"), vault.nonce())
    row = {name: getattr(suspension, name) for name in Suspension.__slots__}
    tx.execute(suspensions.insert(), row | {"sealed": sealed})


def suspended(tx: Connection, person_id: str, now: datetime) -> dict[str, datetime]:
    """The recipients that are left out now, and until when."""
    query = sa.select(suspensions.c.recipient_id, sa.func.max(suspensions.c.until).label("until")).where(
        suspensions.c.person_id == person_id, suspensions.c.until > now
    )
    rows = tx.execute(query.group_by(suspensions.c.recipient_id))
    return {row.recipient_id: row.until for row in rows}
