"""How is a disclosure told to those who review and audit? Never with its payload."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import Field

from tiprouter.api.schemas.acknowledgements import SIGNED_BY
from tiprouter.api.schemas.consents import PersonId
from tiprouter.api.schemas.decisions import FactsTold
from tiprouter.api.schemas.places import LogPlace
from tiprouter.api.schemas.policies import PolicyBody, told
from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.lateness import Lateness, lateness_of
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import AcknowledgementStatus, AttemptKind, Category, Outcome, RecipientKind
from tiprouter.storage.acknowledgements import Acknowledgement, Words
from tiprouter.storage.deliveries import Attempt
from tiprouter.storage.disclosures import Listed
from tiprouter.workflow.inquiry import Journey
from tiprouter.workflow.searching import Rows
from tiprouter.workflow.tracing import Reason, Trace


class DeliveryBody(Message):
    """Where a disclosure is on its journey; `id` is the webhook-id."""

    id: str
    state: DeliveryState
    attempts: int
    deadline: Moment
    finished_at: Moment | None


class DisclosureBody(Message):
    """A disclosure, or a recall when `recalls` names what it recalls; `digest` is the SHA-256 of its payload (hex).

    The digest is null for an auditor, who is not told what it is of: a short text can be guessed from it, and it
    outlives erasure. `answers` names the question that it answers, if it answers one. The recipient's kind, the
    lateness and the place in the log are told to the hotline's own and null for an agency.
    """

    id: str
    matter: str
    sequence: int
    record: str
    revision: int
    recipient: str
    recalls: str | None
    answers: str | None
    live: bool
    categories: tuple[Category, ...]
    decisions: tuple[str, ...]
    digest: str | None
    made_at: Moment
    delivery: DeliveryBody
    recipient_kind: RecipientKind | None = None
    lateness: Lateness | None = None
    log: LogPlace | None = None

    @classmethod
    def of(cls, listed: Listed) -> Self:
        """A disclosure beside its delivery."""
        return cls(**_values(listed))

    @classmethod
    def found(cls, listed: Listed, rows: Rows[Listed], *, with_digest: bool) -> Self:
        """A disclosure as the hotline's own see it, out of the page it was found on."""
        made, state = listed.disclosure, DeliveryState(listed.state)
        return cls(
            **_values(listed) | ({} if with_digest else {"digest": None}),
            recipient_kind=rows.kinds.get(made.recipient_id),
            lateness=lateness_of(state, listed.deadline, listed.finished_at, rows.now),
            log=LogPlace.at(rows.indexes.get(made.id)),
        )


COLUMNS: Final = (
    "id",
    "matter",
    "sequence",
    "record",
    "revision",
    "recipient",
    "recipient_kind",
    "recalls",
    "answers",
    "live",
    "categories",
    "decisions",
    "digest",
    "made_at",
    "delivery.id",
    "delivery.state",
    "delivery.attempts",
    "delivery.deadline",
    "delivery.finished_at",
    "lateness",
    "log.index",
    "log.proof",
)
"""Of a row of CSV."""


class DisclosureList(Message):
    """A page of disclosures."""

    items: tuple[DisclosureBody, ...]


class AttemptBody(Message):
    """One HTTP request: ours with the payload, ours with ids alone, or the agency's own from its inbox.

    An attempt without an end is in flight, or its process died. Its place in the log is null for an agency.
    """

    id: str
    number: int
    kind: AttemptKind
    started_at: Moment
    finished_at: Moment | None
    result: str | None
    status: int | None
    log: LogPlace | None = None

    @classmethod
    def of(cls, attempt: Attempt, index: int | None = None) -> Self:
        """An attempt; `index` is that of the entry of its start."""
        values = {name: getattr(attempt, name) for name in Attempt.__slots__ if name != "delivery_id"}
        return cls(**values, log=LogPlace.at(index))


class Said(Message):
    """That a recipient answered, and how. Its words are for itself and the reviewer: null for the auditor.

    Its place in the log is null for an agency.
    """

    id: str
    status: AcknowledgementStatus
    made_at: Moment
    case_number: str | None
    reason: str | None
    question: str | None
    signed_by: Annotated[str | None, Field(description=SIGNED_BY)]
    log: LogPlace | None = None


