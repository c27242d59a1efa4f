"""She took it back, and whoever held it was never told: her name was out of the case, or something newer was there."""

import json
from dataclasses import replace

import pytest

from tests.attacks.test_erased_content import ONE, OTHER, erase_subject
from tests.support.fictional import agency, grant, person, statement, tip
from tests.support.service import Service
from tiprouter.domain.record import Jurisdiction, Record
from tiprouter.domain.vocabulary import JurisdictionReason, RecipientKind, RecordKind
from tiprouter.workflow import disclose
from tiprouter.workflow.consenting import Whose

LE = RecipientKind.LAW_ENFORCEMENT
HERS = Whose(source="hotline-example", ref="hers")
ELSEWHERE = Jurisdiction("US-NV", JurisdictionReason.FOUND)
THEIRS = Whose(source="hotline-example", ref="theirs")


def case(*refs: str) -> Record:
    """A case about these persons, each with a statement of their own."""
    said = tuple(statement(f"Example words about {ref}.", (ref,)) for ref in refs)
    return tip(*map(person, refs), kind=RecordKind.CASE, external_id="C-1", statements=said)


async def sent(service: Service) -> list[tuple[str, str | None]]:
    """What leaves now: its type, and what it recalls."""
    bodies = [json.loads(ready.envelope.body.body) for ready in await service.deliver()]
    return [(body["type"], body["data"].get("recalls")) for body in bodies]


async def held(service: Service) -> list[str]:
    """The disclosures that are no recalls, oldest first."""
    return [row[0] for row in await service.rows("select id from disclosures where recalls is null order by sequence")]


async def test_a_person_who_is_in_the_case_no_longer_can_still_take_it_back(service: Service) -> None:
    """Told, then left out by a revision that leaves nobody, then withdrawn: the recipient is told."""
    await service.enrol(agency(LE))
    given = await service.consent(HERS, grant(LE))
    await service.put_case(case("hers"), None)
    assert await sent(service) == [("disclosure.made", None)]
    await service.put_case(case("theirs"), 1)
    withdrawal = await service.withdraw(given.consent.id)
    assert (withdrawal.cancelled, withdrawal.in_flight) == (0, 0)
    assert await sent(service) == [("disclosure.recalled", (await held(service))[0])]
    await service.check_house()


async def test_an_older_version_is_recalled_beside_one_that_stands(service: Service) -> None:
    """Two consented, one was left out since and withdraws: the version about both is recalled, the newer one stays."""
    await service.enrol(agency(LE))
    await service.consent(THEIRS, grant(LE))
    given = await service.consent(HERS, grant(LE))
    await service.put_case(case("hers", "theirs"), None)
    await sent(service)
    await service.put_case(case("theirs"), 1)
    assert await sent(service) == [("disclosure.made", None)]
    await service.withdraw(given.consent.id)
    assert await sent(service) == [("disclosure.recalled", (await held(service))[0])]
    assert await service.rows("select count(*) from disclosures where state = 'standing' and recalls is null") == [(1,)]
    await service.check_house()


async def test_an_agency_that_nothing_concerns_any_more_is_told_all_the_same(service: Service) -> None:
    """The case moved to another state, and its police no longer come into question; what they hold is recalled."""
    await service.enrol(agency(LE))
    given = await service.consent(HERS, grant(LE))
    await service.put_case(case("hers"), None)
    await sent(service)
    await service.put_case(replace(case("hers"), jurisdictions=(ELSEWHERE,)), 1)
    await service.withdraw(given.consent.id)
    assert await sent(service) == [("disclosure.recalled", (await held(service))[0])]


async def test_nobody_else_is_told_and_nobody_twice(service: Service) -> None:
    """Another's withdrawal recalls nothing of hers, and hers is recalled once, whoever withdraws afterwards."""
    await service.enrol(agency(LE))
    theirs = await service.consent(THEIRS, grant(LE))
    hers = await service.consent(HERS, grant(LE))
    await service.put_case(case("hers"), None)
    await sent(service)
    await service.put_case(case("theirs"), 1)
    await sent(service)
    await service.withdraw(hers.consent.id)
    await sent(service)
    await service.withdraw(theirs.consent.id)
    first, second = await held(service)
    assert await sent(service) == [("disclosure.recalled", second)]
    assert await service.rows(f"select count(*) from disclosures where recalls = '{first}'") == [(1,)]  # noqa: S608


async def test_what_told_of_an_erased_person_too_is_recalled(service: Service) -> None:
    """They were told of together, the other one was erased, then she withdrew: what is held of her is recalled."""
    await service.enrol(agency(LE))
    await service.consent(THEIRS, grant(LE))
    given = await service.consent(HERS, grant(LE))
    accepted = await service.put_case(case("hers", "theirs"), None)
    await sent(service)
    for reviewer in (ONE, OTHER):
        await erase_subject(service, reviewer, accepted.stored.persons[1])
    assert await sent(service) == [("disclosure.made", None)]
    assert (await service.withdraw(given.consent.id)).delivered == 2
    assert await sent(service) + await sent(service) == [("disclosure.recalled", one) for one in await held(service)]
    assert [row.state for row in await service.rows("select state from disclosures where recalls is null")] == [
        "erased",
        "recalled",
    ]
    await service.check_house()


async def test_these_stories_notice_what_they_are_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: whoever left the record is forgotten; no recall comes."""
    monkeypatch.setattr(disclose, "_taken_back_unasked", lambda *_: set())
    with pytest.raises(AssertionError):
        await test_a_person_who_is_in_the_case_no_longer_can_still_take_it_back(service)
