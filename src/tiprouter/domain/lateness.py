"""Did something arrive in time?

1. What arrived at its deadline or before was in time; what arrived after it was late.
2. What did not arrive by its deadline, or never will, never arrived; it becomes late when it arrives after all.
3. What was cancelled, and what still has time, is none of these.
4. A human is told when four fifths of the time to a deadline have passed, and at once when it is behind already.
"""

from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Final

from tiprouter.domain.states import DeliveryState


@unique
class Lateness(StrEnum):
    """How a delivery stands to its deadline."""

    IN_TIME = "in_time"
    LATE = "late"
    NEVER = "never"


ENDED_UNDELIVERED = (DeliveryState.EXHAUSTED, DeliveryState.REFUSED)
"""Nothing is tried any more, and nothing arrived."""


def lateness_of(
    state: DeliveryState, deadline: datetime, finished_at: datetime | None, now: datetime
) -> Lateness | None:
    """How a delivery stands to its deadline; None for what was cancelled or still has time (rule 3)."""
    if state is DeliveryState.CANCELLED:
        return None
    if state is DeliveryState.DELIVERED:
        return Lateness.LATE if finished_at is not None and finished_at > deadline else Lateness.IN_TIME
    return Lateness.NEVER if state in ENDED_UNDELIVERED or deadline <= now else None


WARN_BEFORE: Final = 5
"""A human is told when less than one part in this many of the time to a deadline is left (rule 4)."""


def warn_at(begun: datetime, deadline: datetime) -> datetime:
    """When a human is told of what began then and should end by the deadline (rule 4)."""
    return deadline - max(deadline - begun, timedelta()) / WARN_BEFORE
