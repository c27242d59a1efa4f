"""Can a question get out of the hotline what a consent does not let out? (workflow/questions.py)"""

from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fictional import SECRET, agency, grant, person, statement, tip
from tests.support.questioning import ANSWER, ASKS, LE, SP, TWO, Hotline, Police, police, told
from tests.support.service import INTAKE, START, Service
from tiprouter.domain import redaction
from tiprouter.domain.outcome import Notice, Verdict
from tiprouter.domain.question import AnswerResult, QuestionState
from tiprouter.domain.vocabulary import Category, Outcome, Urgency
from tiprouter.errors import NotFoundError
from tiprouter.storage import questions as stored_questions
from tiprouter.storage.disclosures import Filter
from tiprouter.workflow import answering, inquiry
from tiprouter.workflow import questions as stories
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.erasing import erase_record
from tiprouter.workflow.happening import Actor


def verdict(categories: frozenset[Category]) -> Verdict:
    """What may leave about one person."""
    outcome = Outcome.DISCLOSE if categories else Outcome.WITHHOLD
    return Verdict(
        outcome=outcome,
        categories=categories,
        policies=("x.y",),
        review=False,
        deadline=START,
        urgency=Urgency.STANDARD,
        notice=Notice.NOT_REQUIRED,
        facts=None,
        valid_until=None,
    )


async def seen_by(agency: Police) -> list[Any]:
    """Everything an agency can see of its own: messages, disclosures, and what it said."""
    desk, database = agency.service.desk, agency.service.database
    page = await database.write(lambda tx: inquiry.list_disclosures(tx, desk, agency.actor, Filter(), None, 200))
    ids = [one.disclosure.id for one in page.items]
    journeys = await database.write(lambda tx: [inquiry.disclosure(tx, desk, agency.actor, one) for one in ids])
    return [await agency.bodies(), page, journeys]


async def test_a_withheld_answer_looks_like_silence_to_the_agency(service: Service) -> None:
    """Whatever it may read is the same, to the byte, before and after an answer that the gate kept back."""
    asking, hotline = await police(service), Hotline(service)
    await told(service, categories=(Category.INCIDENT,))
    await asking.ask()
    before = await seen_by(asking)
    given = await hotline.answer(statement("is ill", category=Category.HEALTH))
    assert given.result is AnswerResult.CATEGORY_WITHHELD
    await service.deliver()
    assert await seen_by(asking) == before
    rows = await service.rows("select sequence from matters")
    assert [row.sequence for row in rows] == [1]


async def test_another_agency_neither_sees_nor_asks_nor_gets_the_answer(service: Service) -> None:
    """What one agency asks is between it and the hotline."""
    asking, hotline = await police(service), Hotline(service)
    other = Police(service, (await service.enrol(agency(LE))).recipient)
    await told(service)
    mine = [one for one in await asking.bodies() if one["data"]["recipient_id"] == asking.recipient.id]
    disclosure_id = mine[0]["data"]["disclosure_id"]
    before = await seen_by(other)
    with pytest.raises(NotFoundError):
        await other.say(ASKS, disclosure_id, question="Zyxwv")
    await asking.say(ASKS, disclosure_id, question="Which van?")
    await hotline.answer()
    await service.deliver()
    assert await seen_by(other) == before
    assert (await asking.bodies())[-1]["type"] == "disclosure.answered"


async def test_a_person_who_consented_to_another_agency_is_not_told_of_here(service: Service) -> None:
    """The answer is decided toward the one that asked, not toward whoever may know."""
    asking, hotline = await police(service), Hotline(service)
    await service.enrol(agency(SP))
    accepted = await service.accept(TWO)
    first, second = accepted.stored.persons
    await service.consent(Whose(person_id=first), grant(LE))
    await service.consent(Whose(person_id=second), grant(SP))
    await service.deliver()
    about = [one for one in await asking.bodies() if one["data"]["recipient_id"] == asking.recipient.id][-1]
    await asking.say(ASKS, about["data"]["disclosure_id"], question="Who else?")
    given = await hotline.answer(statement("was there", persons=("p2",)))
    assert given.result is AnswerResult.PERSON_WITHHELD
    await service.deliver()
    assert not any(b"was there" in one.body.body for one in service.sent)


async def test_an_answer_that_waits_is_sealed(service: Service) -> None:
    """In the database it is unreadable, as everything that people said."""
    asking, hotline = await police(service), Hotline(service)
    await told(service)
    await asking.ask(f"Zyxwv-Question {SECRET}")
    await hotline.answer()
    rows = [
        *await service.rows("select sealed from questions"),
        *await service.rows("select sealed from acknowledgements"),
        *await service.rows("select sealed from disclosures"),
    ]
    assert len(rows) == 4
    for row in rows:
        assert SECRET.encode() not in bytes(row.sealed)
        assert b"blue van" not in bytes(row.sealed)


