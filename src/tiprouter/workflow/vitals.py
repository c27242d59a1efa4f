"""How does the service do, in numbers that are about nobody?

1. Everything is of one moment and one transaction, and counts what is open only.
2. It is the whole service's: whichever process is asked says the same.
3. It is not logged as an access: there is nothing in it to know about anybody.
4. A lane lags by what a worker could take at this moment and has not. What is parked (an agency that only pulls, an
   endpoint that is gone or behind an open breaker) and what waits for an earlier one of its matter is no lag: a dead
   agency must not ring the alarm that says that ours are too few or stand still.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tiprouter.domain.lanes import Lane
from tiprouter.storage import lanes, vitals
from tiprouter.storage.database import Transaction
from tiprouter.storage.vitals import Waiting


@dataclass(frozen=True, slots=True)
class Vitals:
    """Seconds are of `now`: `lag` how long the first of a lane waits to be taken, `margin` what is left to a deadline.

    A negative margin is a deadline that passed while something still waits.
    """

    waiting: tuple[Waiting, ...]
    lag_seconds: Mapping[str, float]
    margin_seconds: Mapping[str, float]
    breakers: Mapping[str, int]
    unlogged: int
    duties: Mapping[str, int]
    reviews: Mapping[str, int]
    pages: Mapping[str, int]


def measure(tx: Transaction, now: datetime) -> Vitals:
    """The service as it stands (rules 1-3)."""
    waiting = vitals.waiting(tx)
    first = lanes.windows(tx, now, dict.fromkeys(Lane, 1))
    held = sorted({one.lane for one in waiting})
    nearest = {lane: min(one.deadline for one in waiting if one.lane == lane) for lane in held}
    return Vitals(
        waiting=tuple(waiting),
        lag_seconds={lane.value: (now - some[0].next_at).total_seconds() for lane, some in first.items() if some},
        margin_seconds={lane: (deadline - now).total_seconds() for lane, deadline in nearest.items()},
        breakers=vitals.breakers(tx),
        unlogged=vitals.unlogged(tx),
        duties=vitals.open_duties(tx),
        reviews=vitals.open_reviews(tx),
        pages=vitals.unsent_pages(tx),
    )
