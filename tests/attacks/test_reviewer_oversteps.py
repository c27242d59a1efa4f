"""A reviewer asks for more than policy permits, answers what is not theirs, or answers yesterday's question."""

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.acceptance import test_reviews as stories
from tests.attacks.agreement import log_agrees_with_rows
from tests.support.fictional import agency, grant, person, tip
from tests.support.reviewing import (
    ANNA,
    BERT,
    LE,
    WITHHOLD,
    WITNESS,
    Reviewers,
    establish,
    release,
    witness,
)
from tests.support.service import Service, bundle, open_service
from tiprouter.domain import facts, outcome
from tiprouter.domain.explain import facts_from
from tiprouter.domain.outcome import narrowed
from tiprouter.domain.review import Review, about
from tiprouter.domain.states import ReviewState
from tiprouter.domain.vocabulary import AgeBand, Category, Establishable, Grantor, RecipientKind, ReviewAnswer
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.policy.engine import Engine
from tiprouter.storage import decisions, disclosures
from tiprouter.workflow import assess, review_queue, reviewing, situation
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.reviewing import Said, SettledError, TakenError, UnclaimedError

PROVIDER = RecipientKind.SERVICE_PROVIDER
INCIDENT, IDENTITY = Category.INCIDENT, Category.IDENTITY
ENGINE = Engine(bundle())


async def nothing_more_than_permitted(service: Service) -> None:
    """Every decision that stands, and every disclosure that lives, tells at most what its facts permit."""

    def look(tx: Any) -> None:  # noqa: ANN401 - a connection
        for (record_id,) in tx.exec_driver_sql("select id from records").fetchall():
            standing = decisions.current(tx, record_id)
            allowed: dict[str, set[str]] = {}
            for one in standing:
                permitted: set[str] = set()
                if one.facts is not None:
                    plain = facts_from(one.facts)
                    permitted = {each.value for each in narrowed(plain, ENGINE.rule(plain)).permitted}
                assert set(one.categories) <= permitted, one.id
                allowed.setdefault(one.recipient_id or "", set()).update(one.categories)
            for recipient_id, live in disclosures.live(tx, record_id).items():
                assert set(live.categories) <= allowed.get(recipient_id, set())

    await service.database.read(look)


async def test_a_release_of_one_category_too_many_releases_none(service: Service) -> None:
    """All that is permitted and immigration, which never goes to police: refused at its place, and nothing leaves."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    held = await reviewers.claim((await reviewers.only()).id)
    with pytest.raises(InvalidError, match="immigration") as refused:
        await reviewers.decide(held.id, release(INCIDENT, Category.IMMIGRATION))
    assert refused.value.pointer == "/categories/1"
    assert (await reviewers.only()).state is ReviewState.CLAIMED
    assert await service.claim() == []
    await nothing_more_than_permitted(service)
    await log_agrees_with_rows(service)


async def test_a_row_that_says_more_than_was_permitted_lets_no_more_leave(service: Service) -> None:
    """Somebody writes every category into the stored answer: the next decision cuts it to what the policy permits."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    await reviewers.answer(release(INCIDENT))
    forged = json.dumps([each.value for each in Category])
    await service.database.write(lambda tx: tx.exec_driver_sql(f"update reviews set categories = '{forged}'"))  # noqa: S608
    await service.enrol(agency(PROVIDER))
    await service.database.write(lambda tx: tx.exec_driver_sql("update records set due_at = 0"))
    await service.revisit()
    await nothing_more_than_permitted(service)
    assert "immigration" not in {one for told in await reviewers.told() for one in told}