async def test_erasing_the_record_erases_the_answer_and_closes_the_question(service: Service) -> None:
    """Nothing of what was asked or answered can be read afterwards."""
    asking, hotline = await police(service), Hotline(service)
    await told(service)
    await asking.ask("First?")
    await hotline.answer()
    await service.deliver()
    await asking.say(ASKS, (await asking.bodies())[0]["data"]["disclosure_id"], question="Second?")
    record = (await hotline.questions())[0].question.record_id
    for actor in (INTAKE, Actor("cal_other", "reviewer")):
        await service.database.write(partial(erase_record, desk=service.desk, actor=actor, record_id=record))
    rows = await service.rows("select state, sealed from questions order by id")
    assert sorted(row.state for row in rows) == ["answered", "closed"]
    assert not any(row.sealed for row in rows)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    permitted=st.lists(st.frozensets(st.sampled_from(Category)), min_size=3, max_size=3),
    about=st.sets(st.sampled_from(["p1", "p2", "p3"]), min_size=1),
    category=st.one_of(st.none(), st.sampled_from(Category)),
)
def test_an_answer_leaves_only_where_everybody_permits_it(
    permitted: list[frozenset[Category]], about: set[str], category: Category | None
) -> None:
    """For every combination of permissions, of persons and of a label or none."""
    record = tip(person("p1"), person("p2"), person("p3"))
    verdicts = {f"p{number}": verdict(frozenset(some)) for number, some in enumerate(permitted, start=1)}
    said = statement("Zyxwv", persons=tuple(sorted(about)), category=category)
    address = redaction.Address("dis_1", "mat_1", 2, START, START)
    asked = redaction.Asked("ack_1", "dis_0", "dis_0")
    made = redaction.answer(record, verdicts, agency(), address, asked, said)
    wanted = frozenset(Category) if category is None else frozenset((category,))
    assert (made is not None) is all(wanted <= verdicts[ref].categories for ref in about)


async def test_the_tests_notice_an_answer_that_does_not_pass_the_gate(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every category taken as permitted, the answer of the first story would leave."""
    monkeypatch.setattr(redaction, "_may_leave", lambda *_: True)
    with pytest.raises(AssertionError):
        await test_a_withheld_answer_looks_like_silence_to_the_agency(service)


async def test_the_tests_notice_a_number_given_out_for_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the withheld answer's place in the sequence kept, the agency could count the silences."""
    reason = stories._why  # noqa: SLF001 - what is broken on purpose

    def counted(stored: Any, question: Any, *rest: Any) -> Any:  # noqa: ANN401 - as the story's own
        hold["tx"].exec_driver_sql("update matters set sequence = sequence + 1")
        return reason(stored, question, *rest)

    hold: dict[str, Any] = {}
    load = stored_questions.load

    def remember(tx: Any, question_id: str) -> Any:  # noqa: ANN401 - as above
        hold["tx"] = tx
        return load(tx, question_id)

    monkeypatch.setattr(stored_questions, "load", remember)
    monkeypatch.setattr(stories, "_why", counted)
    with pytest.raises(AssertionError):
        await test_a_withheld_answer_looks_like_silence_to_the_agency(service)


async def test_the_tests_notice_an_answer_to_somebody_else(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the answer decided toward another agency, a person who told only that one would be told of here."""
    keep = answering._follow  # noqa: SLF001 - what is broken on purpose

    def toward_any(it: Any, stored: Any, found: Any, draft: Any, *rest: Any) -> None:  # noqa: ANN401 - as the story's own
        keep(it, stored, found, next((one for one in drafts if one is not None), draft), *rest)

    drafts: list[Any] = []
    carry = answering.carry

    def watched(it: Any, stored: Any, all_drafts: Any, *rest: Any) -> None:  # noqa: ANN401 - as above
        drafts[:] = [one for one in all_drafts.values() if one is not None and one.recipient.kind is SP]
        carry(it, stored, all_drafts, *rest)

    monkeypatch.setattr(answering, "_follow", toward_any)
    monkeypatch.setattr("tiprouter.workflow.assess.carry", watched)
    with pytest.raises(AssertionError):
        await test_a_person_who_consented_to_another_agency_is_not_told_of_here(service)


def test_states_of_a_question_are_three() -> None:
    """What an agency could tell apart would have to be one of these; it is shown none of them."""
    assert {state.value for state in QuestionState} == {"open", "answered", "closed"}
    assert ANSWER.category is Category.INCIDENT
