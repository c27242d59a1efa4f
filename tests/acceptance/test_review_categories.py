"""A review stays open for what a person still consents to, ends with the last of it, and comes back with more."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from tests.acceptance.test_consent_said_twice import confirm
from tests.acceptance.test_reviews import everything_holds
from tests.support.earlier import earlier
from tests.support.fictional import agency, grant, person, tip
from tests.support.governing import COUNSEL, SECOND_COUNSEL, gate_report
from tests.support.reviewing import LE, WITNESS, Reviewers, establish, release
from tests.support.service import START, Service, bundle
from tiprouter.domain.consent import Choice, Consent
from tiprouter.domain.states import ReviewState
from tiprouter.domain.vocabulary import (
    Category,
    Establishable,
    Grantor,
    Outcome,
    RecordKind,
    ReviewAnswer,
    Role,
)
from tiprouter.errors import InvalidError
from tiprouter.workflow import governing
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.governing import Wish
from tiprouter.workflow.reviewing import SettledError

INCIDENT, LOCATION = Category.INCIDENT, Category.LOCATION
BYSTANDER = tip(person("p1", years=None, role=Role.WITNESS))
"""Somebody of unknown age who saw it: what they consent to waits for a human, and nothing else does."""


def refusal(service: Service, *categories: Category) -> Consent:
    """No, from now on: to these categories, or to everything."""
    now = service.clock()
    return grant(
        choice=Choice.REFUSE,
        purposes=(),
        categories=categories,
        expires_at=None,
        informed=False,
        given_at=now,
        valid_from=now,
    )


async def bystander(service: Service) -> Whose:
    """The bystander consented that the police learn what happened and where, and waits for a human."""
    await service.enrol(agency(LE))
    accepted = await service.accept(BYSTANDER)
    whose = Whose(person_id=accepted.stored.persons[0])
    await service.consent(whose, grant(LE, categories=(INCIDENT, LOCATION)))
    service.clock.forward(minutes=30)
    return whose


async def test_a_refusal_of_the_incident_leaves_the_review_open_for_the_place(service: Service) -> None:
    """Once the age is known, the place is told as was allowed, and the incident is not: nothing is lost on the way."""
    reviewers = Reviewers(service)
    whose = await bystander(service)
    first = await reviewers.only()
    await service.consent(whose, refusal(service, INCIDENT))
    held = await reviewers.only()
    assert (held.state, held.deadline) == (ReviewState.OPEN, first.deadline)
    assert [one.id for one in await reviewers.queue(ReviewState.SUPERSEDED)] == [first.id]
    item = await reviewers.read(held.id)
    assert item.decision.facts is not None
    assert item.decision.facts["consents"]["location"] == "granted"
    supposed = {(one.fact, one.value): (one.outcome, one.categories) for one in item.outlook.supposed}
    assert supposed[Establishable.AGE, "adult"] == (Outcome.DISCLOSE, frozenset({LOCATION}))
    await reviewers.answer(establish(Establishable.AGE, "adult"))
    assert await reviewers.told() == [{"location"}]
    assert len(await service.deliver()) == 1
    await everything_holds(service)


async def test_a_refusal_of_everything_ends_the_review(service: Service) -> None:
    """Category after category is refused; with the last of them nothing is left for a human to decide about."""
    reviewers = Reviewers(service)
    whose = await bystander(service)
    await service.consent(whose, refusal(service, INCIDENT))
    assert await reviewers.outcomes() == ["HOLD_REVIEW"]
    service.clock.forward(minutes=1)
    await service.consent(whose, refusal(service, LOCATION))
    assert await reviewers.outcomes() == ["WITHHOLD"]
    assert await reviewers.queue() == []
    assert len(await reviewers.queue(ReviewState.SUPERSEDED)) == 2
    assert await service.claim() == []
    await everything_holds(service)


async def test_the_last_consents_own_end_ends_the_review(service: Service) -> None:
    """Nobody refused: what she granted ran out, and time alone ends what waited for a human."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    accepted = await service.accept(BYSTANDER)
    whose = Whose(person_id=accepted.stored.persons[0])
    end = START + timedelta(hours=2)
    await service.consent(whose, grant(LE, categories=(LOCATION,), expires_at=end))
    assert await reviewers.outcomes() == ["HOLD_REVIEW"]
    service.clock.at = end
    await service.revisit()
    assert await reviewers.outcomes() == ["WITHHOLD"]
    assert await reviewers.queue() == []
    await everything_holds(service)


