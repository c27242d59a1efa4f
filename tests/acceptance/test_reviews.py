"""A human decides what policy leaves to a human, on a clock, and never more than policy permits."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.attacks.agreement import entries_of, log_agrees_with_rows
from tests.support.fictional import BLAMELESS, agency, grant, person, tip
from tests.support.governing import COUNSEL, approved
from tests.support.reviewing import (
    ANNA,
    BERT,
    LE,
    RETRY,
    WHY,
    WITHHOLD,
    WITNESS,
    Reviewers,
    establish,
    release,
    witness,
)
from tests.support.service import START, Service, bundle
from tiprouter.domain.record import Age, Signaler, Violence
from tiprouter.domain.states import ReviewState
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Category,
    Establishable,
    Grantor,
    Outcome,
    Perception,
    RecipientKind,
    RecordKind,
    Relationship,
    ReviewAnswer,
    Urgency,
)
from tiprouter.errors import InvalidError
from tiprouter.workflow import assess as assessing
from tiprouter.workflow import governing
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.history import replay
from tiprouter.workflow.reviewing import (
    MovedOnError,
    SamePersonError,
    SettledError,
    TakenError,
    UnclaimedError,
    UnfitAnswerError,
)

CPS, PROVIDER = RecipientKind.CHILD_PROTECTION, RecipientKind.SERVICE_PROVIDER
AGE, DUTY, PERCEIVED = Establishable
INCIDENT, LOCATION, IDENTITY = Category.INCIDENT, Category.LOCATION, Category.IDENTITY
NOW_ISH = Violence(Answer.YES, Answer.YES, Perception.UNKNOWN, START - timedelta(minutes=3))


async def everything_holds(service: Service) -> None:
    """The log verifies and agrees, and every decision would be made again as it was."""
    await log_agrees_with_rows(service)
    replayed = await replay(service.database, service.desk)
    assert replayed.ok, replayed.differences


async def test_an_unknown_age_established_as_minor_is_reported_with_the_clock_from_receipt(service: Service) -> None:
    """Two authorities are named; one reviewer's word decides both, and no second of the duty's time is given back."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await service.enrol(agency(CPS))
    accepted = await service.accept(tip(person(years=None, guardians=BLAMELESS)))
    waiting = await reviewers.queue()
    assert {held.state for held in waiting} == {ReviewState.OPEN}
    service.clock.forward(minutes=20)
    held = waiting[0]
    await reviewers.claim(held.id)
    settled = await reviewers.decide(held.id, establish(AGE, "minor"))
    told = [one for one in settled.decisions if one.outcome is Outcome.REPORT]
    assert told
    received = accepted.stored.record.received_at
    by_recipient = {one.recipient_id: one for one in told}
    assert by_recipient[held.recipient_id].deadline == held.deadline
    assert all(one.deadline is not None and one.deadline > received for one in told)
    assert await reviewers.queue() == [], "the other hold rested on the same unknown"
    assert len(await service.deliver()) == len(told)
    await everything_holds(service)


async def test_an_established_adult_who_consented_is_disclosed(service: Service) -> None:
    """Nobody knew whether the consent counted; once she is known to be an adult, it does, and the shelter is told."""
    reviewers = Reviewers(service)
    await service.enrol(agency(PROVIDER))
    accepted = await service.accept(tip(person(years=None)))
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(PROVIDER))
    assert {one.outcome for one in given.decisions} == {Outcome.HOLD_REVIEW, Outcome.DUTY_BLOCKED}
    item = await reviewers.read((await reviewers.only()).id)
    supposed = {(one.fact, one.value): one.outcome for one in item.outlook.supposed}
    assert supposed[AGE, "adult"] is Outcome.DISCLOSE
    assert supposed[AGE, "minor"] is not Outcome.DISCLOSE, "a child's own consent is void without a guardian's"
    assert item.outlook.releasable == frozenset()
    settled = await reviewers.answer(establish(AGE, "adult"))
    assert [one.outcome for one in settled.decisions] == [Outcome.DISCLOSE]
    assert len(await service.deliver()) == 1
    await everything_holds(service)