async def test_only_who_claimed_may_answer(service: Service) -> None:
    """Unclaimed, another's, and after it is over: each is refused, and nothing changes."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    held = await reviewers.only()
    with pytest.raises(UnclaimedError):
        await reviewers.decide(held.id, WITHHOLD)
    await reviewers.claim(held.id, ANNA)
    with pytest.raises(UnclaimedError):
        await reviewers.decide(held.id, release(INCIDENT), BERT)
    with pytest.raises(TakenError):
        await reviewers.claim(held.id, BERT)
    with pytest.raises(SettledError):
        await reviewers.confirm(held.id, BERT)
    assert await reviewers.outcomes() == ["HOLD_REVIEW"]
    await reviewers.decide(held.id, WITHHOLD, ANNA)
    for again in (reviewers.claim(held.id, BERT), reviewers.decide(held.id, release(INCIDENT), ANNA)):
        with pytest.raises(SettledError):
            await again
    with pytest.raises(NotFoundError):
        await reviewers.claim("rvw_01KJQH0CC0BX86ENBVMH4TY5PG")


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        (Said(ReviewAnswer.RELEASE, "x"), "/categories"),
        (Said(ReviewAnswer.RELEASE, "x", (INCIDENT,), Establishable.AGE, "adult"), "/fact"),
        (Said(ReviewAnswer.WITHHOLD, "x", (INCIDENT,)), "/answer"),
        (Said(ReviewAnswer.ESTABLISH, "x"), "/fact"),
        (Said(ReviewAnswer.ESTABLISH, "x", (INCIDENT,), Establishable.AGE, "adult"), "/categories"),
        (Said(ReviewAnswer.ESTABLISH, "x", fact=Establishable.AGE, value="adult"), "/fact"),
        (Said(ReviewAnswer.ESTABLISH, "x", fact=Establishable.PERCEIVED, value="adult"), "/value"),
        (Said(ReviewAnswer.ESTABLISH, "x", fact=Establishable.PERCEIVED, value="unknown"), "/value"),
    ],
)
async def test_an_answer_that_cannot_mean_what_it_says_is_refused(service: Service, said: Said, pointer: str) -> None:
    """A release without categories, a fact that is known (a witness of fifteen), a value of another fact."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    with pytest.raises(InvalidError) as refused:
        await reviewers.answer(said)
    assert refused.value.pointer == pointer
    assert await service.rows("select id from established") == []


async def test_a_release_and_a_withdrawal_at_once(two: tuple[Service, Service]) -> None:
    """Whichever comes first on two machines: in the end the consent is gone, and nothing that rested on it waits."""
    here, there = two
    reviewers = Reviewers(here)
    await here.enrol(agency(LE))
    for number in range(4):
        record = replace(WITNESS, external_id=f"T-{number}", persons=(replace(WITNESS.persons[0], ref=f"w{number}"),))
        record = replace(record, signaler=replace(record.signaler, ref=f"w{number}"), statements=())
        given = await witness(here, record)
        (held,) = [one for one in await reviewers.queue() if one.person_id == given.consent.person_id]
        await reviewers.claim(held.id)
        answers = await asyncio.gather(
            reviewers.decide(held.id, release(INCIDENT)), there.withdraw(given.consent.id), return_exceptions=True
        )
        assert [one for one in answers if isinstance(one, BaseException) and not isinstance(one, ConflictError)] == []
    assert await here.claim() == []
    assert set(await reviewers.outcomes()) == {"HOLD_REVIEW"}
    await nothing_more_than_permitted(here)
    await log_agrees_with_rows(here)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("release"), st.frozensets(st.sampled_from(Category), min_size=1)),
        st.tuples(
            st.just("establish"), st.sampled_from(["age=adult", "age=minor", "duty=required", "duty=not_required"])
        ),
        st.tuples(st.sampled_from(["withhold", "confirm", "grant", "withdraw", "day", "deliver"]), st.none()),
    ),
    min_size=3,
    max_size=9,
)


async def live(folder: Path, steps: list[tuple[str, Any]]) -> None:
    """One life of a service whose reviewers do all this; after every step nothing leaves that is not permitted."""
    async with open_service(f"sqlite:///{folder / 'tiprouter.db'}", folder) as service:
        reviewers = Reviewers(service)
        for kind in (LE, PROVIDER):
            await service.enrol(agency(kind))
        given = [await witness(service)]
        await service.accept(tip(person("p2", years=None), external_id="T-2"))
        whose = Whose(source="hotline-example", ref="p2")
        for step, what in steps:
            try:
                await _take(reviewers, service, step, what)
                if step == "grant":
                    given.append(await service.consent(whose, grant(LE, PROVIDER, grantor=Grantor.SELF)))
                if step == "withdraw" and given:
                    await service.withdraw(given.pop().consent.id)
            except (InvalidError, ConflictError):
                pass
            await nothing_more_than_permitted(service)
        await stories.everything_holds(service)


