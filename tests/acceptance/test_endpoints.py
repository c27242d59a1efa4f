"""An endpoint's life: it proves itself, changes by two people's word, is tested, and its papers end."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from joserfc.jwk import ECKey

from tests.support.endpoints import SECOND, hear, kind_of, moved, proof, prove, said_to_endpoints
from tests.support.fictional import agency, grant, tip
from tests.support.service import OPERATOR, START, Service
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.delivery.encryption import parse_key
from tiprouter.domain.endpoint import CONFIRM_WITHIN, FAILS_FOR, PROVES_EVERY
from tiprouter.domain.recipient import DeliveryMode, EncryptionKey, Recipient, SignatureScheme
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.errors import ConflictError, InvalidError
from tiprouter.receiver import Desk, verify
from tiprouter.receiver.decryption import decrypt
from tiprouter.workflow import endpoint_changes, inbox
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.endpoint_changes import (
    ChangeEndedError,
    ChangeWaitsError,
    EntryMovedError,
    OneCredentialError,
    Wish,
)
from tiprouter.workflow.endpoint_health import health_of
from tiprouter.workflow.endpoint_messages import NoEndpointError, order_test
from tiprouter.workflow.enrolment import Enrolled, SecondPersonError, change
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.key_rotation import Rotated, rotate_key
from tiprouter.workflow.proving import tend_endpoints

LE = RecipientKind.LAW_ENFORCEMENT
NEW_URL = "https://new.agency.example/hook"
PRIVATE = ECKey.import_key(
    {
        "kty": "EC",
        "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
        "kid": "agency-1",
    }
)
"""The example key of RFC 7517, appendix A.2: nobody's."""


def encryption_key(until_days: float | None = None) -> EncryptionKey:
    """The example key as it is registered."""
    public = json.dumps(PRIVATE.as_dict(private=False))
    until = None if until_days is None else START + timedelta(days=until_days)
    key = parse_key(public, START, until)
    return EncryptionKey(key.id, key.jwk, key.not_before, key.until)


@pytest.fixture
def asking(service: Service) -> Service:
    """A service whose endpoints must prove themselves."""
    service.desk = replace(service.desk, verify_endpoints=True)
    return service


async def waiting(service: Service, recipient: Recipient | None = None, kind: RecipientKind = LE) -> Enrolled:
    """One agency and one disclosure for it that waits."""
    enrolled = await service.enrol(recipient or agency(kind))
    accepted = await service.accept(tip())
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(kind))
    return enrolled


async def state_of(service: Service) -> str:
    """The one endpoint's state."""
    ((state,),) = await service.rows("select state from endpoints")
    return str(state)


async def reasons(service: Service) -> list[str]:
    """Why humans were told something."""
    return [row[0] for row in await service.rows("select reason from notices order by reason")]


async def tend(service: Service) -> int:
    """The endpoints' chore."""
    return await service.database.write(lambda tx: tend_endpoints(tx, service.desk))


async def propose(service: Service, recipient: Recipient, **values: object) -> str:
    """One operator proposes; the change's id."""
    wish = Wish(recipient.id, recipient.revision, values)
    made = await service.database.write(lambda tx: endpoint_changes.propose(tx, service.desk, OPERATOR, wish))
    return made.id


async def confirm(service: Service, change_id: str, actor: Actor = SECOND) -> Recipient:
    """Somebody confirms."""
    return await service.database.write(lambda tx: endpoint_changes.confirm(tx, service.desk, actor, change_id))


async def rotated(service: Service, recipient_id: str, days: float) -> Rotated:
    """An operator makes another signing key."""
    overlap = timedelta(days=days)
    return await service.database.write(lambda tx: rotate_key(tx, service.desk, OPERATOR, recipient_id, overlap))


@pytest.mark.parametrize("scheme", SignatureScheme)
async def test_a_new_endpoint_proves_itself_and_then_gets_what_waited(asking: Service, scheme: SignatureScheme) -> None:
    """Until it has answered the challenge nothing is sent; with the answer, what waited goes."""
    enrolled = await waiting(asking, agency(LE, scheme=scheme))
    assert await asking.claim() == []
    assert await prove(asking, enrolled) == ["proved"]
    assert await state_of(asking) == "verified"
    await asking.tend()
    assert len(await asking.deliver()) == 1
    await asking.check_house()


