"""What becomes of a duty when the delivery made for it will not arrive?

1. A delivery that was given up or refused, and one that waits for an endpoint that is gone, lets the open duties it was
   made for go on to the next lawful recipients at once, not at their deadline (`workflow/overdue.py` says how).
2. Each is passed on once. The duty stands and keeps its clock; what waits still lies in its agency's inbox.
3. One that cannot be passed on is told to a human, and looked at again; the others go on.

A human is told of the delivery itself where it ends, and of the endpoint where it is found gone.
"""

from typing import Final

import structlog

from tiprouter.domain.discharge import StandingDuty
from tiprouter.domain.states import DeliveryState, DutyPhase
from tiprouter.storage import decisions, deliveries, disclosures, duties, lanes
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.storage.lanes import Stranded
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening
from tiprouter.workflow.overdue import AGAIN_AFTER, move_on

log = structlog.get_logger()

AT_ONCE: Final = 50
UNREACHABLE: Final = "unreachable"
_ENDED: Final = frozenset({DeliveryState.EXHAUSTED.value, DeliveryState.REFUSED.value})


def pass_on(tx: Transaction, desk: Desk) -> int:
    """A chore: let duties go on whose deliveries will not arrive (rules 1-3); how many deliveries there were."""
    with happening(tx, desk, ROUTER) as it:
        found = lanes.stranded(tx, AT_ONCE)
        # Records are locked in one order everywhere.
        for one in sorted(found, key=lambda one: (one.record_id, one.id)):
            cause = one.state if one.state in _ENDED else UNREACHABLE
            for duty in _owed(it, one):
                _move_on(it, duty, cause)
            deliveries.change(tx, one.id, pass_on=False)
        return len(found)


def _owed(it: Happening, one: Stranded) -> list[StandingDuty]:
    """The open duties that a delivery was made for; those past their deadline went on then."""
    disclosure = disclosures.load(it.tx, one.disclosure_id)
    because = () if disclosure is None else disclosure.decisions
    persons = {made.person_id for name in because if (made := decisions.load(it.tx, name)) is not None}
    return [
        duty
        for duty in duties.of_record(it.tx, one.record_id)
        if duty.phase is DutyPhase.OPEN and duty.recipient_id == one.recipient_id and duty.person_id in persons
    ]


def _move_on(it: Happening, duty: StandingDuty, cause: str) -> None:
    try:
        with it.forgiving():
            move_on(it, duty, cause)
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - promise 1: whatever goes wrong, a human is told
        log.warning("duty.untended", duty=duty.id, error=type(error).__name__)
        it.tell("duty.untended", duty.id, duty.record_id, None)
        duties.look_at(it.tx, duty.id, it.now + AGAIN_AFTER)
