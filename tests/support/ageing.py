"""A service that has lived: something of every class of record, and time that passes over it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.attacks.test_erased_content import HERS, a_whole_life, answered, hers
from tests.attacks.test_moved_seals import opens, sealed_in
from tests.support.fictional import DANGER, grant, person, tip
from tests.support.paging import EVERYTHING
from tests.support.service import OPERATOR, START, Service
from tests.support.staff import invite
from tests.support.thief import whole_keys
from tiprouter import ids
from tiprouter.domain.page_states import PageState
from tiprouter.domain.retention import Retained
from tiprouter.domain.vocabulary import AcknowledgementStatus, CaseStatus, RecipientKind, RecordKind, StatementForm
from tiprouter.storage.accounting import Suspension
from tiprouter.storage.acknowledgements import Words
from tiprouter.storage.database import Transaction
from tiprouter.storage.pages_table import alarms, pages
from tiprouter.storage.tables import notices
from tiprouter.workflow import accounting, ageing, erasing, noticing
from tiprouter.workflow.acknowledging import acknowledge
from tiprouter.workflow.chores import Chore
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.happening import Actor

AGEING: tuple[Chore, ...] = (
    erasing.erase_aged,
    ageing.erase_orphans,
    ageing.forget_answers,
    ageing.forget_snippets,
    ageing.forget_notices,
    ageing.forget_accounting,
    ageing.forget_accounts,
)
"""Every chore by which something goes of itself."""
LE = RecipientKind.LAW_ENFORCEMENT
ADVOCATE = Actor("cal_advocate", "intake")
PERIOD = timedelta(days=3_000)
"""Longer than any class's least."""
EVERY: Mapping[Retained, timedelta] = dict.fromkeys(Retained, PERIOD)
WHO_ASKED = "Example Officer Zyxwv"


@dataclass(frozen=True, slots=True)
class Lived:
    """What is there: her open case and her; her tip, over; a closed case of another; a person whom no record names."""

    case: str
    her: str
    danger: str
    closed: str
    orphan: str
    alone: str
    police: str


async def chore(service: Service, one: Chore) -> int:
    """One call of one chore."""
    return await service.database.write(lambda tx: one(tx, service.desk))


async def age(service: Service, at: datetime, periods: Mapping[Retained, timedelta]) -> None:
    """It is that moment, everything is kept for so long, and the workers do what is to be done."""
    service.clock.at = at
    service.desk = replace(service.desk, retention=periods)
    for one in AGEING:
        while await chore(service, one):
            pass


async def lived(service: Service) -> Lived:
    """Something of every class, all of it at `START`, with her word in it."""
    service.desk = replace(service.desk, routing=EVERYTHING)
    case, her = await a_whole_life(service, hers())
    (police,) = await service.rows("select id from recipients where kind = 'law_enforcement'")
    danger = await service.accept(tip(person("p9"), external_id="T-9", violence=DANGER))
    await service.deliver()
    await service.database.write(lambda tx: noticing.owe_notices(tx, service.desk))
    (told,) = await service.rows(f"select id from disclosures where record_id = '{danger.stored.id}'")  # noqa: S608 - our own id
    officer = Actor("cal_agency", "agency", police.id)
    await service.database.write(
        lambda tx: acknowledge(tx, service.desk, officer, told.id, AcknowledgementStatus.ACCEPTED, Words())
    )
    (due,) = await service.rows("select id from subject_notices where state = 'due'")
    given = noticing.Given("phone", START, note=HERS)
    await service.database.write(lambda tx: noticing.give(tx, service.desk, ADVOCATE, due.id, given))
    closed = await service.put_case(
        tip(person("p8"), kind=RecordKind.CASE, external_id="C-8", status=CaseStatus.CLOSED), None
    )
    orphan = await service.consent(Whose(source="hotline-example", ref="nobody"), grant(LE, witness=HERS))
    own = await alone(service)
    for owner in (own, orphan.consent.person_id):
        await answered(service, owner, HERS.encode())
    wanted = Suspension("", her, police.id, StatementForm.WRITTEN, START + timedelta(days=20), "", START)
    await service.database.write(lambda tx: accounting.suspend(tx, service.desk, OPERATOR, wanted, WHO_ASKED))
    await invite(service)
    await service.database.write(_rung)
    await service.database.write(through)
    return Lived(case, her, danger.stored.id, closed.stored.id, orphan.consent.person_id, own, police.id)


async def alone(service: Service) -> str:
    """The owner of an answer that is about nobody, as the edge makes it."""
    owner = ids.mint("ans", service.clock(), service.desk.entropy(ids.RANDOM_BYTES))
    await service.database.write(lambda tx: service.desk.vault.create(tx, owner, service.clock()))
    return owner


def _rung(tx: Transaction) -> None:
    """Every notice was an alarm once."""
    known = sa.select(notices.c.id, sa.literal(1), sa.null()).where(
        ~sa.exists().where(alarms.c.notice_id == notices.c.id)
    )
    tx.execute(alarms.insert().from_select(["notice_id", "repeats", "next_at"], known))


def through(tx: Transaction) -> None:
    """Every page got through, and no alarm rings."""
    tx.execute(pages.update().values(state=PageState.SENT, finished_at=START))
    tx.execute(alarms.update().values(next_at=None))


async def readable(service: Service) -> dict[str, str]:
    """Every sealed value that a data key of the database still opens, as `table/row`, and whose key that is."""

    def rows(tx: Connection) -> dict[str, str]:
        keys = whole_keys(service, tx)
        return {
            f"{place.table}/{place.row}": key.owner
            for place, sealed in sealed_in(tx)
            for key in keys
            if opens(key, sealed, place)
        }

    return await service.database.read(rows)


async def live_keys(service: Service) -> set[str]:
    """Whose data keys there are."""
    return {row.owner for row in await service.rows("select owner from data_keys where destroyed_at is null")}
