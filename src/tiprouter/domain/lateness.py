"""Did something arrive in time?

1. What arrived at its deadline or before was in time; what arrived after it was late.
2. What did not arrive by its deadline, or never will, never arrived; it becomes late when it arrives after all.
3. What was cancelled, and what still has time, is none of these.
"""

from datetime import datetime
from enum import StrEnum, unique

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
