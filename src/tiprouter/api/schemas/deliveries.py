"""How is a delivery told to those who look after it, and what may they ask about it?

1. Ids, states, times and results of attempts: nobody's data. What an endpoint answered is for reviewers, where one
   delivery is read (`workflow/delivery_inquiry.py`, rule 4): as text, without what moves a reader's screen.
2. Why it waits and what another try would do are for the hotline's own: null for an agency.
3. A note is for reviewers, outcomes are for reviewers: the operator reads no records.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.disclosures import AttemptBody
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.words import LAX, Id, LongText, Message, Moment
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.recovery import Became, Remedy, RetryReason, WaitsFor
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Outcome, Urgency
from tiprouter.storage.deliveries import Attempt
from tiprouter.storage.replays import Retry
from tiprouter.workflow.delivery_inquiry import Inspected, Standing
from tiprouter.workflow.recovery import Retried, Wish


class DeadLetterQuery(Paging):
    """A page of the dead letters, to one agency or to any."""

    recipient_id: Id | None = None


class DeliveryQuery(DeadLetterQuery):
    """A page of the deliveries that match."""

    state: DeliveryState | None = None
    record_id: Id | None = None
    disclosure_id: Id | None = None
    urgency: Urgency | None = None
    result: Annotated[AttemptResult | Literal["unknown"] | None, Field(description="what came of the last attempt")] = (
        None
    )
    since: Annotated[Moment | None, Field(description="made at or after this moment")] = None
    until: Annotated[Moment | None, Field(description="made before this moment")] = None


class DeliveryStanding(Message):
    """A delivery. `id` is the webhook-id, `next_at` its next try while it waits for one; trying ends at `deliver_by`.

    `retry` says what asking for another try would do: `try_now`, `send_anew` (decided again first), or why nothing:
    `in_flight`, `at_agency` (it lies in the inbox), `cancelled`, `replaced`, `an_answer`.
    """

    id: str
    disclosure: str
    recalls: str | None
    matter: str
    sequence: int
    record: str
    recipient: str
    urgency: Urgency
    state: DeliveryState
    attempts: int
    last_result: str | None
    next_at: Moment | None
    deadline: Moment
    deliver_by: Moment
    created_at: Moment
    finished_at: Moment | None
    waits_for: WaitsFor | None
    retry: Remedy | None

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """A delivery as it is listed."""
        return cls(**_values(standing))


class DeliveryList(Message):
    """A page of deliveries."""

    items: tuple[DeliveryStanding, ...]


class AskedBody(Message):
    """That somebody asked for another try, and what became of it; `made` is the new delivery."""

    id: str
    reason: RetryReason
    became: Became
    made: str | None
    asked_by: str
    asked_at: Moment
    note: str | None

    @classmethod
    def of(cls, retry: Retry, note: str | None) -> Self:
        """A retry and its note, for whoever may read it."""
        same = "id reason became asked_by asked_at"
        return cls(**{name: getattr(retry, name) for name in same.split()}, made=retry.made_id, note=note)


class AttemptInspected(AttemptBody):
    """An attempt, and the first bytes of its answer: null but for a reviewer, and where there was none."""

    answer: Annotated[str | None, Field(description="at most 1,024 characters; \ufffd for what is no text")] = None

    @classmethod
    def told(cls, attempt: Attempt, index: int | None, answer: bytes | None) -> Self:
        """An attempt with what was answered to it."""
        found = cls.of(attempt, index)
        return found.model_copy(update={"answer": None if answer is None else _text(answer)})


class DeliveryInspected(DeliveryStanding):
    """A delivery, what of its matter it waits behind, every attempt, and every time somebody asked for another try."""

    behind: str | None
    history: tuple[AttemptInspected, ...]
    asked: tuple[AskedBody, ...]

    @classmethod
    def by(cls, found: Inspected) -> Self:
        """One delivery."""
        return cls(
            **_values(found.standing),
            behind=found.earlier,
            history=tuple(
                AttemptInspected.told(one, found.entries.get(one.id), found.answers.get(one.id))
                for one in found.attempts
            ),
            asked=tuple(AskedBody.of(*one) for one in found.retries),
        )


class RetryWanted(Message):
    """Why another try is asked for. `other` needs a note, which is sealed."""

    model_config = ConfigDict(json_schema_extra=examples.example({"reason": "endpoint_mended"}))

    reason: Annotated[RetryReason, LAX]
    note: LongText | None = None

    def wish(self) -> Wish:
        """The request in the words of the story."""
        return Wish(self.reason, self.note)


class RetryBody(Message):
    """What became of asking: `due`, `sent` (decided again; `made` is the new delivery) or `withheld`.

    `outcomes` are what was decided toward its recipient; null for the operator, and where nothing had to be decided.
    """

    id: str
    delivery: str
    reason: RetryReason
    became: Became
    made: str | None
    outcomes: tuple[Outcome, ...] | None
    asked_by: str
    asked_at: Moment

    @classmethod
    def of(cls, retried: Retried, *, with_outcomes: bool) -> Self:
        """A retry."""
        retry, again = retried.retry, retried.again
        same = "id reason became asked_by asked_at"
        return cls(
            **{name: getattr(retry, name) for name in same.split()},
            delivery=retry.delivery_id,
            made=retry.made_id,
            outcomes=again.outcomes if with_outcomes and again.outcomes else None,
        )


def _text(answer: bytes) -> str:
    """What a stranger's bytes say, without what would do something to a terminal or a page: controls, directions."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in answer.decode(errors="replace"))


def _values(standing: Standing) -> dict[str, Any]:
    seen, one = standing.seen, standing.seen.delivery
    same = "id sequence urgency state attempts deadline deliver_by created_at finished_at"
    next_at = one.next_at if one.state in (DeliveryState.QUEUED, DeliveryState.RETRYING) else None
    return {name: getattr(one, name) for name in same.split()} | {
        "disclosure": one.disclosure_id,
        "recalls": seen.recalls,
        "matter": one.matter_id,
        "record": one.record_id,
        "recipient": one.recipient_id,
        "last_result": seen.result,
        "next_at": next_at,
        "waits_for": standing.waits,
        "retry": standing.remedy,
    }