async def test_one_that_does_not_prove_itself_is_asked_again_and_people_are_told(asking: Service) -> None:
    """Silence, an echo and a proof under another key are none; each question is another, after its pause."""
    enrolled = await waiting(asking)
    (first,) = await said_to_endpoints(asking)
    assert await hear(asking, first, None) == "connection_error"
    assert await reasons(asking) == ["endpoint.unverified"]
    assert await said_to_endpoints(asking) == []
    asking.clock.forward(minutes=1)
    (second,) = await said_to_endpoints(asking)
    assert second.envelope.webhook_id != first.envelope.webhook_id
    assert second.proofs != first.proofs
    assert await hear(asking, second, 200, second.envelope.body.body) == "unproved"
    asking.clock.forward(minutes=5)
    (third,) = await said_to_endpoints(asking)
    assert await hear(asking, third, 200, proof(third, "whpk_another")) == "unproved"
    asking.clock.forward(minutes=30)
    (fourth,) = await said_to_endpoints(asking)
    assert await hear(asking, fourth, 200, proof(second, enrolled.verification_key)) == "unproved"
    assert await asking.claim() == []
    asking.clock.forward(hours=1)
    assert await prove(asking, enrolled) == ["proved"]
    await asking.check_house()


async def test_it_is_asked_again_after_ninety_days_and_lapses_after_fourteen_of_silence(asking: Service) -> None:
    """A verified endpoint that falls silent goes on for fourteen days, people are told, then nothing is sent there."""
    enrolled = await asking.enrol(agency(LE))
    await prove(asking, enrolled)
    asking.clock.at += PROVES_EVERY
    await tend(asking)
    (out,) = await said_to_endpoints(asking)
    await hear(asking, out, None)
    assert await state_of(asking) == "failing"
    assert await reasons(asking) == ["endpoint.silent"]
    accepted = await asking.accept(tip())
    whose = Whose(person_id=accepted.stored.persons[0])
    now = asking.clock.at
    await asking.consent(whose, grant(LE, given_at=now, valid_from=now, expires_at=now + timedelta(days=60)))
    assert len(await asking.deliver(AttemptResult.HTTP_ERROR)) == 1
    asking.clock.at += FAILS_FOR
    (out,) = await said_to_endpoints(asking)
    await hear(asking, out, None)
    assert await state_of(asking) == "unverified"
    assert await asking.claim() == []
    await asking.check_house()


async def test_a_change_takes_two_people_and_the_old_endpoint_is_told(asking: Service) -> None:
    """Proposed by one, confirmed by another; meanwhile everything goes to the old one, and it was told, signed."""
    enrolled = await waiting(asking)
    await prove(asking, enrolled)
    change_id = await propose(asking, enrolled.recipient, url=NEW_URL)
    (told,) = await said_to_endpoints(asking)
    assert (kind_of(told), told.envelope.url) == ("endpoint.changing", "https://agency.example/hook")
    assert NEW_URL not in told.envelope.body.body.decode()
    assert await hear(asking, told, 500) == "connection_error"
    asking.clock.forward(minutes=5)
    assert await said_to_endpoints(asking) == []
    with pytest.raises(OneCredentialError):
        await confirm(asking, change_id, OPERATOR)
    await asking.tend()
    (old,) = await asking.deliver(AttemptResult.HTTP_ERROR)
    assert old.envelope.url == "https://agency.example/hook"
    changed = await confirm(asking, change_id)
    assert (changed.url, changed.revision) == (NEW_URL, 2)
    asking.clock.forward(minutes=10)
    assert await asking.claim() == []
    assert await prove(asking, enrolled) == ["proved"]
    await asking.tend()
    (new,) = await asking.deliver()
    assert new.envelope.url == NEW_URL
    with pytest.raises(ChangeEndedError):
        await confirm(asking, change_id)
    await asking.check_house()