async def test_violence_nobody_placed_is_established_as_first_hand_and_reported(service: Service) -> None:
    """Imminent danger goes to the head of the queue; established as heard, the police get the minimum at once."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await service.accept(tip(violence=NOW_ISH))
    held = await reviewers.only()
    assert held.urgency is Urgency.IMMINENT
    settled = await reviewers.answer(establish(PERCEIVED, "first_hand"))
    assert [(one.outcome, one.categories) for one in settled.decisions] == [(Outcome.REPORT, ("incident", "location"))]
    await everything_holds(service)


async def test_relayed_violence_is_known_to_be_relayed_and_can_only_be_withheld(service: Service) -> None:
    """The record says relayed: a reviewer cannot make it heard; withheld, it is over, and the person stays untold."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await service.accept(tip(violence=replace(NOW_ISH, perceived=Perception.RELAYED)))
    with pytest.raises(InvalidError) as refused:
        await reviewers.answer(establish(PERCEIVED, "first_hand"))
    assert refused.value.pointer == "/fact"
    settled = await reviewers.decide((await reviewers.only()).id, WITHHOLD)
    assert [one.outcome for one in settled.decisions] == [Outcome.WITHHOLD]
    assert "reviewer.withheld" in settled.decisions[0].policies
    assert await reviewers.queue() == []
    assert await service.claim() == []
    await everything_holds(service)


async def test_a_professionals_tip_cannot_be_released_against_the_bundles_guard(service: Service) -> None:
    """Under `survivor-led` a professional's word is reviewed, but nothing is permitted: the refusal names what."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await service.accept(tip(signaler=Signaler(Relationship.SERVICE_PROVIDER)))
    held = await reviewers.only()
    item = await reviewers.read(held.id)
    assert "tenant.professional-review" in item.decision.policies
    assert (item.outlook.releasable, item.outlook.preview) == (frozenset(), None)
    before = await service.rows("select id, outcome from decisions order by id")
    await reviewers.claim(held.id)
    for position, wanted in enumerate(((LOCATION,), (INCIDENT, LOCATION))):
        with pytest.raises(InvalidError, match=wanted[0].value) as refused:
            await reviewers.decide(held.id, release(*wanted))
        assert refused.value.pointer == "/categories/0", position
    assert await service.rows("select id, outcome from decisions order by id") == before
    assert (await reviewers.only()).state is ReviewState.CLAIMED
    assert await service.claim() == []
    await everything_holds(service)


async def test_a_release_discloses_what_was_named_and_the_preview_was_what_would_leave(service: Service) -> None:
    """A child who witnessed, with consent: held for a human, who lets what happened leave, and nothing else."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    held = await reviewers.only()
    item = await reviewers.read(held.id)
    assert {INCIDENT, LOCATION, IDENTITY} < item.outlook.releasable
    assert item.outlook.twice == {IDENTITY, Category.CONTACT, Category.HEALTH}
    assert item.outlook.preview is not None
    assert b"Example-p1" in item.outlook.preview
    assert await reviewers.told() == [], "a preview is not a disclosure"
    settled = await reviewers.answer(release(INCIDENT))
    (decided,) = settled.decisions
    assert (decided.outcome, decided.categories) == (Outcome.DISCLOSE, ("incident",))
    assert decided.deadline == held.deadline
    assert await reviewers.told() == [{"incident"}]
    assert (await reviewers.read(held.id)).rationale == WHY
    (ready,) = await service.deliver()
    assert b"Example-p1" not in ready.envelope.body.body
    await everything_holds(service)


async def test_who_somebody_is_goes_to_police_only_on_a_second_persons_word(service: Service) -> None:
    """Proposed by one, nothing leaves; the same person cannot confirm; another's confirmation lets it leave."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    proposed = await reviewers.answer(release(INCIDENT, IDENTITY))
    assert proposed.held.state is ReviewState.PROPOSED
    assert await service.claim() == []
    with pytest.raises(SamePersonError):
        await reviewers.confirm(proposed.held.id, ANNA)
    assert await reviewers.told() == []
    settled = await reviewers.confirm(proposed.held.id, BERT)
    assert [one.outcome for one in settled.decisions] == [Outcome.DISCLOSE]
    assert (settled.held.decided_by, settled.held.confirmed_by) == (ANNA.id, BERT.id)
    assert await reviewers.told() == [{"incident", "identity"}]
    await everything_holds(service)
    mine = [entry for entry in await entries_of(service) if entry.body.get("review") == proposed.held.id]
    assert [one.kind for one in mine] == ["review.opened", "review.claimed", "review.decided", "review.confirmed"]


async def test_whoever_does_not_agree_takes_the_proposal_over(service: Service) -> None:
    """The second person claims instead of confirming: what was proposed is forgotten, and the first has lost it."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    proposed = await reviewers.answer(release(IDENTITY))
    taken = await reviewers.claim(proposed.held.id, BERT)
    assert (taken.answer, taken.categories, taken.decided_by) == (None, (), None)
    with pytest.raises(SettledError):
        await reviewers.confirm(taken.id, ANNA)
    await reviewers.decide(taken.id, WITHHOLD, BERT)
    assert await reviewers.outcomes() == ["WITHHOLD"]
    await everything_holds(service)


