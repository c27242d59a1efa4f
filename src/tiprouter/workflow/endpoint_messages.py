"""What does the router say to endpoints beside disclosures, and what does it make of the answers?

1. Three messages, made by `domain/redaction.py` like everything that leaves, signed and wrapped like a disclosure, and
   without a word about any person: a challenge, a test, and that somebody proposes to change the endpoint.
2. Each attempt is counted and logged in the transaction that lets it leave, and its end in another.
3. A challenge is another each time: its own webhook-id, its own 32 random bytes, kept nowhere. It is proved by 2xx and
   the proof of `receiver/challenge.py` under a key that signed it, while nothing else was asked since.
4. That a change is proposed is said to the endpoint as it was, for a day, until anything answers; then a human is told.
5. A test is sent once.
"""

import hmac
import json
from dataclasses import dataclass, field, replace
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.delivery.attempts import Attempted, AttemptResult, Envelope
from tiprouter.domain.endpoint import TOLD_FOR, MessageForm, again_after
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.redaction import Redacted, challenge, changing, trial
from tiprouter.errors import ConflictError, NotFoundError, TiprouterError
from tiprouter.receiver.challenge import prove
from tiprouter.storage import endpoint_changes, endpoints, registry
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.storage.endpoints import EndpointMessage
from tiprouter.workflow.enrolment import shown
from tiprouter.workflow.happening import ROUTER, Actor, Desk, Happening, happening
from tiprouter.workflow.proving import heard
from tiprouter.workflow.wrapping import secrets_of, trust_of, wrapped

ATTEMPT_SECONDS: Final = 15.0
TOKEN_BYTES: Final = 32
PROVED, UNPROVED, UNSENDABLE, SUPERSEDED = "proved", "unproved", "unsendable", "superseded"


class NoEndpointError(ConflictError):
    """The agency has no endpoint to send to; it only pulls."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message that is counted and logged and may be sent; `proofs` are the right answers to a challenge."""

    message: EndpointMessage
    envelope: Envelope
    proofs: tuple[str, ...] = field(default=(), repr=False)


def order_test(tx: Transaction, desk: Desk, actor: Actor, recipient_id: str) -> EndpointMessage:
    """Have a test sent now (rule 5). Raises `NotFoundError`, `NoEndpointError`."""
    with happening(tx, desk, actor) as it:
        recipient = registry.load(tx, recipient_id)
        if recipient is None:
            raise NotFoundError
        if recipient.url is None:
            raise NoEndpointError
        made = EndpointMessage(it.id("emg"), recipient_id, MessageForm.TEST, it.now, it.now)
        endpoints.say(tx, made)
        return made


def claim_messages(tx: Transaction, desk: Desk, limit: int) -> list[Outbound]:
    """Count and log what is due (rule 2); what cannot be made is answered for at once."""
    with happening(tx, desk, ROUTER) as it:
        ready = [_prepared(it, one) for one in endpoints.to_say(tx, it.now, limit)]
        return [one for one in ready if one is not None]


def finish_message(tx: Transaction, desk: Desk, out: Outbound, attempted: Attempted) -> str:
    """Write what came of an attempt (rules 3 to 5); the result as it is told."""
    result = attempted.result.value
    if out.message.form is MessageForm.CHALLENGE and attempted.result is AttemptResult.SUCCESS:
        result = PROVED if _right(attempted.snippet, out.proofs) else UNPROVED
    with happening(tx, desk, ROUTER) as it:
        _came_of(it, out.message, result, attempted)
    return result


def _prepared(it: Happening, stored: EndpointMessage) -> Outbound | None:
    message = replace(stored, attempts=stored.attempts + 1)
    recipient = message.target or registry.load(it.tx, message.recipient_id)
    if recipient is None or recipient.url is None:
        endpoints.change_message(it.tx, message.id, finished_at=it.now, result=SUPERSEDED)
        return None
    try:
        with it.forgiving():
            out = _made(it, message, recipient, recipient.url)
    except DatabaseError:
        raise
    except TiprouterError:
        _came_of(it, message, UNSENDABLE, None)
        return None
    _log(it, message, None, None)
    return out


def _made(it: Happening, message: EndpointMessage, recipient: Recipient, url: str) -> Outbound:
    webhook_id, secrets = it.id("evt"), secrets_of(it, recipient.id)
    token = it.desk.entropy(TOKEN_BYTES).hex() if message.form is MessageForm.CHALLENGE else ""
    envelope = Envelope(
        url=url,
        webhook_id=webhook_id,
        timestamp=int(it.now.timestamp()),
        body=wrapped(it, recipient, _said(it, message, token), webhook_id),
        secrets=secrets,
        timeout_seconds=ATTEMPT_SECONDS,
        trust=trust_of(it, recipient),
    )
    proofs = tuple(prove(shown(secret), webhook_id, token) for secret in secrets) if token else ()
    return Outbound(message, envelope, proofs)


def _said(it: Happening, message: EndpointMessage, token: str) -> Redacted:
    match message.form:
        case MessageForm.CHALLENGE:
            return challenge(message.recipient_id, token, it.now)
        case MessageForm.TEST:
            return trial(message.recipient_id, it.now)
        case MessageForm.CHANGING:
            change = endpoint_changes.load(it.tx, message.change_id or "")
            if change is None:
                raise NotFoundError
            until = change.confirm_until
            return changing(message.recipient_id, change.id, change.changes, until, message.created_at)


def _right(answer: bytes, proofs: tuple[str, ...]) -> bool:
    """Whether an answer holds one of the proofs (rule 3)."""
    try:
        given = json.loads(answer)["proof"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return isinstance(given, str) and any(hmac.compare_digest(given.encode(), one.encode()) for one in proofs)


def _came_of(it: Happening, sent: EndpointMessage, result: str, attempted: Attempted | None) -> None:
    known = endpoints.load(it.tx, sent.recipient_id, lock=True)
    now_is = endpoints.message(it.tx, sent.id, lock=True)
    if known is None or now_is is None or now_is.finished_at is not None or now_is.attempts != sent.attempts:
        return
    ends = sent.form is MessageForm.TEST or result == PROVED
    if sent.form is MessageForm.CHALLENGE:
        heard(it, known, proved=result == PROVED)
    elif sent.form is MessageForm.CHANGING:
        late = it.now >= sent.created_at + TOLD_FOR
        ends = late or (attempted is not None and attempted.status is not None)
        if late and (attempted is None or attempted.status is None):
            it.tell("endpoint.untold", sent.recipient_id, None, None, again_after=TOLD_FOR)
    endpoints.change_message(
        it.tx,
        sent.id,
        result=result,
        status=None if attempted is None else attempted.status,
        duration_ms=None if attempted is None else attempted.duration_ms,
        next_at=it.now + again_after(sent.attempts),
        finished_at=it.now if ends else None,
    )
    _log(it, sent, result, attempted)


def _log(it: Happening, message: EndpointMessage, result: str | None, attempted: Attempted | None) -> None:
    it.log(
        Kind.ENDPOINT_MESSAGE,
        {
            "message": message.id,
            "recipient": message.recipient_id,
            "form": message.form.value,
            "number": message.attempts,
            "change": message.change_id,
            "result": result,
            "status": None if attempted is None else attempted.status,
            "duration_ms": None if attempted is None else attempted.duration_ms,
        },
    )
