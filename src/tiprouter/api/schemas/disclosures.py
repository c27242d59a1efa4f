"""How is a disclosure told to those who review and audit? Never with its payload."""

from typing import Any, Self

from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import AcknowledgementStatus, AttemptKind, Category
from tiprouter.storage.acknowledgements import Acknowledgement, Words
from tiprouter.storage.deliveries import Attempt
from tiprouter.storage.disclosures import Listed
from tiprouter.workflow.inquiry import Journey


class DeliveryBody(Message):
    """Where a disclosure is on its journey; `id` is the webhook-id."""

    id: str
    state: DeliveryState
    attempts: int
    deadline: Moment
    finished_at: Moment | None


class DisclosureBody(Message):
    """A disclosure, or a recall when `recalls` names what it recalls; `digest` is the SHA-256 of its payload (hex)."""

    id: str
    matter: str
    sequence: int
    record: str
    revision: int
    recipient: str
    recalls: str | None
    live: bool
    categories: tuple[Category, ...]
    decisions: tuple[str, ...]
    digest: str
    made_at: Moment
    delivery: DeliveryBody

    @classmethod
    def of(cls, listed: Listed) -> Self:
        """A disclosure beside its delivery."""
        return cls(**_values(listed))


class DisclosureList(Message):
    """A page of disclosures."""

    items: tuple[DisclosureBody, ...]


class AttemptBody(Message):
    """One HTTP request: ours with the payload, ours with ids alone, or the agency's own from its inbox.

    An attempt without an end is in flight, or its process died.
    """

    id: str
    number: int
    kind: AttemptKind
    started_at: Moment
    finished_at: Moment | None
    result: str | None
    status: int | None

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """An attempt."""
        return cls(**{name: getattr(attempt, name) for name in Attempt.__slots__ if name != "delivery_id"})


class Said(Message):
    """That a recipient answered, and how. Its words are for itself and the reviewer: null for the auditor."""

    id: str
    status: AcknowledgementStatus
    made_at: Moment
    case_number: str | None
    reason: str | None
    question: str | None


class DisclosureJourney(DisclosureBody):
    """A disclosure, every attempt to deliver it, and what its recipient said of it."""

    attempts: tuple[AttemptBody, ...]
    acknowledgements: tuple[Said, ...]


def journey(found: Journey, *, with_words: bool) -> DisclosureJourney:
    """One disclosure; `with_words` shows what the recipient wrote, which may name people."""
    return DisclosureJourney(
        **_values(found.listed),
        attempts=tuple(AttemptBody.of(attempt) for attempt in found.attempts),
        acknowledgements=tuple(_said(one, with_words=with_words) for one in found.acknowledgements),
    )


def _said(made: Acknowledgement, *, with_words: bool) -> Said:
    words = made.words if with_words else Words()
    return Said(
        id=made.id,
        status=made.status,
        made_at=made.made_at,
        case_number=words.case_number,
        reason=words.reason,
        question=words.question,
    )


def _values(listed: Listed) -> dict[str, Any]:
    made = listed.disclosure
    same = "id sequence revision recalls live decisions digest made_at"
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