async def test_two_reviewers_race_for_one_claim(service: Service) -> None:
    """Both ask at once: exactly one has it."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    held = await reviewers.only()
    answers = await asyncio.gather(*(reviewers.claim(held.id, actor) for actor in (ANNA, BERT)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Held", "TakenError"]
    assert (await reviewers.only()).claimed_by in {ANNA.id, BERT.id}


async def test_a_claim_runs_out_and_another_may_take_it(service: Service) -> None:
    """A microsecond before fifteen minutes it is hers; then it is nobody's, and she must claim again to answer."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    held = await reviewers.claim((await reviewers.only()).id)
    service.clock.at = START + timedelta(minutes=15, microseconds=-1)
    with pytest.raises(TakenError):
        await reviewers.claim(held.id, BERT)
    service.clock.at = START + timedelta(minutes=15)
    with pytest.raises(UnclaimedError):
        await reviewers.decide(held.id, WITHHOLD)
    assert (await reviewers.claim(held.id, BERT)).claimed_by == BERT.id
    await reviewers.decide(held.id, WITHHOLD, BERT)


async def test_a_withdrawal_after_a_release_cancels_or_recalls(service: Service) -> None:
    """What was released and waits is cancelled; what may have arrived is recalled; the release does not return."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    given = await witness(service)
    released = await reviewers.answer(release(INCIDENT))
    await service.deliver()
    await service.withdraw(given.consent.id)
    assert await service.rows("select count(*) from disclosures where recalls is not null") == [(1,)]
    assert "DISCLOSE" not in await reviewers.outcomes()
    assert released.held.id in {held.id for held in await reviewers.queue(ReviewState.SUPERSEDED)}
    await everything_holds(service)


async def test_a_withdrawal_while_the_released_waits_stops_it(service: Service) -> None:
    """The same before anything was sent: nothing ever leaves."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    given = await witness(service)
    await reviewers.answer(release(INCIDENT))
    await service.withdraw(given.consent.id)
    assert await service.rows("select state from deliveries") == [("cancelled",)]
    assert await service.claim() == []


async def test_a_revision_of_the_case_makes_the_release_stale(service: Service) -> None:
    """The reviewer released what was known then; the case says more now: the hold returns, and the queue shows it."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    case = replace(WITNESS, kind=RecordKind.CASE, external_id="C-1")
    accepted = await service.put_case(case, None)
    whose = Whose(person_id=accepted.stored.persons[0])
    await service.consent(whose, grant(LE, grantor=Grantor.BOTH))
    released = await reviewers.answer(release(INCIDENT))
    assert await reviewers.outcomes() == ["DISCLOSE"]
    await service.put_case(replace(case, language="es"), 1)
    assert await reviewers.outcomes() == ["HOLD_REVIEW"]
    again = await reviewers.only()
    assert (again.id != released.held.id, again.state) == (True, ReviewState.OPEN)
    assert await service.rows("select state from deliveries") == [("cancelled",)]
    await everything_holds(service)


async def test_another_bundle_makes_the_release_stale(service: Service) -> None:
    """A release was given under one policy; under another it counts for nothing, whatever that one says."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    await reviewers.answer(release(INCIDENT))
    await approved(service, "tip-sharing")
    digest = bundle("tip-sharing").digest
    await service.database.write(lambda tx: governing.activate(tx, service.desk, COUNSEL, digest))
    await service.revisit()
    assert await reviewers.outcomes() == ["HOLD_REVIEW"]
    assert (await reviewers.only()).state is ReviewState.OPEN
    assert await service.claim() == []


