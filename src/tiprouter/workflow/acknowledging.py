"""What does a recipient answer about what it was sent?

1. Only the agency a disclosure was made for may acknowledge it; to any other it is not there.
2. It may speak more than once (accepted, later closed); nothing it said is overwritten.
3. Nothing is acknowledged that never left: a disclosure whose payload no attempt carried is not there for its agency
   either, announced or not.
4. A rejection says why, and a need for information asks something: a question that the hotline is told of and may
   answer (`workflow/questions.py`). Any later word of the agency about the same matter closes its questions.
5. An agency with a registered key may sign: the JWS is about this disclosure, this delivery, the bytes it received,
   this status, and now (`domain/proof.py`). A signature that is not all of that is refused in one and the same words,
   nothing is changed, and the refusal is logged. What was signed counts once; whoever lost the answer asks again with
   the same Idempotency-Key.
6. The JWS is kept, sealed with the words; it holds none of them, so an auditor may have it.

What it does to the duties that the disclosure was made for is `workflow/evidence.py`'s. The answer to a question is no
report: acknowledging it is evidence of nothing.
"""

from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.delivery.jws import opened, signed_part
from tiprouter.domain.proof import Sworn, UnprovenError, check
from tiprouter.domain.question import ANSWER_WITHIN, QuestionEvent, QuestionState
from tiprouter.domain.vocabulary import AcknowledgementStatus, Urgency
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import acknowledgements, deliveries, disclosures, inbox, questions, records, registry
from tiprouter.storage.acknowledgements import Acknowledgement, Words
from tiprouter.storage.codec import to_bytes
from tiprouter.storage.database import Transaction
from tiprouter.storage.disclosures import Listed
from tiprouter.storage.questions import Question
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.answering import settle
from tiprouter.workflow.awaiting import heard
from tiprouter.workflow.evidence import acknowledged
from tiprouter.workflow.happening import Actor, Desk, Happening, happening, moment

ASKED: Final = {Urgency.IMMINENT: "question.asked-imminent", Urgency.STANDARD: "question.asked"}


class UntrustedError(InvalidError):
    """The signature is not this agency's word about this disclosure; nothing was changed."""

    def __init__(self, disclosure_id: str) -> None:
        super().__init__(None, "/jws")
        self.disclosure_id = disclosure_id


class RepeatedError(ConflictError):
    """What this signature is over was acknowledged before; nothing was changed."""


def acknowledge(
    tx: Transaction, desk: Desk, actor: Actor, disclosure_id: str, status: AcknowledgementStatus, words: Words
) -> tuple[Acknowledgement, str]:
    """Store what the agency says (rules 1-6), `words.jws` with it; also the record whose key seals it.

    Raises `NotFoundError`, `InvalidError`, `UntrustedError`, `RepeatedError`.
    """
    with happening(tx, desk, actor) as it:
        listed = visible(disclosures.listed(tx, disclosure_id), actor)
        if actor.recipient_id is None:
            raise NotFoundError
        if status is AcknowledgementStatus.REJECTED and words.reason is None:
            raise InvalidError("A rejection says why.", "/reason")
        if status is AcknowledgementStatus.NEEDS_INFORMATION and words.question is None:
            raise InvalidError("A need for information asks something.", "/question")
        record_id = listed.disclosure.record_id
        records.epochs(tx, (record_id,))  # records are locked before what hangs on them
        key, proof = (None, None) if words.jws is None else _proven(it, listed, status, words.jws)
        made = Acknowledgement(it.id("ack"), disclosure_id, status, words, it.now, key)
        salt, commitment = it.salted(to_bytes(words))
        acknowledgements.add(tx, desk.vault, made, record_id, salt, proof)
        inbox.answered(tx, listed.delivery_id)
        it.log(
            Kind.ACKNOWLEDGEMENT,
            {
                "acknowledgement": made.id,
                "disclosure": disclosure_id,
                "recipient": actor.recipient_id,
                "status": status.value,
                "commitment": commitment,
                "key": key,
            },
        )
        heard(it, listed.delivery_id)
        _ask(it, listed, made)
        if listed.disclosure.answers is None:
            acknowledged(it, listed.disclosure, status, made.id)
        return made, record_id


def log_refusal(tx: Transaction, desk: Desk, actor: Actor, disclosure_id: str) -> None:
    """Log that a signature was refused (rule 5), after its own story was undone."""
    with happening(tx, desk, actor) as it:
        it.log(
            Kind.ACKNOWLEDGEMENT_REFUSED,
            {"disclosure": disclosure_id, "recipient": actor.recipient_id, "cause": "signature"},
        )


def signature(tx: Transaction, desk: Desk, actor: Actor, acknowledgement_id: str) -> str:
    """The JWS of a signed acknowledgement, as it came (rule 6). Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        found = acknowledgements.load(tx, desk.vault, acknowledgement_id)
        if found is None or found.words.jws is None:
            raise NotFoundError
        seen(it, "acknowledgement.jws", 1, acknowledgement_id)
        return found.words.jws


def visible(listed: Listed | None, actor: Actor) -> Listed:
    """The disclosure, if this actor may know of it (rules 1 and 3). Raises `NotFoundError`."""
    if listed is None:
        raise NotFoundError
    foreign = actor.recipient_id is not None and actor.recipient_id != listed.disclosure.recipient_id
    unsent = actor.recipient_id is not None and not listed.left
    if foreign or unsent:
        raise NotFoundError
    return listed


def _proven(it: Happening, listed: Listed, status: AcknowledgementStatus, compact: str) -> tuple[str, str]:
    """The thumbprint of the key that signed, and the index of what it signed (rule 5)."""
    told = listed.disclosure
    recipient = registry.load(it.tx, told.recipient_id)
    key = None if recipient is None else recipient.acknowledgement_key
    if key is None:
        raise UntrustedError(told.id)
    try:
        payload = opened(compact, key)
        check(payload, Sworn(told.id, listed.delivery_id, told.digest, status), it.now)
    except UnprovenError:
        raise UntrustedError(told.id) from None
    # Over what was signed, not over the signature: of one of those, ECDSA lets anybody make a second.
    proof = it.desk.blind("acknowledgement", signed_part(compact))
    if acknowledgements.proven(it.tx, proof):
        raise RepeatedError
    return key.thumbprint, proof


def _ask(it: Happening, listed: Listed, made: Acknowledgement) -> None:
    """Rule 4."""
    told = listed.disclosure
    if made.status is not AcknowledgementStatus.NEEDS_INFORMATION:
        for question in questions.open_of(it.tx, told.record_id, told.recipient_id):
            settle(it, question, QuestionEvent.CLOSE, f"acknowledgement.{made.status.value}")
        return
    delivery = deliveries.load(it.tx, listed.delivery_id)
    urgency = Urgency.STANDARD if delivery is None else delivery.urgency
    deadline = it.now + ANSWER_WITHIN[urgency]
    question = Question(
        id=it.id("qst"),
        acknowledgement_id=made.id,
        disclosure_id=told.id,
        matter_id=told.matter_id,
        record_id=told.record_id,
        recipient_id=told.recipient_id,
        urgency=urgency,
        state=QuestionState.OPEN,
        asked_at=it.now,
        deadline=deadline,
        late_at=deadline,
    )
    questions.add(it.tx, question)
    it.log(
        Kind.QUESTION_ASKED,
        {
            "question": question.id,
            "acknowledgement": made.id,
            "disclosure": told.id,
            "record": told.record_id,
            "recipient": told.recipient_id,
            "deadline": moment(deadline),
        },
    )
    it.tell(ASKED[urgency], question.id, told.record_id, deadline)
