"""How is it told what was decided about whom?

A person's `ref` is the hotline's own name, so it is told only to those who may read the record itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.outcome import Notice
from tiprouter.domain.vocabulary import Category, Outcome, RecipientKind
from tiprouter.storage.decisions import Decision


@dataclass(frozen=True, slots=True)
class Names:
    """Persons' refs by record and person id, and recipients' kinds by id."""

    refs: Mapping[tuple[str, str], str]
    kinds: Mapping[str, RecipientKind]


class PersonName(Message):
    """A person: the hotline's own name for them (null once the record no longer names them), and the router's."""

    ref: str | None
    id: str


class RecipientName(Message):
    """A recipient and what sort of agency it is."""

    id: str
    kind: RecipientKind


class ObligationsBody(Message):
    """What a decision obliges people to: what no webhook does for them.

    Whether the person is to be told, whether the law wants a telephone call, and by when a written report.
    """

    notify_subject: Notice
    telephone_call: bool
    written_report_by: Moment | None


class OutcomeBody(Message):
    """What stands for one person toward one recipient; no recipient when a duty found none."""

    decision: str
    record: str
    person: PersonName
    recipient: RecipientName | None
    outcome: Outcome
    categories: tuple[Category, ...]
    policies: tuple[str, ...]
    review: bool
    deadline: Moment | None
    obligations: ObligationsBody

    @classmethod
    def of(cls, decision: Decision, names: Names) -> Self:
        """A decision, with the words for its person and recipient."""
        return cls(
            decision=decision.id,
            record=decision.record_id,
            person=PersonName(ref=names.refs.get((decision.record_id, decision.person_id)), id=decision.person_id),
            recipient=recipient_name(decision, names),
            outcome=decision.outcome,
            categories=tuple(Category(one) for one in decision.categories),
            policies=decision.policies,
            review=decision.review,
            deadline=decision.deadline,
            obligations=obligations_of(decision),
        )


def recipient_name(decision: Decision, names: Names) -> RecipientName | None:
    """The recipient a decision is about, if it found one."""
    if decision.recipient_id is None:
        return None
    return RecipientName(id=decision.recipient_id, kind=names.kinds[decision.recipient_id])


def obligations_of(decision: Decision) -> ObligationsBody:
    """What a decision obliges people to."""
    return ObligationsBody(
        notify_subject=Notice(decision.notice),
        telephone_call=decision.call,
        written_report_by=decision.written_by,
    )


def outcomes_of(decisions: Iterable[Decision], names: Names) -> tuple[OutcomeBody, ...]:
    """Several decisions."""
    return tuple(OutcomeBody.of(decision, names) for decision in decisions)
