"""What may be asked about duties, and what is answered?

1. Every answer leaves an `access` entry in the transaction that reads it (`workflow/inquiry.py`).
2. One duty is told with its evidence and with the other duties about the same person: where it stands at others.
3. The words of people are read only for who may see them; an auditor learns that there is evidence and when.
"""

from dataclasses import dataclass, replace

from tiprouter.domain.discharge import StandingDuty
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.errors import NotFoundError
from tiprouter.storage import duties, registry
from tiprouter.storage.database import Transaction
from tiprouter.storage.duties import Call, Filter, Letter, WrittenRequest
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.happening import Actor, Desk, happening
from tiprouter.workflow.inquiry import Page


@dataclass(frozen=True, slots=True)
class Docket:
    """One duty, what people recorded for it, and the other current duties about the same person in the same record."""

    duty: StandingDuty
    calls: tuple[Call, ...]
    letters: tuple[Letter, ...]
    requests: tuple[WrittenRequest, ...]
    others: tuple[StandingDuty, ...]


def list_duties(
    tx: Transaction, desk: Desk, actor: Actor, wanted: Filter, after: str | None, limit: int
) -> Page[StandingDuty]:
    """Duties that match, newest first."""
    with happening(tx, desk, actor) as it:
        rows = duties.page(tx, replace(wanted, overdue_at=it.now), after, limit + 1)
        kept = tuple(rows[:limit])
        seen(it, "duties", len(kept), asked=wanted)
        return Page(kept, kept[-1].id if len(rows) > limit else None)


def docket(tx: Transaction, desk: Desk, actor: Actor, duty_id: str) -> Docket:
    """One duty with its evidence. Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        duty = duties.load(tx, duty_id)
        if duty is None:
            raise NotFoundError
        seen(it, "duty", 1, duty_id)
        about = [one for one in duties.of_record(tx, duty.record_id) if one.person_id == duty.person_id]
        return Docket(
            duty=duty,
            calls=tuple(duties.calls_of(tx, desk.vault, duty_id, duty.record_id)),
            letters=tuple(duties.letters_of(tx, desk.vault, duty_id, duty.record_id)),
            requests=tuple(duties.requests_of(tx, desk.vault, duty_id, duty.record_id)),
            others=tuple(one for one in about if one.id != duty_id),
        )


def kinds_of(tx: Transaction, found: tuple[StandingDuty, ...]) -> dict[str, RecipientKind]:
    """What sort of agency each recipient of these duties is."""
    return registry.kinds(tx, sorted({one.recipient_id for one in found if one.recipient_id is not None}))
