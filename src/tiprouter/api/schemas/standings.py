"""How is a record told as it stands?

1. The answer to a write says what was decided, and which statements (by position) each recipient is not told.
2. A single read adds the record as it was accepted; a list names records without what people said or are.
"""

from collections.abc import Sequence

from tiprouter.api.schemas.outcomes import Names, OutcomeBody, PersonName, outcomes_of
from tiprouter.api.schemas.records import CaseBody, TipBody
from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.storage.decisions import Decision
from tiprouter.storage.records import Stored
from tiprouter.workflow.intake import Accepted


class LeftOut(Message):
    """Statements, by position, that this recipient is not told."""

    recipient: str
    statements: tuple[int, ...]


class StandingBody(Message):
    """A record by its ids, and the outcomes that stand about it; `case_id` is null for a tip."""

    id: str
    kind: RecordKind
    case_id: str | None
    revision: int
    received_at: Moment
    accepted_at: Moment
    persons: tuple[PersonName, ...]
    outcomes: tuple[OutcomeBody, ...]


class AcceptedBody(StandingBody):
    """The answer to a tip or case record: durable, decided, logged."""

    left_out: tuple[LeftOut, ...]


class TipStanding(StandingBody):
    """A tip with everything it holds."""

    record: TipBody


class CaseStanding(StandingBody):
    """A case record with everything its current revision holds."""

    record: CaseBody


class StandingList(Message):
    """A page of records."""

    items: tuple[StandingBody, ...]


def standing(stored: Stored, decisions: Sequence[Decision], names: Names) -> StandingBody:
    """A record without what people said or are."""
    return StandingBody(
        id=stored.id,
        kind=stored.kind,
        case_id=stored.record.external_id if stored.kind is RecordKind.CASE else None,
        revision=stored.revision,
        received_at=stored.record.received_at,
        accepted_at=stored.accepted_at,
        persons=_persons(stored),
        outcomes=outcomes_of(decisions, names),
    )


def accepted(done: Accepted, names: Names) -> AcceptedBody:
    """The answer to a write (rule 1)."""
    told = standing(done.stored, done.assessed.decisions, names)
    left_out = done.assessed.left_out.items()
    return AcceptedBody(
        **dict(told),
        left_out=tuple(LeftOut(recipient=who, statements=which) for who, which in left_out if which),
    )


def _persons(stored: Stored) -> tuple[PersonName, ...]:
    return tuple(
        PersonName(ref=person.ref, id=person_id)
        for person, person_id in zip(stored.record.persons, stored.persons, strict=True)
    )


def whole(stored: Stored, decisions: Sequence[Decision], names: Names) -> TipStanding | CaseStanding:
    """A record with everything it holds (rule 2)."""
    told = dict(standing(stored, decisions, names))
    if stored.kind is RecordKind.CASE:
        return CaseStanding(**told, record=CaseBody.of(stored.record))
    return TipStanding(**told, record=TipBody.of(stored.record))
