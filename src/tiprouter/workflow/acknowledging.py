"""What does a recipient answer about what it was sent?

1. Only the agency a disclosure was made for may acknowledge it; to any other it is not there.
2. It may speak more than once (accepted, later closed); nothing it said is overwritten.
3. Nothing is acknowledged that never left: a disclosure whose payload no attempt carried is not there for its agency
   either, announced or not.
4. A rejection says why, and a need for information asks something.

What it does to the duties that the disclosure was made for is `workflow/evidence.py`'s.
"""

from tiprouter.audit.entry import Kind
from tiprouter.domain.vocabulary import AcknowledgementStatus
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.storage import acknowledgements, disclosures, inbox, records
from tiprouter.storage.acknowledgements import Acknowledgement, Words
from tiprouter.storage.codec import to_bytes
from tiprouter.storage.database import Transaction
from tiprouter.storage.disclosures import Listed
from tiprouter.workflow.evidence import acknowledged
from tiprouter.workflow.happening import Actor, Desk, happening


def acknowledge(
    tx: Transaction, desk: Desk, actor: Actor, disclosure_id: str, status: AcknowledgementStatus, words: Words
) -> tuple[Acknowledgement, str]:
    """Store what the agency says (rules 1-4); also the record whose key seals it.

    Raises `NotFoundError`, `InvalidError`.
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
        made = Acknowledgement(it.id("ack"), disclosure_id, status, words, it.now)
        acknowledgements.add(tx, desk.vault, made, record_id)
        inbox.answered(tx, listed.delivery_id)
        it.log(
            Kind.ACKNOWLEDGEMENT,
            {
                "acknowledgement": made.id,
                "disclosure": disclosure_id,
                "recipient": actor.recipient_id,
                "status": status.value,
                "commitment": it.commitment(to_bytes(words))[1],
            },
        )
        acknowledged(it, listed.disclosure, status, made.id)
        return made, record_id


def visible(listed: Listed | None, actor: Actor) -> Listed:
    """The disclosure, if this actor may know of it (rules 1 and 3). Raises `NotFoundError`."""
    if listed is None:
        raise NotFoundError
    foreign = actor.recipient_id is not None and actor.recipient_id != listed.disclosure.recipient_id
    unsent = actor.recipient_id is not None and not listed.left
    if foreign or unsent:
        raise NotFoundError
    return listed
