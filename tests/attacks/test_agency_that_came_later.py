"""She consented, and nothing was sent: the agency came later, was suspended then, or the policy was another."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.attacks.agreement import entries_of
from tests.support.fictional import agency, grant, person, tip
from tests.support.governing import COUNSEL, approved
from tests.support.service import OPERATOR, Service, bundle
from tiprouter.audit.kinds import Kind
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.domain.record import Jurisdiction, Signaler
from tiprouter.domain.vocabulary import CaseStatus, JurisdictionReason, RecipientKind, RecordKind, Relationship
from tiprouter.storage import records
from tiprouter.storage.records import load
from tiprouter.workflow import enrolment, governing, revisit
from tiprouter.workflow.chores import CHORES
from tiprouter.workflow.consenting import Whose

LE, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.SERVICE_PROVIDER
TIP_SHARING = bundle("tip-sharing").digest


async def consented(service: Service, number: int = 1, **changes: Any) -> str:  # noqa: ANN401 - of a tip
    """The id of a tip by an adult, who grants to the police and to providers."""
    accepted = await service.accept(tip(person(f"p{number}"), external_id=f"T-{number}", **changes))
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE, PROVIDER))
    return accepted.stored.id


async def becomes(service: Service, old: Recipient, **changes: Any) -> Recipient:  # noqa: ANN401 - of an agency
    """One person changes what an agency is."""
    wanted, number = replace(old, **changes), old.revision
    story = partial(enrolment.change, desk=service.desk, actor=OPERATOR, wanted=wanted, expected=number)
    return await service.database.write(story)


async def chores(service: Service) -> int:
    """What is decided again by itself until nothing is left."""
    done = 0
    while some := await service.revisit():
        done += some
    return done


async def causes(service: Service, outcome: str) -> list[str]:
    """Why each decision of this outcome that stands was made."""
    rows = await service.rows("select cause, outcome from decisions where current order by id")
    return [row.cause for row in rows if row.outcome == outcome]


async def test_an_agency_that_registers_after_the_consent_is_told(service: Service) -> None:
    """Nothing waited about the tip and nobody touched it; the police come to Texas, and get what she wanted them to."""
    await consented(service)
    await service.enrol(agency(LE))
    assert await service.deliver() == []
    assert await chores(service) == 1
    assert len(await service.deliver()) == 1
    assert await causes(service, "DISCLOSE") == ["recipient.registered"]
    await service.check_house()


async def test_an_agency_that_was_suspended_meanwhile_is_told_when_it_is_back(service: Service) -> None:
    """Suspended when she consented, active again: what was withheld from it goes out, for that cause."""
    police = (await service.enrol(agency(LE))).recipient
    police = await becomes(service, police, status=RecipientStatus.SUSPENDED)
    await consented(service)
    await chores(service)
    assert await causes(service, "WITHHOLD") == ["consent.granted"]
    await becomes(service, police, status=RecipientStatus.ACTIVE)
    assert await chores(service) == 1
    assert len(await service.deliver()) == 1
    assert await causes(service, "DISCLOSE") == ["recipient.changed"]


async def test_an_agency_whose_agreement_is_renewed_is_told(service: Service) -> None:
    """Without an agreement nothing is shared; a new one opens what was withheld for want of it."""
    police = (await service.enrol(agency(LE, agreement_until=None))).recipient
    await consented(service)
    await chores(service)
    assert await service.deliver() == []
    await becomes(service, police, agreement_until=service.clock.at + timedelta(days=30))
    await chores(service)
    assert len(await service.deliver()) == 1


async def test_an_agency_that_moves_to_where_it_happened_is_told(service: Service) -> None:
    """Nevada's police were never asked about a tip from Texas; from now on they serve Texas."""
    police = (await service.enrol(agency(LE, "US-NV"))).recipient
    await consented(service)
    await chores(service)
    assert await causes(service, "WITHHOLD") == []
    await becomes(service, police, jurisdictions=("US-TX",))
    assert await chores(service) == 1
    assert len(await service.deliver()) == 1


async def test_a_bundle_that_shares_more_is_asked_about_what_was_withheld(service: Service) -> None:
    """A relative's tip was withheld and done; under the bundle that forwards such tips it goes, a closed case not."""
    await service.enrol(agency(LE))
    family = Signaler(Relationship.FAMILY_FRIEND)
    await service.accept(tip(person(), signaler=family))
    closed = tip(person("p2"), kind=RecordKind.CASE, external_id="C-1", signaler=family, status=CaseStatus.CLOSED)
    await service.put_case(closed, None)
    await approved(service, "tip-sharing")
    await service.database.write(lambda tx: governing.activate(tx, service.desk, COUNSEL, TIP_SHARING))
    assert await chores(service) == 1
    assert [ready.record_id[:4] for ready in await service.deliver()] == ["tip_"]
    assert await causes(service, "DISCLOSE") == ["bundle.activated"]
    await service.check_house()