class BecauseBody(Message):
    """One of a disclosure's decisions: whom it is about, what it permitted, and the policies that determined it.

    `facts` are what the policy saw, as the decision itself tells them; null when they could not be derived.
    """

    decision: str
    person: PersonId
    outcome: Outcome
    categories: tuple[Category, ...]
    policies: tuple[PolicyBody, ...]
    facts: FactsTold | None
    bundle: str
    decided_at: Moment
    log: LogPlace | None

    @classmethod
    def of(cls, reason: Reason, index: int | None) -> Self:
        """A decision with its policies."""
        made = reason.decision
        return cls(
            decision=made.id,
            person=PersonId(id=made.person_id),
            outcome=made.outcome,
            categories=tuple(Category(one) for one in made.categories),
            policies=tuple(told(name, reason.notes.get(name)) for name in made.policies),
            facts=None if made.facts is None else dict(made.facts),
            bundle=made.bundle,
            decided_at=made.decided_at,
            log=LogPlace.at(index),
        )


class OpeningBody(Message):
    """What opens the commitment of one entry of the log, as SD-JWT spells a disclosure (RFC 9901 section 4.2.1).

    `opening` is null for what nobody can open any more.
    """

    log: LogPlace
    opening: str | None

    @classmethod
    def of(cls, index: int, opening: str | None) -> Self:
        """One entry's."""
        return cls(log=LogPlace(index=index, proof=LogPlace.proof_of(index)), opening=opening)


class DisclosureJourney(DisclosureBody):
    """A disclosure, every attempt to deliver it, and what its recipient said of it.

    The hotline's own are also told why, which fields were sent (by name, never by value; null once erased), and what
    recalled it; for an agency those are null. So is `openings` unless a grant was named.
    """

    attempts: tuple[AttemptBody, ...]
    acknowledgements: tuple[Said, ...]
    because: tuple[BecauseBody, ...] | None = None
    sent: tuple[str, ...] | None = None
    recalled_by: tuple[DisclosureBody, ...] | None = None
    openings: tuple[OpeningBody, ...] | None = None


def journey(found: Journey) -> DisclosureJourney:
    """One disclosure, as its recipient sees it: with what it wrote itself."""
    return DisclosureJourney(**_values(found.listed), **_travelled(found, {}, with_words=True))


def whole_journey(found: Trace, *, with_words: bool) -> DisclosureJourney:
    """One disclosure from end to end.

    `with_words` shows what the recipient wrote, which may name people, and the payloads' digests.
    """
    opened = found.openings
    itself, *recalls = (DisclosureBody.found(one, found.around, with_digest=with_words) for one in found.around.rows)
    return DisclosureJourney(
        **dict(itself),
        **_travelled(found.journey, found.entries, with_words=with_words),
        because=tuple(BecauseBody.of(one, found.entries.get(one.decision.id)) for one in found.reasons),
        sent=found.sent,
        recalled_by=tuple(recalls),
        openings=None if opened is None else tuple(OpeningBody.of(*one) for one in opened.items()),
    )


def _travelled(found: Journey, entries: Mapping[str, int], *, with_words: bool) -> dict[str, Any]:
    said = ((one, entries.get(one.id)) for one in found.acknowledgements)
    return {
        "attempts": tuple(AttemptBody.of(attempt, entries.get(attempt.id)) for attempt in found.attempts),
        "acknowledgements": tuple(said_of(one, index, with_words=with_words) for one, index in said),
    }


def said_of(made: Acknowledgement, index: int | None, *, with_words: bool) -> Said:
    """What a recipient said; `index` is its entry's in the log."""
    words = made.words if with_words else Words()
    return Said(
        id=made.id,
        status=made.status,
        made_at=made.made_at,
        case_number=words.case_number,
        reason=words.reason,
        question=words.question,
        signed_by=made.key,
        log=LogPlace.at(index),
    )


def _values(listed: Listed) -> dict[str, Any]:
    made = listed.disclosure
    same = "id sequence revision recalls answers live decisions digest made_at"
    return {name: getattr(made, name) for name in same.split()} | {
        "matter": made.matter_id,
        "record": made.record_id,
        "recipient": made.recipient_id,
        "categories": tuple(Category(one) for one in made.categories),
        "delivery": DeliveryBody(
            id=listed.delivery_id,
            state=DeliveryState(listed.state),
            attempts=listed.attempts,
            deadline=listed.deadline,
            finished_at=listed.finished_at,
        ),
    }
