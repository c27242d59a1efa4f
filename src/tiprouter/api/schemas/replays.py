"""How is a replay of many deliveries proposed, and how is its progress told?"""

from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.words import LAX, Id, Message, Moment, Some
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.recovery import Became, RetryReason
from tiprouter.domain.replay_states import ReplayState
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage.replays import Replay
from tiprouter.workflow.replaying import Plan, Progress

_EXAMPLE: Final[dict[str, Any]] = {
    "recipient": "rcp_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "since": "2026-03-01T00:00:00.000Z",
    "until": "2026-03-02T00:00:00.000Z",
    "states": ["exhausted", "refused"],
    "reason": "endpoint_mended",
}


_RESULTS: Final = "|".join((*AttemptResult, "unknown"))
LastResult: TypeAlias = Annotated[str, Field(pattern=f"^({_RESULTS})$")]


class ReplayWanted(Message):
    """Which deliveries to one agency are to be tried again: made in [since, until), at most fourteen days.

    `until` is now when it is left out, `states` are exhausted and refused; delivered, queued and retrying may be named.
    `urgency`, `result` and `record` narrow it as they narrow the list of deliveries; what is left out means any.
    """

    model_config = ConfigDict(json_schema_extra=examples.example(_EXAMPLE))

    recipient: Id
    since: Moment
    until: Moment | None = None
    states: Annotated[Some[Annotated[DeliveryState, LAX]], Field(max_length=len(DeliveryState))] = ()
    reason: Annotated[RetryReason, LAX]
    urgency: Annotated[Urgency, LAX] | None = None
    result: Annotated[LastResult | None, Field(description="what came of the last attempt")] = None
    record: Id | None = None

    def plan(self) -> Plan:
        """The proposal in the words of the story."""
        narrowed = (self.urgency, self.result, self.record)
        return Plan(self.recipient, self.since, self.until, self.states, self.reason, *narrowed)


class ReplayBody(Message):
    """A replay: who proposed it, who confirmed it, where it is."""

    id: str
    state: ReplayState
    recipient: str
    since: Moment
    until: Moment
    states: tuple[DeliveryState, ...]
    urgency: Urgency | None
    result: str | None
    record: str | None
    reason: RetryReason
    proposed_by: str
    proposed_at: Moment
    confirmed_by: str | None
    confirmed_at: Moment | None
    stopped_by: str | None
    ended_at: Moment | None

    @classmethod
    def of(cls, replay: Replay) -> Self:
        """A replay as it is listed."""
        return cls(**_values(replay))


class ReplayList(Message):
    """A page of replays."""

    items: tuple[ReplayBody, ...]


class ReplayCounts(Message):
    """How many deliveries were asked for, were decided again, and became what."""

    asked: int
    decided_again: int
    waiting: int
    due: int
    sent: int
    withheld: int
    passed_over: int
    failed: int


class ReplayProgress(ReplayBody):
    """A replay with its progress; `would` counts, by state, what the proposal found."""

    counts: ReplayCounts
    would: dict[DeliveryState, int]

    @classmethod
    def by(cls, progress: Progress) -> Self:
        """One replay."""
        became = {word: progress.became.get(word, 0) for word in Became}
        counts = ReplayCounts(
            asked=sum(became.values()),
            decided_again=became[Became.SENT] + became[Became.WITHHELD],
            **{word.value: number for word, number in became.items()},
        )
        would = {state: progress.found[state] for state in DeliveryState if state in progress.found}
        return cls(**_values(progress.replay), counts=counts, would=would)


def _values(replay: Replay) -> dict[str, Any]:
    values = {name: getattr(replay, name) for name in Replay.__slots__ if name in ReplayBody.model_fields}
    return values | {"recipient": replay.recipient_id, "record": replay.record_id}
