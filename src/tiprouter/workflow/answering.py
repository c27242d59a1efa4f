"""May the hotline's answer to an agency's question leave, now, and does the question still stand?

Told after every decision about a record (`workflow/assess.py`), so an answer passes the gate of that moment: when it is
given, and again when anything it rests on changed before it was sent.

1. An answer that may leave becomes a disclosure of its own, in the matter of the one that was asked about and after it
   in sequence: made by redaction, sealed, with a delivery and so one webhook-id.
2. What still waits of an answer and may not leave any more is cancelled; what may leave and says the same rests on
   today's decision. What left and was taken back is recalled, like every disclosure (`workflow/disclose.py`, rule 5).
3. What left, is still permitted and was not recalled stands, though the numbering of persons moved: it names the
   disclosure whose numbering it uses. What was recalled with the rest and is still permitted is told again.
4. A question is closed when nothing may be told to its agency any more. While a reviewer or an error holds that up it
   stays open.

Not promised here: what the hotline and the agency are told of it (`workflow/questions.py`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain import redaction
from tiprouter.domain.disclosure_states import DisclosureEvent, DisclosureState
from tiprouter.domain.question import ANSWER_WITHIN, QuestionEvent, next_question_state
from tiprouter.domain.redaction import Address, Asked, Made
from tiprouter.domain.vocabulary import Category, Outcome
from tiprouter.storage import deliveries, disclosures, questions
from tiprouter.storage.decisions import Decision
from tiprouter.storage.disclosures import Disclosure
from tiprouter.storage.questions import Answered, Question
from tiprouter.storage.records import Stored
from tiprouter.workflow.disclose import TAKEN_BACK, Draft, basis, cancel, delivery_of, recall, rest_on_today
from tiprouter.workflow.happening import Happening, moment

_HELD: Final = frozenset({Outcome.HOLD_REVIEW, Outcome.HOLD_ERROR})


def carry(
    it: Happening,
    stored: Stored,
    drafts: Mapping[str, Draft | None],
    kept: Mapping[tuple[str, str | None], Decision],
    cause: str,
) -> None:
    """Bring questions and answers in line with what may leave now (rules 1-4)."""
    if stored.id == it.new:
        return  # nobody was told anything yet, so nobody asked
    for found in questions.answered(it.tx, it.vault, stored.id):
        _follow(it, stored, found, drafts.get(found.question.recipient_id), kept, cause)
    held = {to for (_, to), one in kept.items() if one.outcome in _HELD}
    for question in questions.open_of(it.tx, stored.id):
        waits = question.recipient_id in held and cause not in TAKEN_BACK
        if drafts.get(question.recipient_id) is None and not waits:
            settle(it, question, QuestionEvent.CLOSE, cause)


def close_of_record(it: Happening, record_id: str, cause: str) -> None:
    """Close what is open about a record that is no more."""
    for question in questions.open_of(it.tx, record_id):
        settle(it, question, QuestionEvent.CLOSE, cause)


def settle(it: Happening, question: Question, event: QuestionEvent, cause: str) -> None:
    """End a question's waiting; log it where it was closed."""
    questions.change(
        it.tx,
        question.id,
        state=next_question_state(question.state, event),
        late_at=None,
        settled_at=it.now,
        settled_by=it.actor.id,
        cause=cause,
    )
    questions.quiet(it.tx, question.id)
    if event is not QuestionEvent.ANSWER:
        said = {"question": question.id, "record": question.record_id, "recipient": question.recipient_id}
        it.log(Kind.QUESTION_CLOSED, said | {"cause": cause})


def _follow(
    it: Happening,
    stored: Stored,
    found: Answered,
    draft: Draft | None,
    kept: Mapping[tuple[str, str | None], Decision],
    cause: str,
) -> None:
    """One answer (rules 1-3)."""
    ready = None if draft is None else _redacted(it, stored, found, draft)
    carrier = found.carrier
    if carrier is not None:
        delivery = deliveries.of_disclosures(it.tx, [carrier.id])[carrier.id]
        same = ready is not None and (found.left or ready[1].content_digest == carrier.content_digest)
        if draft is not None and same and not found.recalled:
            rest_on_today(it, stored, draft, delivery)
            return
        if not found.recalled:
            ends = DisclosureEvent.WITHHOLD if ready is None else DisclosureEvent.REPLACE
            disclosures.move(it.tx, (carrier.id,), ends)
        cancel(it, delivery, cause)
        if found.left and not found.recalled and cause in TAKEN_BACK:
            recall(it, stored, carrier, cause)
            ready = None if draft is None else _redacted(it, stored, found, draft)
    if ready is not None and draft is not None:
        _make(it, stored, found, draft, ready, kept)
    elif carrier is not None:
        settle(it, found.question, QuestionEvent.TAKE_BACK, cause)


def _redacted(it: Happening, stored: Stored, found: Answered, draft: Draft) -> tuple[Address, Made] | None:
    question = found.question
    stands = disclosures.live(it.tx, stored.id).get(question.recipient_id)
    matter = disclosures.matter(it.tx, stored.id, question.recipient_id, question.matter_id)
    within = ANSWER_WITHIN[draft.urgency]
    address = Address(it.id("dis"), matter.id, matter.sequence + 1, it.now, it.now + within)
    asked = Asked(
        question.acknowledgement_id, question.disclosure_id, question.disclosure_id if stands is None else stands.id
    )
    made = redaction.answer(stored.record, draft.verdicts, draft.recipient, address, asked, found.said)
    return None if made is None else (address, made)


def _make(
    it: Happening,
    stored: Stored,
    found: Answered,
    draft: Draft,
    ready: tuple[Address, Made],
    kept: Mapping[tuple[str, str | None], Decision],
) -> None:
    """Rule 1."""
    question, (address, made) = found.question, ready
    about = {stored.person_id(ref) for ref in made.persons}
    because = tuple(
        one.id for (who, to), one in kept.items() if to == question.recipient_id and who in about and one.categories
    )
    disclosure = Disclosure(
        id=address.disclosure_id,
        matter_id=address.matter_id,
        sequence=address.sequence,
        record_id=stored.id,
        revision=stored.revision,
        recipient_id=question.recipient_id,
        recalls=None,
        state=DisclosureState.STANDING,
        categories=tuple(category.value for category in Category if category in made.categories),
        decisions=because,
        digest=made.redacted.digest,
        content_digest=made.content_digest,
        made_at=it.now,
        answers=question.id,
    )
    salt, commitment = it.salted(made.redacted.digest.encode())
    disclosures.add(it.tx, it.vault, disclosure, made.redacted.body, salt)
    today = basis(stored.epoch, draft.recipient.revision, it.engine.bundle.digest)
    delivery = delivery_of(it, disclosure, draft.urgency, address.deadline, today)
    deliveries.add(it.tx, replace(delivery, valid_until=draft.valid_until))
    questions.change(it.tx, question.id, carried_by=disclosure.id)
    it.log(
        Kind.DISCLOSURE_MADE,
        {
            "disclosure": disclosure.id,
            "question": question.id,
            "delivery": delivery.id,
            "decisions": list(because),
            "record": stored.id,
            "revision": stored.revision,
            "recipient": disclosure.recipient_id,
            "digest": commitment,
            "categories": list(disclosure.categories),
            "persons": sorted(about),
            "bundle": it.engine.bundle.digest,
            "deadline": moment(address.deadline),
        },
    )