async def test_an_answer_to_what_time_has_changed_is_refused(service: Service) -> None:
    """The consent ran out while she read, and nobody decided again: her release finds it out, and changes nothing."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    accepted = await service.accept(WITNESS)
    end = START + timedelta(minutes=5)
    await service.consent(
        Whose(person_id=accepted.stored.persons[0]), grant(LE, grantor=grant(LE).grantor.BOTH, expires_at=end)
    )
    held = await reviewers.claim((await reviewers.only()).id)
    service.clock.at = end
    with pytest.raises(MovedOnError):
        await reviewers.decide(held.id, release(INCIDENT))
    assert await service.claim() == []
    assert await reviewers.told() == []
    await service.revisit()
    assert await reviewers.outcomes() == ["HOLD_REVIEW"], "a child who witnessed is looked at even without consent"
    assert (await reviewers.read((await reviewers.only()).id)).outlook.releasable == frozenset()


async def test_what_is_known_later_is_not_contradicted_by_what_was_established(service: Service) -> None:
    """Established as a minor, and then the case says twenty-nine: the record is believed, and the report ends."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    case = tip(person(years=None, guardians=BLAMELESS), kind=RecordKind.CASE, external_id="C-1")
    await service.put_case(case, None)
    await reviewers.answer(establish(AGE, "minor"))
    assert await reviewers.outcomes() == ["REPORT"]
    still = replace(case, persons=(replace(case.persons[0], age=Age(belief=AgeBand.UNKNOWN)),), language="es")
    await service.put_case(still, 1)
    assert await reviewers.outcomes() == ["REPORT"], "what stays unknown stays established"
    known = replace(case, persons=(replace(case.persons[0], age=Age(years=29)),))
    await service.put_case(known, 2)
    assert await reviewers.outcomes() == ["WITHHOLD"]
    await everything_holds(service)


async def test_an_unknown_duty_is_established_toward_one_recipient(service: Service) -> None:
    """No table speaks for Guam's police here: a reviewer finds the duty, and that one authority is told."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE, "US-GU"))
    guam = tip(person(years=12)).jurisdictions[0]
    accepted = await service.accept(tip(person(years=12), jurisdictions=(replace(guam, code="US-GU"),)))
    (held,) = [one for one in await reviewers.queue() if one.person_id == accepted.stored.persons[0]]
    item = await reviewers.read(held.id)
    assert item.decision.facts is not None
    assert item.decision.facts["duty"] == "unknown"
    await reviewers.claim(held.id)
    settled = await reviewers.decide(held.id, establish(DUTY, "required"))
    (told,) = [one for one in settled.decisions if one.recipient_id == held.recipient_id]
    assert (told.outcome, told.deadline) == (Outcome.REPORT, held.deadline)
    await everything_holds(service)


async def test_no_duty_established_is_no_silence_reported_again(service: Service) -> None:
    """A reviewer finds that there is no duty toward the only authority: that is decided, and nobody is paged anew."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE, "US-GU"))
    guam = tip(person(years=12)).jurisdictions[0]
    await service.accept(tip(person(years=12), jurisdictions=(replace(guam, code="US-GU"),)))
    settled = await reviewers.answer(establish(DUTY, "not_required"))
    assert [one.outcome for one in settled.decisions] == [Outcome.WITHHOLD]
    await everything_holds(service)


async def test_an_error_is_never_released_and_is_asked_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it fails the review stays; asked again when the fault is gone, the decision is made as it should have."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(assessing, "findings_for", broken)
    await service.accept(tip(person(years=12)))
    held = await reviewers.only()
    assert (held.urgency, (await reviewers.read(held.id)).decision.outcome) == (Urgency.IMMINENT, Outcome.HOLD_ERROR)
    await reviewers.claim(held.id)
    with pytest.raises(UnfitAnswerError):
        await reviewers.decide(held.id, release(INCIDENT))
    with pytest.raises(UnfitAnswerError):
        await reviewers.decide(held.id, establish(AGE, "adult"))
    again = await reviewers.decide(held.id, RETRY)
    assert (again.held.state, again.held.claimed_by) == (ReviewState.OPEN, None)
    monkeypatch.undo()
    settled = await reviewers.answer(RETRY)
    assert settled.held.state is ReviewState.SUPERSEDED
    assert Outcome.REPORT in {one.outcome for one in settled.decisions}
    await everything_holds(service)