async def test_an_old_endpoint_that_cannot_be_told_is_tried_for_a_day_and_then_a_human_is(service: Service) -> None:
    """Whatever it answers it was told; when nothing answers for a day, somebody has to call."""
    enrolled = await service.enrol(agency(LE))
    await propose(service, enrolled.recipient, url=NEW_URL)
    (told,) = await said_to_endpoints(service)
    await hear(service, told, None)
    service.clock.forward(days=1)
    (again,) = await said_to_endpoints(service)
    await hear(service, again, None)
    assert await reasons(service) == ["endpoint.change-proposed", "endpoint.untold"]
    service.clock.forward(days=1)
    assert await said_to_endpoints(service) == []


async def test_what_waits_can_be_withdrawn_lapses_and_is_confirmed_only_as_proposed(service: Service) -> None:
    """One change at a time; a week; and an entry that changed meanwhile refuses it."""
    recipient = (await service.enrol(agency(LE))).recipient
    first = await propose(service, recipient, url=NEW_URL)
    with pytest.raises(ChangeWaitsError):
        await propose(service, recipient, url="https://third.example/hook")
    await service.database.write(lambda tx: endpoint_changes.withdraw(tx, service.desk, SECOND, first))
    with pytest.raises(ChangeEndedError):
        await confirm(service, first)
    second = await propose(service, recipient, url=NEW_URL)
    renamed = await service.database.write(
        lambda tx: change(tx, service.desk, OPERATOR, replace(recipient, name="Example renamed"), 1)
    )
    with pytest.raises(EntryMovedError):
        await confirm(service, second)
    service.clock.at += CONFIRM_WITHIN
    with pytest.raises(ChangeEndedError):
        await confirm(service, second)
    assert await tend(service) == 1
    states = [row[0] for row in await service.rows("select state from endpoint_changes order by state")]
    assert states == ["lapsed", "withdrawn"]
    with pytest.raises(ConflictError):
        await propose(service, recipient, url=NEW_URL)
    with pytest.raises(InvalidError):
        await propose(service, renamed, url=renamed.url)
    await service.check_house()


async def test_one_person_takes_a_webhook_away_but_does_not_give_it_back(service: Service) -> None:
    """Mode pull sends nothing anywhere, so one may; the same endpoint again takes two."""
    recipient = (await service.enrol(agency(LE))).recipient
    pulls = replace(recipient, delivery_mode=DeliveryMode.PULL, url=None)
    now_is = await service.database.write(lambda tx: change(tx, service.desk, OPERATOR, pulls, 1))
    with pytest.raises(SecondPersonError):
        await service.database.write(lambda tx: change(tx, service.desk, OPERATOR, recipient, 2))
    back = await moved(service, replace(now_is, delivery_mode=DeliveryMode.PUSH, url=recipient.url), 2)
    assert back.url == recipient.url


async def test_a_rotated_key_signs_beside_the_old_one_and_then_alone(service: Service) -> None:
    """During the overlap either key verifies; after it only the new one; without any the old one ends at once."""
    enrolled = await waiting(service)
    done = await rotated(service, enrolled.recipient.id, 2)

    async def verified_by(key: str) -> bool:
        (ready,) = await service.claim()
        await service.finish(ready, AttemptResult.HTTP_ERROR)
        envelope, now = ready.envelope, service.clock.at
        signed = " ".join(
            one.sign(b"%s.%d.%s" % (envelope.webhook_id.encode(), envelope.timestamp, envelope.body.body))
            for one in envelope.secrets
        )
        headers = {"webhook-id": envelope.webhook_id, "webhook-timestamp": str(envelope.timestamp)}
        try:
            verify(headers | {"webhook-signature": signed}, envelope.body.body, [key], now)
        except Exception:  # noqa: BLE001 - any refusal is one
            return False
        finally:
            service.clock.forward(hours=1)
        return True

    assert await verified_by(enrolled.verification_key)
    assert await verified_by(done.verification_key)
    service.clock.at = START + timedelta(days=2)
    with pytest.raises(InvalidError):
        await rotated(service, enrolled.recipient.id, 8)
    last = await rotated(service, enrolled.recipient.id, 0)
    live = await service.rows("select id from signing_keys where retired_at is null")
    assert live == [(last.key_id,)]
    await service.check_house()


