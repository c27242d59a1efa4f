"""Two machines do everything about one person at once: nobody waits in a circle, nothing is lost, promises hold."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.attacks.interleaving import interleaved
from tests.support.fictional import agency, grant, person, statement, tip
from tests.support.service import INTAKE, OPERATOR, Service, room
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.record import Record
from tiprouter.domain.vocabulary import RecipientKind, RecordKind
from tiprouter.errors import ConflictError, UnavailableError
from tiprouter.workflow import enrolment
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.dispatch import claim
from tiprouter.workflow.intake import put_case

LE, CPS = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION
SECONDS = 3.0
T = TypeVar("T")


class Hammer:
    """Stories told again and again until time is up; what each gave is counted."""

    def __init__(self, seconds: float) -> None:
        self._end = asyncio.get_running_loop().time() + seconds
        self.told: Counter[str] = Counter()

    async def keep(self, name: str, story: Callable[[], Awaitable[object]]) -> None:
        """Tell a story until the end; a conflict is an answer, an unavailable database is asked again."""
        while asyncio.get_running_loop().time() < self._end:
            try:
                await story()
                self.told[name] += 1
            except ConflictError:
                self.told[f"{name}: conflict"] += 1
            except UnavailableError:
                self.told["asked again"] += 1
            await asyncio.sleep(0)


def case(number: int, words: str) -> Record:
    """A case about the one person and somebody else."""
    persons = (person("shared"), person(f"other{number}", years=12))
    return tip(*persons, kind=RecordKind.CASE, external_id=f"C-{number}", statements=(statement(words, ("shared",)),))


async def test_everything_at_once_about_one_person(two: tuple[Service, Service]) -> None:
    """Consents, withdrawals, revisions, claims, answers and changed agencies for seconds; then all invariants hold."""
    here = two[0]
    chance = random.Random(20260302)  # noqa: S311 - the order of a test, not a secret
    police = (await here.enrol(agency(LE))).recipient
    await here.enrol(agency(CPS))
    cases = [(await here.put_case(case(number, "first"), None)).stored.id for number in range(3)]
    whose = Whose(source="hotline-example", ref="shared")
    hammer = Hammer(SECONDS)

    async def consent_and_withdraw(service: Service) -> None:
        given = await service.consent(whose, grant(LE))
        await asyncio.sleep(chance.random() / 50)
        await service.withdraw(given.consent.id)

    async def revise(service: Service) -> None:
        number = chance.randrange(3)
        stands = await service.rows(f"select revision from records where id = '{cases[number]}'")  # noqa: S608
        await service.put_case(case(number, f"revised {chance.random()}"), stands[0].revision)

    async def deliver(service: Service) -> None:
        for ready in await service.claim(limit=chance.randrange(1, 6)):
            await asyncio.sleep(chance.random() / 200)
            await service.finish(ready, chance.choice((AttemptResult.SUCCESS, AttemptResult.HTTP_ERROR)))
        service.clock.forward(seconds=1)
        await asyncio.sleep(0.02)

    async def abandon(service: Service) -> None:
        await service.claim(limit=1)
        service.clock.forward(seconds=6)
        await asyncio.sleep(0.05)

    async def rename(service: Service) -> None:
        stands = await service.rows(f"select revision from recipients where id = '{police.id}'")  # noqa: S608
        wanted = replace(police, name=f"Example {chance.random()}")
        revision = stands[0].revision
        await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, wanted, revision))
        await asyncio.sleep(0.02)

    stories = (consent_and_withdraw, revise, deliver, deliver, abandon, rename)
    async with asyncio.timeout(10 * SECONDS), asyncio.TaskGroup() as group:
        for service in two:
            for story in stories:
                group.create_task(hammer.keep(story.__name__, partial(story, service)))
    for story in stories:
        assert hammer.told[story.__name__] > 1, hammer.told
    # Locks are taken in one order everywhere, so a deadlock is a defect even though asking again would cure it.
    assert hammer.told["asked again"] == 0, hammer.told
    await all_promises_hold(here, hammer)


async def all_promises_hold(service: Service, hammer: Hammer) -> None:
    """After the storm: one decision stands per person and recipient, none on a withdrawn consent, the log agrees."""
    doubles = await service.rows(
        "select record_id from decisions where current group by record_id, person_id, recipient_id having count(*) > 1"
    )
    assert doubles == []
    versions = await service.rows(
        "select record_id from disclosures where state = 'standing' and recalls is null"
        " group by record_id, recipient_id having count(*) > 1"
    )
    assert versions == []
    given = await service.rows("select count(*) as n from consents where revision = 1")
    withdrawn = await service.rows("select count(*) as n from consents where revision = 2")
    # A grant that waits lapses with the other machine's withdrawal; then there is nothing to withdraw.
    told = hammer.told["consent_and_withdraw"] + hammer.told["consent_and_withdraw: conflict"]
    assert given[0].n == withdrawn[0].n == told
    assert (await service.rows("select max(revision) from consents"))[0][0] == 2
    standing = await service.rows(
        "select outcome from decisions where current and facts->>'age' = 'adult' and outcome in ('REPORT', 'DISCLOSE')"
    )
    assert standing == []
    for _ in range(30):
        service.clock.forward(minutes=5)
        await service.deliver()
    assert await service.rows("select id from deliveries where state in ('queued', 'claimed', 'retrying')") == []
    assert await service.rows("select delivery_id from attempts group by delivery_id, number having count(*) > 1") == []
    await log_agrees_with_rows(service)


async def test_two_revisions_of_one_case_at_once(two: tuple[Service, Service]) -> None:
    """Both were read from the same revision, one is stopped anywhere: one stands, one hears it is stale."""
    here, there = two
    as_read: dict[str, Any] = {"actor": INTAKE, "expected": 1}
    more, number = True, 1
    while more:
        await here.put_case(case(number, "first"), None)
        one, other, more = await interleaved(
            number,
            (here.database, partial(put_case, desk=here.desk, record=case(number, "here"), **as_read)),
            (there.database, partial(put_case, desk=there.desk, record=case(number, "there"), **as_read)),
        )
        assert sorted(type(answer).__name__ for answer in (one, other)) == ["Accepted", "StaleError"], (one, other)
        number += 3
    await log_agrees_with_rows(here)


async def test_a_claim_is_had_by_one_of_two(two: tuple[Service, Service]) -> None:
    """Two workers claim at once, one stopped at every fifth statement: each delivery is attempted once, by one."""
    here, there = two
    await here.enrol(agency(LE))
    await here.enrol(agency(CPS))
    more, number = True, 1
    while more:
        await here.accept(tip(person(f"p{number}", years=12), external_id=f"T-{number}"))
        one, other, more = await interleaved(
            number,
            (here.database, lambda tx: claim(tx, here.desk, room())),
            (there.database, lambda tx: claim(tx, there.desk, room())),
        )
        for answer in (one, other):
            assert isinstance(answer, list), answer
        assert len({ready.delivery_id for ready in one + other}) == len(one) + len(other) == 2
        for ready in one + other:
            assert await here.finish(ready) == "delivered"
        number += 5
    assert await here.rows("select id from attempts where number > 1") == []
    await log_agrees_with_rows(here)


@pytest.mark.parametrize("change_first", [True, False])
async def test_a_claim_and_a_decision_that_changes_cut_into_each_other(
    two: tuple[Service, Service], *, change_first: bool
) -> None:
    """Claims on both machines find a consent run out at once, one of them stopped: decided once, sent by nobody."""
    here = two[0]
    await here.enrol(agency(LE))
    more, number = True, 1
    while more:
        accepted = await here.accept(tip(person(f"p{number}"), external_id=f"T-{number}"))
        until = here.clock.at + timedelta(minutes=1)
        await here.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE, expires_at=until))
        here.clock.forward(minutes=2)
        stories: list[Any] = [(one.database, lambda tx, one=one: claim(tx, one.desk, room())) for one in two]
        first, second = stories if change_first else stories[::-1]
        one, other, more = await interleaved(number, first, second)
        assert (one, other) == ([], [])
        number += 6
    assert await here.rows("select id from attempts") == []
    doubles = "select record_id from decisions where current group by record_id, recipient_id having count(*) > 1"
    assert await here.rows(doubles) == []
    await log_agrees_with_rows(here)