async def test_nothing_is_told_twice_to_an_agency_that_was_suspended(service: Service) -> None:
    """It was told, suspended, and is back: what it has it has, and nothing about it is decided again."""
    police = (await service.enrol(agency(LE))).recipient
    await consented(service)
    assert len(await service.deliver()) == 1
    police = await becomes(service, police, status=RecipientStatus.SUSPENDED)
    await becomes(service, police, status=RecipientStatus.ACTIVE)
    assert await chores(service) == 0
    assert await service.deliver() == []


@pytest.mark.parametrize("changes", [{"name": "Example Police"}, {"agreement_until": None}, {"counties": ("48001",)}])
async def test_what_a_change_cannot_touch_is_not_decided_again(service: Service, changes: dict[str, Any]) -> None:
    """Open cases of another place, and of this one where nothing about deciding changed, stay as they are."""
    nevada = (Jurisdiction("US-NV", JurisdictionReason.FOUND),)
    await service.enrol(agency(LE, "US-NV"))
    police = (await service.enrol(agency(LE))).recipient
    for number in range(3):
        case = tip(person(f"p{number}"), kind=RecordKind.CASE, external_id=f"C-{number}", jurisdictions=nevada)
        await service.put_case(case, None)
    await chores(service)
    before = await service.rows("select count(*) from decisions")
    await becomes(service, police, **changes)
    assert await chores(service) == 0
    assert await service.rows("select count(*) from decisions") == before


async def test_many_are_looked_through_in_slices(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven tips, two at a time: each is decided once, what is begun is remembered, and then nothing is left of it."""
    for number in range(7):
        await consented(service, number)
    monkeypatch.setattr(revisit, "SLICE", 2)
    await service.enrol(agency(LE))
    monkeypatch.setattr(revisit, "LOOKED_AT_MOST", 3)
    story = partial(revisit.look_through, desk=service.desk, limit=2)
    assert await service.database.write(story) == 2
    assert await service.rows("select reach, after = '' from sweeps") == [("everything", False)]
    assert await chores(service) == 5
    assert await service.rows("select id from sweeps") == []
    made = [entry for entry in await entries_after(service) if entry.body.get("outcome") == "DISCLOSE"]
    assert len(made) == len({entry.body["record"] for entry in made}) == 7


async def test_what_falls_due_all_the_time_does_not_keep_an_agency_waiting(service: Service) -> None:
    """At every turn some record is due; what the agency that came is to be told is looked through all the same."""
    always, *_ = [await consented(service, number) for number in range(3)]
    await service.enrol(agency(LE))
    for _ in range(9):
        await service.database.write(lambda tx: records.look_again(tx, always, service.clock.at))
        for chore in CHORES[:2]:
            await service.database.write(lambda tx, chore=chore: chore(tx, service.desk))  # type: ignore[misc]  # bound now
    assert await service.rows("select id from sweeps") == []
    assert len(await service.deliver()) == 3


async def test_a_record_that_is_empty_and_was_never_erased_is_told_of(service: Service) -> None:
    """Somebody emptied what was sealed: it is not taken for erased, a human is told, and it is looked at again."""
    await consented(service)
    await service.enrol(agency(LE))
    await service.database.write(lambda tx: tx.exec_driver_sql("update revisions set sealed = ''"))
    await service.revisit()
    assert "record.undecided" in [row.reason for row in await service.rows("select reason from notices")]
    assert len(await service.rows("select id from records where due_at is not null")) == 1


async def entries_after(service: Service) -> list[Any]:
    """The log's decisions."""
    await service.check_house()
    return [entry for entry in await entries_of(service) if entry.kind == Kind.DECISION]


async def test_a_record_that_cannot_be_read_does_not_stop_the_others(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect in one of two tips: a human is told of it, and the other one goes to the agency that came."""
    for number in range(2):
        await consented(service, number)
    broken = (await service.rows("select min(id) from records"))[0][0]

    def unreadable(tx: Any, vault: Any, record_id: str, **more: Any) -> Any:  # noqa: ANN401 - as the product's
        if record_id == broken:
            raise RuntimeError
        return load(tx, vault, record_id, **more)

    await service.enrol(agency(LE))
    monkeypatch.setattr("tiprouter.workflow.revisit.records.load", unreadable)
    await service.revisit()
    assert len(await service.deliver()) == 1
    assert ("record.undecided", broken) in [
        tuple(row) for row in await service.rows("select reason, subject from notices")
    ]