@pytest.mark.parametrize("mode", [DeliveryMode.PUSH, DeliveryMode.THIN])
async def test_an_agency_with_an_encryption_key_reads_what_nobody_else_can(
    service: Service, mode: DeliveryMode
) -> None:
    """Webhook, announcement and inbox alike; the digest it acknowledges is that of what redaction made."""
    wanted = agency(LE, delivery_mode=mode, encryption_keys=(encryption_key(),))
    enrolled = await waiting(service, wanted)
    (ready,) = await service.claim()
    texts = json.dumps(PRIVATE.as_dict(private=True))
    named = {"recipient_id": enrolled.recipient.id, "webhook_id": ready.envelope.webhook_id}
    opened = decrypt(ready.envelope.body.body, [texts], **named)
    expected = "disclosure.available" if mode is DeliveryMode.THIN else "disclosure.made"
    assert json.loads(opened)["type"] == expected
    await service.finish(ready)
    actor = Actor("cal_agency", "agency", enrolled.recipient.id)
    fetched = await service.database.write(lambda tx: inbox.fetch(tx, service.desk, actor, ready.delivery_id))
    assert fetched is not None
    desk = Desk([enrolled.verification_key], private_keys=[texts], recipient_id=enrolled.recipient.id)
    received = desk.receive(dict(fetched.headers), fetched.body.body, service.clock.at)
    assert json.loads(received.body)["type"] == "disclosure.made"
    ((digest,),) = await service.rows("select digest from disclosures")
    assert fetched.body.digest != digest
    assert hashlib.sha256(received.message.body).hexdigest() == digest
    await service.check_house()


async def test_a_test_says_what_came_of_it_and_of_nobody(service: Service) -> None:
    """Sent once, whatever the answer; an agency that only pulls has nothing to test."""
    enrolled = await service.enrol(agency(LE))
    made = await service.database.write(lambda tx: order_test(tx, service.desk, OPERATOR, enrolled.recipient.id))
    (out,) = await said_to_endpoints(service)
    assert out.message.id == made.id
    assert json.loads(out.envelope.body.body)["data"] == {"recipient_id": enrolled.recipient.id}
    await hear(service, out, None)
    service.clock.forward(hours=1)
    assert await said_to_endpoints(service) == []
    pulls = await service.enrol(agency(LE, url=None, delivery_mode=DeliveryMode.PULL))
    with pytest.raises(NoEndpointError):
        await service.database.write(lambda tx: order_test(tx, service.desk, OPERATOR, pulls.recipient.id))


async def test_people_are_told_before_an_agreement_or_the_last_key_ends(service: Service) -> None:
    """Thirty days before, seven days before, and at the end; a renewal ends the telling."""
    wanted = agency(LE, agreement_until=START + timedelta(days=40), encryption_keys=(encryption_key(40),))
    await service.enrol(wanted)
    counts = []
    for days in (9, 1, 22, 1, 6, 1, 30):
        service.clock.forward(days=days)
        await tend(service)
        told = await reasons(service)
        counts.append((told.count("agreement.ending"), told.count("endpoint.keys-ending")))
    assert counts == [(0, 0), (1, 1), (1, 1), (2, 2), (2, 2), (3, 3), (3, 3)]


async def test_health_counts_days_and_openings(service: Service) -> None:
    """Attempts, arrivals, how long they took, when the breaker opened, and what came last."""
    enrolled = await waiting(service)
    for result in (*[AttemptResult.HTTP_ERROR] * 5, AttemptResult.SUCCESS):
        for ready in await service.claim():
            service.clock.forward(seconds=2)
            await service.finish(ready, result)
        service.clock.forward(hours=1)
    found = await service.database.read(lambda tx: health_of(tx, service.desk, enrolled.recipient.id, 14))
    (day,) = found.days
    assert (day.attempts, day.successes, day.openings) == (6, 1, 1)
    assert (day.p50_ms, day.p99_ms, found.whole) == (2000, 2000, True)
    assert found.last_success_at is not None
    assert found.last_failure_at is not None
    assert found.last_success_at > found.last_failure_at
