"""What can be done about a delivery that waits, failed, or was lost after it arrived?

1. One that waits at a worker can be tried now. One that its agency must take cannot be hurried.
2. One that ended by arriving, by its deadline or by a 410 can be sent anew: its disclosure is decided on today's facts
   and made again (`domain/states.py` rule 3).
3. A cancelled one is never tried again: it was cancelled because what it says may not be told, or is told otherwise
   now. Whatever may leave instead was made in the transaction that cancelled it.
4. What something newer of its matter says in its place is not sent anew: the newer one is.
5. What answers an agency's question is not sent anew either: whoever asked asks again, and is answered on that day.

Not said here: whether what is sent anew may leave. That is a decision (`workflow/recovery.py`).
"""

from dataclasses import dataclass
from enum import StrEnum, unique

from tiprouter.domain.states import TERMINAL, DeliveryState


@unique
class RetryReason(StrEnum):
    """Why a person asks for another try. `other` needs a note."""

    ENDPOINT_MENDED = "endpoint_mended"
    ENDPOINT_MOVED = "endpoint_moved"
    RECIPIENT_LOST_IT = "recipient_lost_it"
    DEADLINE_NEAR = "deadline_near"
    OTHER = "other"


@unique
class WaitsFor(StrEnum):
    """Why a delivery that has not ended does not leave at this moment."""

    ANSWER = "answer"  # it is in flight
    SUSPENDED_RECIPIENT = "suspended_recipient"
    EARLIER = "earlier"  # something earlier of its matter waits or is in flight
    AGENCY = "agency"  # it lies in the agency's inbox
    LINE = "line"  # its agency does not answer, or not that fast: nothing more is sent there for now
    NEXT_TRY = "next_try"  # its time has not come
    WORKER = "worker"  # it is due


@unique
class Remedy(StrEnum):
    """What asking for another try does, or why it does nothing."""

    TRY_NOW = "try_now"
    SEND_ANEW = "send_anew"
    IN_FLIGHT = "in_flight"
    AT_AGENCY = "at_agency"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    AN_ANSWER = "an_answer"


@unique
class Became(StrEnum):
    """What became of a delivery that somebody asked to be tried again."""

    WAITING = "waiting"  # of a replay: its turn has not come
    DUE = "due"
    SENT = "sent"  # made anew, and queued
    WITHHELD = "withheld"  # decided again: it may not leave any more
    PASSED_OVER = "passed_over"  # of a replay: nothing could be done about it when its turn came
    FAILED = "failed"  # of a replay: an error; a human was told


HELPS = frozenset({Remedy.TRY_NOW, Remedy.SEND_ANEW})
DEAD = frozenset({DeliveryState.EXHAUSTED, DeliveryState.REFUSED})
"""It ended without arriving."""

REPLAYABLE = DEAD | {DeliveryState.DELIVERED, DeliveryState.QUEUED, DeliveryState.RETRYING}
"""What a replay may ask for."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a delivery is, as far as another try cares.

    `replaced`: see rule 4. `answers`: see rule 5. `behind`: something earlier of its matter waits or is in flight.
    `pulled`: its agency has no webhook. `parked`: nothing is sent to its agency for now. `due`: its next try is not in
    the future.
    """

    state: DeliveryState
    replaced: bool = False
    answers: bool = False
    behind: bool = False
    pulled: bool = False
    suspended: bool = False
    parked: bool = False
    due: bool = True


def remedy(of: Situation) -> Remedy:
    """What another try would do (rules 1-5)."""
    if of.state is DeliveryState.CANCELLED:
        return Remedy.CANCELLED
    if of.state is DeliveryState.CLAIMED:
        return Remedy.IN_FLIGHT
    if of.state not in TERMINAL:
        at_agency = of.pulled or of.state is DeliveryState.ANNOUNCED
        return Remedy.AT_AGENCY if at_agency else Remedy.TRY_NOW
    if of.answers:
        return Remedy.AN_ANSWER
    return Remedy.REPLACED if of.replaced else Remedy.SEND_ANEW


def waits_for(of: Situation) -> WaitsFor | None:
    """Why it does not leave at this moment; None once it has ended."""
    if of.state in TERMINAL:
        return None
    why = (
        (of.state is DeliveryState.CLAIMED, WaitsFor.ANSWER),
        (of.suspended, WaitsFor.SUSPENDED_RECIPIENT),
        (of.behind, WaitsFor.EARLIER),
        (of.pulled or of.state is DeliveryState.ANNOUNCED, WaitsFor.AGENCY),
        (of.parked, WaitsFor.LINE),
        (not of.due, WaitsFor.NEXT_TRY),
    )
    return next((one for so, one in why if so), WaitsFor.WORKER)