async def _take(reviewers: Reviewers, service: Service, step: str, what: Any) -> None:  # noqa: ANN401 - by step
    waiting = await reviewers.queue()
    if step == "day":
        service.clock.forward(days=1)
        await service.revisit()
    elif step == "deliver":
        await service.deliver()
    elif step == "confirm":
        for held in waiting:
            if held.state is ReviewState.PROPOSED:
                await reviewers.confirm(held.id)
    elif step in {"release", "withhold", "establish"}:
        for held in waiting:
            await reviewers.claim(held.id)
            said = WITHHOLD
            if step == "release":
                said = release(*sorted(what))
            if step == "establish":
                fact, _, value = what.partition("=")
                said = establish(Establishable(fact), value)
            await reviewers.decide(held.id, said)


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_reviewers_answer_nothing_leaves_that_the_policy_does_not_permit(steps: list[tuple[str, Any]]) -> None:
    """Any sequence of answers, consents, withdrawals and days: after each, all that leaves is permitted."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder), steps))


Story = Callable[[Service], Awaitable[None]]


def _obeys(review: Review | None, permitted: frozenset[Category]) -> frozenset[Category]:
    del permitted
    return frozenset() if review is None else review.categories


def _always(self: situation.Seen, ref: str, recipient_id: str, _facts: object) -> Review | None:
    """A stale answer counts."""
    given = self.answers.get((self.persons[ref], recipient_id), ())
    return next((Review(one.answer, frozenset(map(Category, one.categories))) for one in given if one.answer), None)


FAULTS: list[tuple[str, object, str, object, Story]] = [
    (
        "a-forged-row-is-believed",
        outcome,
        "released",
        _obeys,
        test_a_row_that_says_more_than_was_permitted_lets_no_more_leave,
    ),
    (
        "nobody-checks-what-is-asked-for",
        reviewing,
        "_refuse_release",
        lambda *_: None,
        test_a_release_of_one_category_too_many_releases_none,
    ),
    (
        "the-guard-is-not-asked",
        reviewing,
        "_refuse_release",
        lambda *_: None,
        stories.test_a_professionals_tip_cannot_be_released_against_the_bundles_guard,
    ),
    (
        "a-stale-release-counts",
        situation.Seen,
        "answer",
        _always,
        stories.test_a_revision_of_the_case_makes_the_release_stale,
    ),
    (
        "a-release-outlives-its-bundle",
        situation,
        "about",
        lambda revision, plain, _bundle: stories_about(revision, plain),
        stories.test_another_bundle_makes_the_release_stale,
    ),
    (
        "one-person-breaks-the-glass",
        reviewing,
        "second_person",
        lambda *_: False,
        stories.test_who_somebody_is_goes_to_police_only_on_a_second_persons_word,
    ),
    (
        "a-claim-is-for-ever",
        reviewing,
        "_claimed",
        lambda *_: True,
        stories.test_a_claim_runs_out_and_another_may_take_it,
    ),
    ("a-claim-is-for-nobody", reviewing, "_claimed", lambda *_: False, test_only_who_claimed_may_answer),
    (
        "nothing-joins-the-queue",
        assess,
        "follow",
        lambda *_: None,
        stories.test_danger_first_then_the_earliest_deadline,
    ),
    (
        "nobody-is-told",
        review_queue,
        "UNANSWERED",
        frozenset(),
        stories.test_a_human_is_told_before_a_review_is_late_and_when_it_is,
    ),
    (
        "what-was-established-contradicts-the-record",
        facts,
        "age_of",
        lambda found, _ref, known: AgeBand(found[-1].value) if found else known,
        stories.test_what_is_known_later_is_not_contradicted_by_what_was_established,
    ),
    (
        "an-answer-to-what-changed-is-taken",
        reviewing,
        "_took",
        lambda *_: True,
        stories.test_an_answer_to_what_time_has_changed_is_refused,
    ),
]


def stories_about(revision: int, plain: Any) -> str:  # noqa: ANN401 - JSON
    """What an answer is about, but for the bundle: the one that was active when it was given."""
    return about(revision, plain, bundle().digest)


@pytest.mark.parametrize(
    ("place", "name", "fault", "story"), [one[1:] for one in FAULTS], ids=[one[0] for one in FAULTS]
)
async def test_a_planted_fault_is_found_out(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    place: object,
    name: str,
    fault: object,
    story: Story,
) -> None:
    """The tests of the tests: with each promise broken, a story above notices."""
    monkeypatch.setattr(place, name, fault)
    with pytest.raises((AssertionError, pytest.fail.Exception, ConflictError, InvalidError, ValueError)):
        await story(service)
