"""One reviewer alone lets leave what two must answer for, or a bundle is written so that one is enough."""

import shutil
from datetime import timedelta
from itertools import chain, combinations
from pathlib import Path

import pytest

from tests.support import service as services
from tests.support.fictional import BLAMELESS, agency, grant, person, tip
from tests.support.reviewing import ANNA, BERT, LE, WITNESS, Reviewers, establish, release, witness
from tests.support.service import LIBRARY, START, Service, open_service
from tiprouter.api.schemas.policies import PolicyBody
from tiprouter.domain.record import Violence
from tiprouter.domain.review import TWICE, Review, second_person, twice
from tiprouter.domain.states import ReviewState
from tiprouter.domain.vocabulary import (
    Answer,
    Category,
    Establishable,
    Grantor,
    Perception,
    RecipientKind,
    ReviewAnswer,
)
from tiprouter.policy import bundle as bundles
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.files import shipped
from tiprouter.workflow import reviewing
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.reviewing import SamePersonError

CPS = RecipientKind.CHILD_PROTECTION
INCIDENT, LOCATION, IDENTITY = Category.INCIDENT, Category.LOCATION, Category.IDENTITY
BYSTANDER = '@id("review.minor-bystander")\n'


def asking(folder: Path, words: str) -> Bundle:
    """The shipped bundle, but that its hold of a child who only saw it asks for a second person for these."""
    copy = Path(shutil.copytree(shipped("survivor-led"), folder / "bundle"))
    text = (copy / "core.cedar").read_text()
    assert text.count(BYSTANDER) == 1
    (copy / "core.cedar").write_text(text.replace(BYSTANDER, f'{BYSTANDER}@second_person("{words}")\n'))
    return bundles.load(copy)


def in_force(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the next service opens with."""
    LIBRARY.keep(bundle)
    monkeypatch.setitem(services._bundles, "survivor-led", bundle)  # noqa: SLF001 - the support's own store


async def more_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happened to a child goes to child protection by release on two people's word; where, on one's."""
    bundle = asking(folder, "incident")
    in_force(bundle, monkeypatch)
    async with open_service(f"sqlite:///{folder / 'asks.db'}", folder) as service:
        reviewers = Reviewers(service)
        await service.enrol(agency(CPS))
        accepted = await service.accept(WITNESS)
        await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(CPS, grantor=Grantor.BOTH))
        item = await reviewers.read((await reviewers.only()).id)
        assert item.outlook.twice == {INCIDENT}
        assert any(PolicyBody.of(note).obligations.second_person == (INCIDENT,) for note in item.notes)
        proposed = await reviewers.answer(release(INCIDENT, LOCATION))
        assert proposed.held.state is ReviewState.PROPOSED
        assert await service.claim() == []
        with pytest.raises(SamePersonError):
            await reviewers.confirm(proposed.held.id, ANNA)
        assert await reviewers.told() == []
        await reviewers.confirm(proposed.held.id, BERT)
        assert await reviewers.told() == [{"incident", "location"}]


async def test_a_bundle_may_ask_a_second_person_for_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any category and toward any agency, by an annotation of a policy that had a part in the hold."""
    await more_is_asked(tmp_path, monkeypatch)


async def house_rule_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle that asks for a second person for the place alone: who she is still takes two toward the police."""
    in_force(asking(folder, "location"), monkeypatch)
    async with open_service(f"sqlite:///{folder / 'less.db'}", folder) as service:
        reviewers = Reviewers(service)
        await service.enrol(agency(LE))
        await witness(service)
        item = await reviewers.read((await reviewers.only()).id)
        assert item.outlook.twice == TWICE | {LOCATION}
        proposed = await reviewers.answer(release(INCIDENT, IDENTITY))
        assert proposed.held.state is ReviewState.PROPOSED
        assert await reviewers.told() == []


async def test_no_bundle_takes_the_house_rule_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its annotations name, identity, contact and health go to police by release on two people's word."""
    await house_rule_stands(tmp_path, monkeypatch)


@pytest.mark.parametrize("kind", list(RecipientKind))
def test_what_a_bundle_asks_for_only_ever_adds(kind: RecipientKind) -> None:
    """Over every set of categories that a bundle could name: nobody is asked less than without it."""
    every = chain.from_iterable(combinations(Category, size) for size in range(len(Category) + 1))
    for also in map(frozenset, every):
        assert twice(kind, also) == twice(kind, frozenset()) | also
        for category in Category:
            review = Review(ReviewAnswer.RELEASE, frozenset({category}))
            assert second_person(kind, review, also) == (category in also or second_person(kind, review))
    assert twice(LE, frozenset()) == TWICE


async def test_an_annotation_that_nobody_heeds_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with the bundle's word not asked for, one reviewer is enough."""
    monkeypatch.setattr(Bundle, "second_person", lambda *_: frozenset())
    with pytest.raises(AssertionError):
        await more_is_asked(tmp_path, monkeypatch)


async def test_a_house_rule_that_a_bundle_replaces_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: were the bundle's word instead of the house's, her name went out on one reviewer's."""

    def instead(_: RecipientKind, review: Review, also: frozenset[Category]) -> bool:
        return bool(review.categories & also)

    monkeypatch.setattr(reviewing, "second_person", instead)
    with pytest.raises(AssertionError):
        await house_rule_stands(tmp_path, monkeypatch)


async def told_of_the_fact(service: Service) -> list[str]:
    """Which reviews somebody is told to look at because of what one reviewer established."""
    rows = await service.rows("select subject from notices where reason = 'fact.opened-identity'")
    return [row.subject for row in rows]


async def looked_at_by_another(service: Service) -> None:
    """Said to be a child by one: the report leaves at once, and another human is told to look."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await service.accept(tip(person(years=None, guardians=BLAMELESS)))
    held = await reviewers.only()
    settled = await reviewers.answer(establish(Establishable.AGE, "minor"))
    assert "identity" in settled.decisions[0].categories
    assert len(await service.deliver()) == 1
    assert await told_of_the_fact(service) == [held.id]


async def test_a_fact_that_opens_a_name_to_police_is_looked_at_by_another(service: Service) -> None:
    """The law's clock waits for nobody, so one person's word is enough; it does not stay unseen."""
    await looked_at_by_another(service)


async def test_a_fact_that_opens_no_name_pages_nobody(service: Service) -> None:
    """The control: danger established as heard tells the police what and where, and nothing of who."""
    await service.enrol(agency(LE))
    unplaced = Violence(Answer.YES, Answer.YES, Perception.UNKNOWN, START - timedelta(minutes=3))
    await service.accept(tip(violence=unplaced))
    settled = await Reviewers(service).answer(establish(Establishable.PERCEIVED, "first_hand"))
    assert settled.decisions[0].categories == ("incident", "location")
    assert await told_of_the_fact(service) == []


async def test_a_fact_that_nobody_else_sees_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with what it opened not compared, one reviewer's word names her and nobody hears."""
    monkeypatch.setattr(reviewing, "_named_to_police", lambda _: set())
    with pytest.raises(AssertionError):
        await looked_at_by_another(service)
