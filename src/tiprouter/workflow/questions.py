"""What did agencies ask, and what does the hotline answer?

1. The hotline's own people list and read questions; an agency never does, its own included: it reads what it asked in
   its acknowledgement, and an answer when one reaches it.
2. An answer is a statement: what is said, which kind of data it is, and whom it is about. It is kept and leaves only if
   the gate lets it leave to that agency now (`workflow/answering.py`), and once more when it is sent.
3. An answer that the gate withholds is not kept and leaves nothing behind that the agency could tell from silence: no
   disclosure, no delivery, no number in the sequence. The hotline is told which person's decision withheld it; the
   question stays open.
4. A question is answered once. One that is closed cannot be answered: who asked was told something since, or may be
   told nothing any more.
5. Every reading and every answer is logged, the withheld ones too, without a word of what was said.
"""

from dataclasses import dataclass
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.question import AnswerResult, QuestionEvent, QuestionState
from tiprouter.domain.record import Statement
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Category, Outcome
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import acknowledgements, questions, records
from tiprouter.storage.acknowledgements import Words
from tiprouter.storage.codec import to_bytes
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.questions import Question
from tiprouter.storage.records import Stored
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.answering import settle
from tiprouter.workflow.assess import assess
from tiprouter.workflow.happening import Actor, Desk, Happening, happening
from tiprouter.workflow.inquiry import Page

ANSWERED = "question.answered"


class SettledError(ConflictError):
    """This question is not open: it was answered, or closed."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A question, and where the delivery of its answer is, if there is one."""

    question: Question
    answer_is: DeliveryState | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the agency's words, the persons it may be answered about by `ref`, and where its answer is."""

    standing: Standing
    words: Words
    persons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Barred:
    """A person whose decision withheld an answer, by `ref`: the decision, its outcome and what it permits."""

    ref: str
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Given:
    """What became of an answer: sent, or why not and because of whom."""

    standing: Standing
    result: AnswerResult
    barred: tuple[Barred, ...]


_NOBODY: Final[tuple[Barred, ...]] = ()


def list_questions(
    tx: Transaction, desk: Desk, actor: Actor, state: QuestionState | None, after: str | None, limit: int
) -> Page[Standing]:
    """Questions, newest first, without their words (rules 1, 5)."""
    with happening(tx, desk, actor) as it:
        found = questions.page(tx, state, after, limit + 1)
        kept = _standing(it, found[:limit])
        seen(it, "questions", len(kept), asked=[] if state is None else [f"state={state.value}"])
        return Page(kept, kept[-1].question.id if len(found) > limit else None)


def read_question(tx: Transaction, desk: Desk, actor: Actor, question_id: str) -> Asked:
    """One question with its words (rules 1, 5). Raises `NotFoundError`, `ErasedError`."""
    with happening(tx, desk, actor) as it:
        question = questions.load(tx, question_id)
        asked = None if question is None else acknowledgements.load(tx, desk.vault, question.acknowledgement_id)
        stored = None if question is None else records.load(tx, desk.vault, question.record_id)
        if question is None or asked is None or stored is None:
            raise NotFoundError
        seen(it, "question", 1, question_id)
        refs = tuple(person.ref for person in stored.record.persons)
        return Asked(_standing(it, [question])[0], asked.words, refs)


def answer(tx: Transaction, desk: Desk, actor: Actor, question_id: str, said: Statement) -> Given:
    """Give the hotline's answer to the gate (rules 2-5).

    Raises `NotFoundError`, `InvalidError`, `SettledError`, `ErasedError`.
    """
    with happening(tx, desk, actor, deciding=True) as it:
        known = questions.load(tx, question_id)
        stored = None if known is None else records.load(tx, desk.vault, known.record_id, lock=True)
        question = questions.load(tx, question_id)
        if stored is None or question is None:
            raise NotFoundError
        _refuse_strangers(stored, said)
        if question.state is not QuestionState.OPEN:
            raise SettledError
        # Kept while the question is open: that is what makes the decision below carry the answer, or not.
        salt, commitment = it.salted(to_bytes(said))
        questions.keep_answer(tx, desk.vault, question, said, salt)
        assessed = assess(it, stored, ANSWERED)
        standing = _standing(it, [questions.load(tx, question_id) or question])[0]
        if standing.question.carried_by is not None:
            settle(it, question, QuestionEvent.ANSWER, ANSWERED)
            result, barred = AnswerResult.SENT, _NOBODY
        else:
            questions.change(tx, question_id, sealed=None)
            standing = Standing(question, None)
            result, barred = _why(stored, question, said, assessed.decisions)
        it.log(
            Kind.QUESTION_ANSWERED,
            {
                "question": question.id,
                "record": question.record_id,
                "recipient": question.recipient_id,
                "result": result.value,
                "disclosure": standing.question.carried_by,
                "category": "any" if said.category is None else said.category.value,
                "persons": [stored.person_id(ref) for ref in stored.record.labelled(said.persons)],
                "commitment": commitment,
            },
        )
        return Given(standing, result, barred)


def _refuse_strangers(stored: Stored, said: Statement) -> None:
    known = {person.ref for person in stored.record.persons}
    for number, ref in enumerate(said.persons):
        if ref not in known:
            raise InvalidError("This field names a person that is not in this record.", f"/persons/{number}")


def _why(
    stored: Stored, question: Question, said: Statement, decided: tuple[Decision, ...]
) -> tuple[AnswerResult, tuple[Barred, ...]]:
    """Why an answer may not leave, and whose decision says so; the gravest reason first."""
    toward = {one.person_id: one for one in decided if one.recipient_id == question.recipient_id}
    wanted = {category.value for category in Category} if said.category is None else {said.category.value}
    found = [Barred(ref, toward.get(stored.person_id(ref))) for ref in stored.record.labelled(said.persons)]
    barred = tuple(one for one in found if one.decision is None or not wanted <= set(one.decision.categories))
    outcomes = {None if one.decision is None else one.decision.outcome for one in barred}
    if Outcome.HOLD_ERROR in outcomes:
        return AnswerResult.ERROR, barred
    if Outcome.HOLD_REVIEW in outcomes:
        return AnswerResult.REVIEW_PENDING, barred
    if any(one.decision is None or not one.decision.categories for one in barred):
        return AnswerResult.PERSON_WITHHELD, barred
    if not barred:  # that kind of data may leave, but not who signaled
        return AnswerResult.PERSON_WITHHELD, tuple(found)
    return AnswerResult.CATEGORY_WITHHELD, barred


def _standing(it: Happening, found: list[Question]) -> tuple[Standing, ...]:
    states = questions.delivery_states(it.tx, [one.carried_by for one in found if one.carried_by is not None])
    return tuple(Standing(one, states.get(one.carried_by or "")) for one in found)