async def test_an_answer_given_before_the_refusal_is_refused(service: Service) -> None:
    """The reviewer's claim was about more than is left: their answer is refused, and the new item is theirs to take."""
    reviewers = Reviewers(service)
    whose = await bystander(service)
    claimed = await reviewers.claim((await reviewers.only()).id)
    await service.consent(whose, refusal(service, INCIDENT))
    with pytest.raises(SettledError):
        await reviewers.decide(claimed.id, establish(Establishable.AGE, "adult"))
    assert await reviewers.told() == []
    await reviewers.answer(establish(Establishable.AGE, "adult"))
    assert await reviewers.told() == [{"location"}]


async def test_a_reviewer_releases_only_what_is_held(service: Service) -> None:
    """A child who witnessed and refused the incident: whoever asks for it releases nothing, the place can be told."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    accepted = await service.accept(WITNESS)
    whose = Whose(person_id=accepted.stored.persons[0])
    await service.consent(whose, grant(LE, grantor=Grantor.BOTH, categories=(INCIDENT, LOCATION)))
    service.clock.forward(minutes=30)
    await service.consent(whose, refusal(service, INCIDENT))
    held = await reviewers.only()
    assert (await reviewers.read(held.id)).outlook.releasable == {LOCATION}
    await reviewers.claim(held.id)
    for wanted in ((INCIDENT,), (LOCATION, INCIDENT), tuple(Category)):
        with pytest.raises(InvalidError):
            await reviewers.decide(held.id, release(*wanted))
    settled = await reviewers.decide(held.id, release(LOCATION))
    assert settled.held.answer is ReviewAnswer.RELEASE
    assert await reviewers.told() == [{"location"}]
    assert len(await service.deliver()) == 1
    await everything_holds(service)


async def test_a_later_widening_opens_a_review_again(service: Service) -> None:
    """Everything was refused and the review ended; said anew, and said again, the place waits for a human once more."""
    reviewers = Reviewers(service)
    whose = await bystander(service)
    await service.consent(whose, refusal(service))
    assert await reviewers.queue() == []
    service.clock.forward(minutes=1)
    now = service.clock()
    wider = await service.consent(whose, grant(LE, categories=(LOCATION,), given_at=now, valid_from=now))
    assert await reviewers.queue() == [], "a yes after a no waits until it is said again"
    service.clock.forward(minutes=10)
    await confirm(service, wider.consent.id)
    held = await reviewers.only()
    assert held.state is ReviewState.OPEN
    await reviewers.answer(establish(Establishable.AGE, "adult"))
    assert await reviewers.told() == [{"location"}]
    await everything_holds(service)


async def test_what_was_decided_before_is_replayed_under_its_bundle_and_looked_at_again_under_todays(
    service: Service,
) -> None:
    """Under the earlier bundle the review ended with the incident; today's finds the case, and history stands."""
    reviewers = Reviewers(service)
    then = earlier("survivor-led")
    await _activate_earlier(service)
    await service.enrol(agency(LE))
    case = replace(BYSTANDER, kind=RecordKind.CASE, external_id="C-1")
    accepted = await service.put_case(case, None)
    whose = Whose(person_id=accepted.stored.persons[0])
    await service.consent(whose, grant(LE, categories=(INCIDENT, LOCATION)))
    service.clock.forward(minutes=30)
    await service.consent(whose, refusal(service, INCIDENT))
    assert await reviewers.outcomes() == ["WITHHOLD"]
    assert {tuple(row) for row in await service.rows("select bundle from decisions")} == {(then.digest,)}
    await everything_holds(service)
    await service.database.write(lambda tx: governing.roll_back(tx, service.desk, COUNSEL))
    await service.revisit()
    assert await reviewers.outcomes() == ["HOLD_REVIEW"]
    await everything_holds(service)


async def _activate_earlier(service: Service) -> None:
    """Two people bring the bundle of before into force."""
    then, desk = earlier("survivor-led"), service.desk
    wish = Wish(against=bundle().digest, newly_discloses=True, accepted=True)
    report = replace(gate_report("survivor-led"), digest=then.digest)
    await service.database.write(lambda tx: governing.propose(tx, desk, COUNSEL, then))
    await service.database.write(lambda tx: governing.record_check(tx, desk, COUNSEL, then.digest, report))
    for actor in (COUNSEL, SECOND_COUNSEL):
        await service.database.write(partial(governing.approve, desk=desk, actor=actor, digest=then.digest, wish=wish))
    await service.database.write(lambda tx: governing.activate(tx, desk, COUNSEL, then.digest))
