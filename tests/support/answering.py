"""What agencies and people answer for duties, in tests: acknowledgements, calls, reports in writing."""

from datetime import datetime, timedelta
from functools import partial

from tests.support.service import START, Service
from tiprouter.domain.discharge import CallOutcome, StandingDuty
from tiprouter.domain.vocabulary import AcknowledgementStatus, RecipientKind
from tiprouter.storage import duties
from tiprouter.storage.acknowledgements import Words
from tiprouter.storage.duties import CallWords, LetterWords, RequestWords
from tiprouter.workflow.acknowledging import acknowledge
from tiprouter.workflow.evidence import Called, Wrote, record_call, record_letter, record_request
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.overdue import watch_duties

REVIEWER = Actor("cal_reviewer", "reviewer")
WORDS = CallWords("Example Worker", "+1-555-0101", "Example Officer", "EX-2026-0002")
ACCEPTED, REJECTED = AcknowledgementStatus.ACCEPTED, AcknowledgementStatus.REJECTED


async def standing(service: Service) -> list[StandingDuty]:
    """Every duty, first to last."""

    async def ids() -> list[str]:
        return [row[0] for row in await service.rows("select id from duties order by opened_at, id")]

    found = [await service.database.read(partial(duties.load, duty_id=one)) for one in await ids()]
    return [one for one in found if one is not None]


async def toward(service: Service, recipient_id: str | None) -> StandingDuty:
    """The one current duty toward a recipient."""
    (found,) = [one for one in await standing(service) if one.recipient_id == recipient_id and one.current]
    return found


async def answer(
    service: Service, recipient_id: str, status: AcknowledgementStatus = ACCEPTED, disclosure_id: str | None = None
) -> str:
    """An agency answers what it was sent last, or a certain disclosure; the acknowledgement's id."""
    if disclosure_id is None:
        found = await service.rows(
            f"select id from disclosures where recipient_id = '{recipient_id}' and recalls is null"  # noqa: S608 - our own ids
            " order by matter_id, sequence desc"
        )
        disclosure_id = found[0][0]
    actor = Actor("cal_agency", "agency", recipient_id)
    words = Words("EX-1", reason="not ours", question="which exit?")
    made, _ = await service.database.write(
        lambda tx: acknowledge(tx, service.desk, actor, disclosure_id, status, words)
    )
    return made.id


async def call(
    service: Service,
    duty_id: str,
    outcome: CallOutcome = CallOutcome.REACHED,
    at: datetime | None = None,
    instead: tuple[RecipientKind | None, str | None] = (None, None),
) -> StandingDuty:
    """Somebody calls for a duty; the duty after it. `instead` is who was called in its recipient's place."""
    called = Called(outcome, at or service.clock.at, WORDS, *instead)
    _, duty = await service.database.write(lambda tx: record_call(tx, service.desk, REVIEWER, duty_id, called))
    return duty


async def write(
    service: Service,
    duty_id: str,
    at: datetime | None = None,
    instead: tuple[RecipientKind | None, str | None] = (None, None),
) -> StandingDuty:
    """Somebody sends a report in writing; the duty after it. `instead` is who it is to in its recipient's place."""
    wrote = Wrote(at or service.clock.at, LetterWords("Example Worker", "EX-2026-0002"), *instead)
    _, duty = await service.database.write(lambda tx: record_letter(tx, service.desk, REVIEWER, duty_id, wrote))
    return duty


async def watch(service: Service, **later: float) -> int:
    """Time passes, and the chore looks at the duties; how many it looked at."""
    service.clock.forward(**later)
    return await service.database.write(lambda tx: watch_duties(tx, service.desk))


async def told(service: Service) -> list[str]:
    """Why humans were told something about duties, sorted."""
    rows = await service.rows("select reason from notices where reason like 'duty.%' order by reason")
    return [row[0] for row in rows]


def after(**span: float) -> datetime:
    """A moment after the tests' start."""
    return START + timedelta(**span)


async def ask_in_writing(service: Service, duty_id: str, at: datetime | None = None) -> StandingDuty:
    """The agency asks for a report in writing, and somebody records it; the duty after it."""
    words = RequestWords("Example Officer", "EX-2026-0002")
    _, duty = await service.database.write(
        lambda tx: record_request(tx, service.desk, REVIEWER, duty_id, at or service.clock.at, words)
    )
    return duty