async def test_an_error_that_was_withheld_does_not_answer_the_hold_it_hid(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Withheld, the error is out of the queue and nothing leaves; once it can be decided, its real hold joins anew."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(assessing, "findings_for", broken)
    accepted = await service.accept(tip(person(years=None)))
    settled = await reviewers.answer(WITHHOLD)
    assert settled.held.answer is ReviewAnswer.WITHHOLD
    assert Outcome.HOLD_ERROR in {one.outcome for one in settled.decisions}
    assert await reviewers.queue() == []
    monkeypatch.undo()
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(PROVIDER))
    assert (await reviewers.only()).id != settled.held.id
    assert "HOLD_REVIEW" in await reviewers.outcomes()


async def test_a_report_beside_a_review_leaves_at_once_and_is_only_seen(service: Service) -> None:
    """Unknown age in imminent danger: the police know within the minute; the review can neither stop nor widen it."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await service.enrol(agency(CPS))
    await service.accept(tip(person(years=None), violence=replace(NOW_ISH, perceived=Perception.HEARD)))
    assert await reviewers.outcomes() == ["HOLD_REVIEW", "REPORT"]
    held = await reviewers.claim((await reviewers.queue())[0].id)
    assert (await reviewers.read(held.id)).decision.outcome is Outcome.REPORT
    with pytest.raises(UnfitAnswerError):
        await reviewers.decide(held.id, release(INCIDENT))
    await reviewers.decide(held.id, WITHHOLD)
    assert await reviewers.outcomes() == ["HOLD_REVIEW", "REPORT"]
    assert held.id not in {one.id for one in await reviewers.queue()}
    assert len(await service.deliver()) == 1
    await everything_holds(service)


async def test_danger_first_then_the_earliest_deadline(service: Service) -> None:
    """Three holds: stated immediate violence precedes a child's hour, which precedes what has days."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service, replace(WITNESS, external_id="T-slow"))
    await service.accept(tip(person("p2", years=None), external_id="T-soon"))
    await service.accept(tip(person("p3"), violence=NOW_ISH, external_id="T-now"))
    first, *others = await reviewers.queue()
    assert (first.urgency, {one.urgency for one in others}) == (Urgency.IMMINENT, {Urgency.STANDARD})
    assert [one.deadline for one in others] == sorted(one.deadline for one in others)
    assert first.deadline > others[0].deadline, "danger comes first whatever the deadline"
    soon = await reviewers.queue(due=others[0].deadline)
    assert [one.id for one in soon] == [others[0].id]


async def test_a_human_is_told_before_a_review_is_late_and_when_it_is(service: Service) -> None:
    """At four fifths of the time, at its end, and then no more; an answered one is nobody's trouble."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    held = await reviewers.only()
    assert await reviewers.tell() == 0
    assert held.warn_at is not None
    service.clock.at = held.warn_at
    assert (await reviewers.tell(), await reviewers.tell()) == (1, 0)
    service.clock.at = held.deadline
    assert (await reviewers.tell(), await reviewers.tell()) == (1, 0)
    reasons = [row.reason for row in await service.rows("select reason from notices order by raised_at, id")]
    assert reasons[-2:] == ["review.due", "review.overdue"]
    await everything_holds(service)


async def test_what_a_reviewer_wrote_is_nowhere_in_the_log_or_the_clear(service: Service) -> None:
    """The rationale is committed to and sealed: neither an entry nor a row holds a word of it, nor what was found."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await service.accept(tip(person(years=None, guardians=BLAMELESS)))
    await reviewers.answer(establish(AGE, "minor"))
    await service.check_house()
    raw = b"".join(bytes(row.entry) for row in await service.rows("select entry from log_entries"))
    (found,) = [one for one in await entries_of(service) if one.kind == "fact.established"]
    assert b"Marker" not in raw
    assert found.body["fact"] == "age"
    assert "minor" not in str(found.body)
    (sealed,) = await service.rows("select sealed from reviews where sealed is not null")
    assert b"Marker" not in bytes(sealed.sealed)


async def test_a_review_of_an_erased_record_has_lost_its_words(service: Service) -> None:
    """The record's key is gone: what was answered is still told, why is not; what waits can be answered no more."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    held = (await reviewers.answer(release(INCIDENT, IDENTITY))).held
    await service.database.write(
        lambda tx: tx.exec_driver_sql(f"delete from data_keys where owner = '{held.record_id}'")  # noqa: S608 - our id
    )
    item = await reviewers.read(held.id)
    assert (item.held.answer, item.rationale, item.outlook.preview) == (ReviewAnswer.RELEASE, None, None)
    with pytest.raises(MovedOnError):
        await reviewers.confirm(held.id)
