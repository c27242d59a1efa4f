"""One matter with everything in it, another beside it, and the people who ask, approve and look."""

from datetime import timedelta
from typing import Any

from tests.attacks.agreement import entries_of
from tests.support.fictional import BLAMELESS, SECRET, agency, grant, person, tip
from tests.support.service import Service
from tiprouter.audit.entry import Entry
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.vocabulary import AcknowledgementStatus, RecipientKind, Role
from tiprouter.storage.acknowledgements import Words
from tiprouter.storage.grants import Grant
from tiprouter.workflow import acknowledging, granting, opening
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.granting import Wanted
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.opening import Opened

LE = RecipientKind.LAW_ENFORCEMENT
AUDITOR = Actor("cal_auditor", "auditor")
OTHER_AUDITOR = Actor("cal_auditor_two", "auditor")
COUNSEL = Actor("cal_counsel", "counsel")
REVIEWER = Actor("cal_reviewer", "reviewer")
SECOND = Actor("cal_reviewer_two", "reviewer")
AGENCY_WORDS = f"unit nine looks into it {SECRET}"
WHY = f"a complaint about how {SECRET} was treated"


async def police(service: Service) -> Recipient:
    """An agency of police in Texas."""
    return (await service.enrol(agency(LE))).recipient


async def matter(service: Service, recipient: Recipient, number: int = 1) -> str:
    """An adult whose consent let the police be told, who answered, and who then took it back; and a child beside her.

    Returns the record's id. It has decisions, disclosures, attempts, acknowledgements, a recall, duties and consents.
    """
    everyone = (person(f"p{number}"), person(f"c{number}", 9, Role.POTENTIAL_VICTIM, guardians=BLAMELESS))
    accepted = await service.accept(tip(*everyone, external_id=f"T-{number}"))
    service.clock.forward(seconds=1)
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    service.clock.forward(seconds=1)
    await service.deliver()
    caller = Actor("cal_police", "agency", recipient.id)
    rows = await service.rows(
        f"select d.id from disclosures d join deliveries v on v.disclosure_id = d.id"  # noqa: S608 - our own ids
        f" where d.record_id = '{accepted.stored.id}' and v.state = 'delivered' order by d.id"
    )
    words = Words(case_number="EX-1", question=None, reason=AGENCY_WORDS)
    service.clock.forward(seconds=1)
    await service.database.write(
        lambda tx: acknowledging.acknowledge(
            tx, service.desk, caller, rows[-1].id, AcknowledgementStatus.REJECTED, words
        )
    )
    service.clock.forward(seconds=1)
    await service.withdraw(given.consent.id)
    service.clock.forward(seconds=1)
    await service.deliver()
    await service.check_house()
    return accepted.stored.id


async def ask(service: Service, record_id: str, actor: Actor = AUDITOR, days: float = 7, **changes: Any) -> Grant:  # noqa: ANN401
    """Ask for a grant."""
    until = service.clock.at + timedelta(days=days)
    wanted = Wanted(**{"record_id": record_id, "auditor": None, "until": until, "reason": WHY} | changes)
    return await service.database.write(lambda tx: granting.ask(tx, service.desk, actor, wanted))


async def approve(service: Service, grant_id: str, actor: Actor = REVIEWER) -> Grant:
    """Approve a grant."""
    return await service.database.write(lambda tx: granting.approve(tx, service.desk, actor, grant_id))


async def revoke(service: Service, grant_id: str, actor: Actor = REVIEWER) -> Grant:
    """Revoke a grant."""
    return await service.database.write(lambda tx: granting.revoke(tx, service.desk, actor, grant_id))


async def opened(service: Service, record_id: str, actor: Actor = AUDITOR, days: float = 7) -> str:
    """The id of a grant that two people approved."""
    asked = await ask(service, record_id, actor, days)
    await approve(service, asked.id, REVIEWER)
    await approve(service, asked.id, COUNSEL)
    return asked.id


async def look(service: Service, grant_id: str, actor: Actor = AUDITOR) -> Opened:
    """Read the matter that a grant opens."""
    return await service.database.write(lambda tx: opening.open_matter(tx, service.desk, actor, grant_id))


async def expire(service: Service) -> int:
    """Let the chore write down what is over."""
    return await service.database.write(lambda tx: granting.expire_grants(tx, service.desk))


async def logged(service: Service, prefix: str) -> list[Entry]:
    """The log's entries whose kind begins so, in order."""
    await service.check_house()
    return [entry for entry in await entries_of(service) if entry.kind.startswith(prefix)]
