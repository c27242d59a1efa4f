"""Which held decisions wait for a human, who has them, and what was answered?

A row is never taken away. Rows of a record are written only while the record itself is held, so that whoever decides
about the record and whoever answers a review of it never overtake each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.states import UNANSWERED, ReviewState
from tiprouter.domain.vocabulary import Establishable, Outcome, ReviewAnswer, Urgency
from tiprouter.storage.codec import from_bytes, to_bytes
from tiprouter.storage.columns import Moment, named_in
from tiprouter.storage.reviews_table import established, reviews
from tiprouter.storage.tables import decisions, records
from tiprouter.storage.vault import Place, Vault

_WAITING = tuple(sorted(UNANSWERED))
_STANDING = (ReviewAnswer.RELEASE, ReviewAnswer.WITHHOLD)
_ORDER = (reviews.c.urgency, reviews.c.deadline, reviews.c.id)
_ADD: Final = reviews.insert()
_OF_RECORD: Final = (
    sa.select(reviews)
    .where(
        reviews.c.record_id == sa.bindparam("record"),
        sa.or_(
            reviews.c.state.in_(_WAITING),
            sa.and_(reviews.c.state == ReviewState.DECIDED, reviews.c.answer.in_(_STANDING)),
        ),
    )
    .order_by(reviews.c.id)
)
_FINDINGS: Final = (
    sa.select(established)
    .where(established.c.record_id == sa.bindparam("record"))
    .order_by(established.c.established_at, established.c.id)
)
_SOME: Final = sa.select(reviews).where(named_in(reviews.c.id, "which"))
_WARN: Final = (
    reviews.update().where(reviews.c.id == sa.bindparam("which")).values(warn_at=sa.bindparam("at", type_=Moment))
)
_EARLIER: Final = reviews.alias()
_AFTER: Final = sa.select(reviews.c.id).where(
    named_in(reviews.c.id, "which"),
    sa.exists().where(
        _EARLIER.c.record_id == reviews.c.record_id,
        _EARLIER.c.state.in_(_WAITING),
        _EARLIER.c.deadline <= sa.bindparam("now", type_=Moment),
        _EARLIER.c.id < reviews.c.id,
    ),
)


@dataclass(frozen=True, slots=True)
class Held:
    """The review of one held decision; `about` is a digest of what it is about."""

    id: str
    decision_id: str
    record_id: str
    person_id: str
    recipient_id: str
    state: ReviewState
    urgency: Urgency
    about: str
    deadline: datetime
    warn_at: datetime | None
    opened_at: datetime
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    answer: ReviewAnswer | None = None
    categories: tuple[str, ...] = ()
    decided_by: str | None = None
    decided_at: datetime | None = None
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rationale:
    """Why a reviewer answered so, and the salt (hex) of its commitment in the log."""

    text: str
    salt: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A fact that a reviewer established about a person of a record; a duty's names its recipient."""

    id: str
    record_id: str
    person_id: str
    recipient_id: str | None
    fact: Establishable
    value: str
    review_id: str
    established_by: str
    established_at: datetime


def add(tx: Connection, opened: Sequence[Held]) -> None:
    """Open reviews."""
    if opened:
        tx.execute(_ADD, [_row(held) for held in opened])


