"""How does the service do, in numbers that are about nobody?

1. Everything is of one moment and one transaction, and counts what is open only.
2. It is the whole service's: whichever process is asked says the same.
3. It is not logged as an access: there is nothing in it to know about anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tiprouter.domain.states import DUE
from tiprouter.storage import vitals
from tiprouter.storage.database import Transaction
from tiprouter.storage.vitals import Waiting


@dataclass(frozen=True, slots=True)
class Vitals:
    """Seconds are of `now`: `lag` how long the first due delivery of a lane waits, `margin` what is left to a deadline.

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
    lanes = sorted({one.lane for one in waiting})
    due = {lane: [one.due_since for one in waiting if one.lane == lane and one.state in DUE] for lane in lanes}
    nearest = {lane: min(one.deadline for one in waiting if one.lane == lane) for lane in lanes}
    return Vitals(
        waiting=tuple(waiting),
        lag_seconds={lane: max((now - min(since)).total_seconds(), 0.0) for lane, since in due.items() if since},
        margin_seconds={lane: (deadline - now).total_seconds() for lane, deadline in nearest.items()},
        breakers=vitals.breakers(tx),
        unlogged=vitals.unlogged(tx),
        duties=vitals.open_duties(tx),
        reviews=vitals.open_reviews(tx),
        pages=vitals.unsent_pages(tx),
    )
