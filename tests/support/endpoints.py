"""Two people change where an agency's disclosures go, and endpoints answer what they are asked, in tests."""

import json

from tests.support.service import OPERATOR, Service
from tiprouter.delivery.attempts import Attempted, AttemptResult
from tiprouter.domain.endpoint import GUARDED, guarded
from tiprouter.domain.recipient import Recipient
from tiprouter.receiver import Message, answer_challenge
from tiprouter.storage import registry
from tiprouter.storage.database import Transaction
from tiprouter.workflow import endpoint_changes, enrolment
from tiprouter.workflow.endpoint_changes import Wish
from tiprouter.workflow.endpoint_messages import Outbound, claim_messages, finish_message
from tiprouter.workflow.enrolment import Enrolled
from tiprouter.workflow.happening import Actor, Desk

SECOND = Actor("cal_second", "operator")


def change_by_two(tx: Transaction, desk: Desk, wanted: Recipient, expected: int) -> Recipient:
    """What takes two persons is proposed by one, confirmed by another; then one changes the rest, if there is any."""
    old = registry.load(tx, wanted.id)
    names = () if old is None else guarded(old, wanted)
    now_is = old
    if names:
        wish = Wish(wanted.id, expected, {name: getattr(wanted, name) for name in GUARDED})
        proposed = endpoint_changes.propose(tx, desk, OPERATOR, wish)
        now_is = endpoint_changes.confirm(tx, desk, SECOND, proposed.id)
        expected = now_is.revision
    rest = [name for name in Recipient.__slots__ if name not in ("revision", *names)]
    if now_is is None or any(getattr(now_is, name) != getattr(wanted, name) for name in rest):
        return enrolment.change(tx, desk, OPERATOR, wanted, expected)
    return now_is


async def moved(service: Service, wanted: Recipient, expected: int) -> Recipient:
    """The same, in a transaction."""
    return await service.database.write(lambda tx: change_by_two(tx, service.desk, wanted, expected))


async def said_to_endpoints(service: Service) -> list[Outbound]:
    """What is said to endpoints beside disclosures now."""
    return await service.database.write(lambda tx: claim_messages(tx, service.desk, 50))


async def hear(service: Service, out: Outbound, status: int | None = 200, answer: bytes = b"") -> str:
    """An endpoint answers with this; what the router made of it."""
    ok = status is not None and 200 <= status < 300
    result = AttemptResult.SUCCESS if ok else AttemptResult.CONNECTION_ERROR
    attempted = Attempted(result, status, None, 7, "203.0.113.9", answer)
    return await service.database.write(lambda tx: finish_message(tx, service.desk, out, attempted))


def proof(out: Outbound, key: str, body: bytes | None = None) -> bytes:
    """What an agency with this verification key answers to a challenge."""
    text = out.envelope.body.body if body is None else body
    found = answer_challenge(Message(out.envelope.webhook_id, out.message.created_at, text), [key])
    assert found is not None
    return found


def kind_of(out: Outbound) -> str:
    """The type of a message in the clear."""
    return str(json.loads(out.envelope.body.body)["type"])


async def prove(service: Service, enrolled: Enrolled) -> list[str]:
    """Every challenge that waits for this agency is answered rightly; what the router made of each."""
    ours = [out for out in await said_to_endpoints(service) if out.message.recipient_id == enrolled.recipient.id]
    return [
        await hear(service, out, answer=proof(out, enrolled.verification_key))
        for out in ours
        if kind_of(out) == "endpoint.challenge"
    ]