def change(tx: Connection, review_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one review."""
    tx.execute(reviews.update().where(reviews.c.id == review_id).values(**values))


def warn(tx: Connection, when: Mapping[str, datetime | None]) -> None:
    """Set when somebody is to be told of each of these reviews next; None for never."""
    if when:
        tx.execute(_WARN, [{"which": review_id, "at": at} for review_id, at in when.items()])


def load(tx: Connection, review_id: str) -> Held | None:
    """One review, or None."""
    row = tx.execute(sa.select(reviews).where(reviews.c.id == review_id)).one_or_none()
    return None if row is None else _held(row)


def standing(tx: Connection, record_id: str) -> list[Held]:
    """The reviews of a record that wait, and those whose answers may still stand, oldest first."""
    return [_held(row) for row in tx.execute(_OF_RECORD, {"record": record_id})]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which reviews a question is about: those in a state (those that wait), due by a moment (ever)."""

    state: ReviewState | None = None
    due: datetime | None = None


def page(tx: Connection, wanted: Filter, after: str | None, limit: int) -> list[Held]:
    """Reviews that match, imminent danger first, then the earliest deadline; below `after`."""
    states = _WAITING if wanted.state is None else (wanted.state,)
    query = sa.select(reviews).where(reviews.c.state.in_(states)).order_by(*_ORDER).limit(limit)
    if wanted.due is not None:
        query = query.where(reviews.c.deadline <= wanted.due)
    if after is not None:
        last = tx.execute(sa.select(*_ORDER).where(reviews.c.id == after)).one_or_none()
        if last is None:
            return []
        query = query.where(
            sa.or_(
                reviews.c.urgency > last.urgency,
                sa.and_(reviews.c.urgency == last.urgency, reviews.c.deadline > last.deadline),
                sa.and_(reviews.c.urgency == last.urgency, reviews.c.deadline == last.deadline, reviews.c.id > last.id),
            )
        )
    return [_held(row) for row in tx.execute(query)]


def late(tx: Connection, now: datetime, limit: int) -> list[Held]:
    """Reviews of which a human must be told now; on PostgreSQL those whose records nobody else holds."""
    query = (
        sa.select(reviews)
        .join(records, records.c.id == reviews.c.record_id)
        .where(reviews.c.warn_at.is_not(None), reviews.c.warn_at <= now)
        .order_by(reviews.c.warn_at)
        .limit(limit)
    )
    return [
        _held(row) for row in tx.execute(query.with_for_update(of=[records, reviews], key_share=True, skip_locked=True))
    ]


def imminent(tx: Connection, record_id: str) -> list[Held]:
    """The reviews of a record without which nothing leaves, and that wait in the lane of imminent danger."""
    query = (
        sa.select(reviews)
        .join(decisions, decisions.c.id == reviews.c.decision_id)
        .where(reviews.c.record_id == record_id, reviews.c.state.in_(_WAITING))
        .where(reviews.c.urgency == Urgency.IMMINENT, decisions.c.outcome == Outcome.HOLD_REVIEW)
    )
    return [_held(row) for row in tx.execute(query)]


def some(tx: Connection, review_ids: Sequence[str]) -> dict[str, Held]:
    """Reviews by id."""
    return {row.id: _held(row) for row in tx.execute(_SOME, {"which": review_ids})}


def overdue_after(tx: Connection, review_ids: Sequence[str], now: datetime) -> set[str]:
    """Which of these come after an overdue review of the same record: telling of that one tells of both."""
    return set(tx.execute(_AFTER, {"which": review_ids, "now": now}).scalars())


def explain(tx: Connection, vault: Vault, held: Held, rationale: Rationale) -> None:
    """Store why it was answered so, sealed under the record's key."""
    sealed = vault.key(tx, held.record_id).seal(to_bytes(rationale), _place(held.id), vault.nonce())
    change(tx, held.id, sealed=sealed)


def rationale(tx: Connection, vault: Vault, held: Held) -> Rationale | None:
    """Why it was answered so, if it was. Raises `SealError` when the record's key is gone."""
    sealed = tx.execute(sa.select(reviews.c.sealed).where(reviews.c.id == held.id)).scalar_one()
    return (
        None if sealed is None else from_bytes(Rationale, vault.key(tx, held.record_id).open(sealed, _place(held.id)))
    )


def establish(tx: Connection, finding: Finding) -> None:
    """Store what a reviewer established."""
    tx.execute(established.insert(), {name: getattr(finding, name) for name in Finding.__slots__})


def findings(tx: Connection, record_id: str) -> list[Finding]:
    """Everything that was established about a record, first to last."""
    return [
        Finding(**{**row, "fact": Establishable(row["fact"])})
        for row in tx.execute(_FINDINGS, {"record": record_id}).mappings()
    ]


def _row(held: Held) -> dict[str, Any]:
    return {name: getattr(held, name) for name in Held.__slots__} | {"categories": list(held.categories)}


def _held(row: Any) -> Held:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in Held.__slots__}
    return Held(
        **values
        | {
            "state": ReviewState(row.state),
            "urgency": Urgency(row.urgency),
            "answer": None if row.answer is None else ReviewAnswer(row.answer),
            "categories": tuple(row.categories),
        }
    )


def _place(review_id: str) -> Place:
    return Place("reviews", review_id, "sealed")
