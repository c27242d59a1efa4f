"""Somebody tries to have disclosures sent to, or read by, whom nobody agreed on.

The last tests break the code and see that a story notices.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.acceptance.test_endpoints import (
    NEW_URL,
    PRIVATE,
    asking,
    confirm,
    encryption_key,
    propose,
    reasons,
    rotated,
    waiting,
)
from tests.support.endpoints import SECOND, hear, moved, proof, prove, said_to_endpoints
from tests.support.fictional import DANGER, SECRET, agency, person, tip
from tests.support.service import OPERATOR, START, Service
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.delivery.trust import parse_trust
from tiprouter.domain import endpoint as endpoint_rules
from tiprouter.domain.endpoint_states import EndpointState
from tiprouter.domain.proof import PublicKey
from tiprouter.domain.recipient import DeliveryMode, Recipient
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.errors import ConflictError, InvalidError
from tiprouter.storage import client_keys, lines, registry
from tiprouter.workflow import dispatch, endpoint_changes, endpoint_messages, enrolment, gathering, inbox
from tiprouter.workflow.enrolment import SecondPersonError
from tiprouter.workflow.happening import Actor

__all__ = ["asking"]

LE = RecipientKind.LAW_ENFORCEMENT
JWK = PRIVATE.as_dict(private=False)
OURS = "https://agency.example/hook"


def client_pair() -> tuple[str, str]:
    """A certificate to show, and its private key (PEM); valid around the tests' start and today."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "router.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), text.decode()


async def changed_alone(service: Service) -> list[str]:
    """One operator does all that one can to have disclosures sent elsewhere; the URLs of what was sent."""
    enrolled = await waiting(service)
    await prove(service, enrolled)
    await service.tend()
    wanted = replace(enrolled.recipient, url=NEW_URL)
    for attempt in (
        lambda: service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, wanted, 1)),
        lambda: _proposed_and_confirmed(service, enrolled.recipient),
    ):
        try:
            await attempt()
        except (SecondPersonError, ConflictError):
            continue
    await service.tend()
    return [ready.envelope.url for ready in await service.deliver(AttemptResult.HTTP_ERROR)]


async def _proposed_and_confirmed(service: Service, recipient: Recipient) -> None:
    await confirm(service, await propose(service, recipient, url=NEW_URL), OPERATOR)


async def unverified_gets_nothing(service: Service) -> None:
    """Danger, an announcement, a report: nothing of it leaves for an endpoint that did not prove itself."""
    for mode in (DeliveryMode.PUSH, DeliveryMode.THIN):
        await service.enrol(agency(LE, delivery_mode=mode))
    await service.accept(tip(person(years=12), violence=DANGER))
    for out in await said_to_endpoints(service):
        assert SECRET not in out.envelope.body.body.decode()
        await hear(service, out, 200, b'{"proof": "' + b"0" * 64 + b'"}')
    await service.tend()
    assert await service.claim() == []
    assert await service.rows("select id from attempts") == []


async def unreadable_stays(service: Service) -> None:
    """Its only key has ended: no webhook and no inbox tells it in the clear, and a human is told."""
    await waiting(service, agency(LE, encryption_keys=(encryption_key(1 / 24),)))
    service.clock.forward(hours=1)
    sent = await service.claim()
    assert [one.envelope.body.body for one in sent] == []
    assert "delivery.held" in await reasons(service)
    recipient_id = (await service.rows("select id from recipients"))[0][0]
    delivery_id = (await service.rows("select id from deliveries"))[0][0]
    actor = Actor("cal_agency", "agency", recipient_id)
    assert await service.database.write(lambda tx: inbox.fetch(tx, service.desk, actor, delivery_id)) is None


async def test_a_url_that_one_person_changed_is_sent_nothing(asking: Service) -> None:
    """Neither the entry nor a proposal of one's own moves what is sent."""
    assert await changed_alone(asking) == [OURS]
    await asking.check_house()


@pytest.mark.parametrize("field", endpoint_rules.GUARDED)
async def test_each_guarded_field_takes_two(service: Service, field: str) -> None:
    """An entry of one person that differs in any of them is refused, or leaves it as it was."""
    recipient = (await service.enrol(agency(LE))).recipient
    other: dict[str, Any] = {
        "url": NEW_URL,
        "delivery_mode": DeliveryMode.THIN,
        "encryption_keys": (encryption_key(),),
        "authorities": "-----BEGIN CERTIFICATE-----",
        "certificate": "-----BEGIN CERTIFICATE-----",
        "acknowledgement_key": PublicKey("P-256", str(JWK["x"]), str(JWK["y"])),
    }
    wanted = replace(recipient, **{field: other[field]})
    try:
        done = await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, wanted, 1))
    except SecondPersonError:
        return
    assert getattr(done, field) == getattr(recipient, field)


async def test_an_endpoint_that_proved_nothing_gets_no_byte_of_a_disclosure(asking: Service) -> None:
    """Not even what is imminent, nor that something waits; and people are told."""
    await unverified_gets_nothing(asking)
    assert "endpoint.unverified" in await reasons(asking)
    await asking.check_house()


async def test_a_proof_of_the_endpoint_before_the_change_does_not_verify_the_one_after(asking: Service) -> None:
    """A challenge in flight while the change is confirmed: its answer is the old endpoint's, and counts for nothing."""
    enrolled = await waiting(asking)
    (asked,) = await said_to_endpoints(asking)
    await confirm(asking, await propose(asking, enrolled.recipient, url=NEW_URL))
    await hear(asking, asked, 200, proof(asked, enrolled.verification_key))
    await asking.tend()
    assert await asking.rows("select state from endpoints") == [("unverified",)]
    assert await asking.claim() == []


async def test_what_cannot_be_encrypted_is_not_sent_in_the_clear(service: Service) -> None:
    """No valid key: held, and a human is told."""
    await unreadable_stays(service)
    await service.check_house()


async def test_nothing_of_a_person_leaves_in_the_clear_for_an_agency_with_a_key(service: Service) -> None:
    """Every body that is sent to it is a JWE, recalls and tests too."""
    enrolled = await waiting(service, agency(LE, encryption_keys=(encryption_key(),)))
    (ready,) = await service.deliver()
    consent_id = (await service.rows("select id from consents"))[0][0]
    await service.withdraw(consent_id)
    await service.database.write(
        lambda tx: endpoint_messages.order_test(tx, service.desk, OPERATOR, enrolled.recipient.id)
    )
    (recalled,) = await service.deliver()
    (tested,) = await said_to_endpoints(service)
    for envelope in (ready.envelope, recalled.envelope, tested.envelope):
        assert envelope.body.body.count(b".") == 4
        assert SECRET not in envelope.body.body.decode()


async def test_a_client_key_is_shown_to_its_own_recipient_alone(service: Service) -> None:
    """Two agencies with certificates and one without: each is dialled with its own; nothing at rest holds a key."""
    pairs = [client_pair(), client_pair()]
    enrolled = []
    for certificate, key in pairs:
        wanted = agency(LE, certificate=certificate)
        made = await service.database.write(
            partial(enrolment.register, desk=service.desk, actor=OPERATOR, wanted=wanted, private_key=key)
        )
        enrolled.append(made.recipient.id)
    enrolled.append((await service.enrol(agency(LE))).recipient.id)
    await service.accept(tip(person(years=12)))
    trusts = {ready.recipient_id: ready.envelope.trust for ready in await service.claim()}
    for recipient_id, pair in zip(enrolled, [*pairs, None], strict=True):
        trust = trusts[recipient_id]
        assert (trust and (trust.certificate, trust.private_key)) == pair
    (stored,) = {type(row[0]) for row in await service.rows("select sealed from client_keys")}
    assert stored in (bytes, memoryview)
    assert all(b"PRIVATE" not in bytes(row[0]) for row in await service.rows("select sealed from client_keys"))


async def test_a_certificate_without_its_key_makes_nothing_leave(service: Service) -> None:
    """A key of somebody else's certificate is refused; one that was lost holds the delivery."""
    (certificate, key), (_, other) = client_pair(), client_pair()
    wanted = agency(LE, certificate=certificate)
    for wrong in ("", other):
        with pytest.raises(InvalidError):
            await service.database.write(
                partial(enrolment.register, desk=service.desk, actor=OPERATOR, wanted=wanted, private_key=wrong)
            )
    enrolled = await waiting(service)
    wish = endpoint_changes.Wish(enrolled.recipient.id, 1, {"certificate": certificate}, key)
    made = await service.database.write(lambda tx: endpoint_changes.propose(tx, service.desk, OPERATOR, wish))
    await confirm(service, made.id)
    await service.database.write(lambda tx: client_keys.keep_only(tx, enrolled.recipient.id, []))
    assert await service.claim() == []
    assert "delivery.held" in await reasons(service)


async def test_a_suspended_agency_keeps_its_change_waiting_for_nobody(service: Service) -> None:
    """Suspending acts at once by one person, and makes what was proposed before unconfirmable."""
    recipient = (await waiting(service)).recipient
    change_id = await propose(service, recipient, url=NEW_URL)
    suspended = replace(recipient, status=type(recipient.status)("suspended"))
    await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, suspended, 1))
    with pytest.raises(endpoint_changes.EntryMovedError):
        await confirm(service, change_id, SECOND)
    assert await service.claim() == []


# Tests of the tests: each breaks the code in one place and sees that a story notices.


async def test_a_guard_that_guards_nothing_is_noticed(asking: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """If one person's change of the URL were let through."""
    monkeypatch.setattr(enrolment, "guarded", lambda *_: ())
    monkeypatch.setattr("tiprouter.workflow.proving.reached_otherwise", lambda *_: False)
    assert await changed_alone(asking) == [NEW_URL]


async def test_a_confirmation_by_oneself_is_noticed(asking: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """If whoever proposed could confirm, and nobody asked the new endpoint."""
    honest = endpoint_changes.confirm
    monkeypatch.setattr(endpoint_changes, "confirm", lambda tx, desk, _actor, of: honest(tx, desk, SECOND, of))
    monkeypatch.setattr("tiprouter.workflow.proving.reached_otherwise", lambda *_: False)
    assert await changed_alone(asking) == [NEW_URL]


async def test_an_unverified_endpoint_that_is_sent_to_is_noticed(
    asking: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If neither the line nor the claim asked whether the endpoint proved itself."""
    monkeypatch.setattr(gathering, "SENDS", frozenset(EndpointState))
    monkeypatch.setattr(lines, "SENDS", frozenset(EndpointState))
    with pytest.raises(AssertionError):
        await unverified_gets_nothing(asking)


async def test_any_answer_taken_for_a_proof_is_noticed(asking: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """If 2xx alone verified an endpoint."""
    monkeypatch.setattr(endpoint_messages, "_right", lambda *_: True)
    with pytest.raises(AssertionError):
        await unverified_gets_nothing(asking)


async def test_plain_text_in_place_of_an_error_is_noticed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """If what cannot be encrypted were sent as it is."""
    monkeypatch.setattr(dispatch, "wrapped", lambda _it, _recipient, body, _id: body)
    with pytest.raises(AssertionError):
        await unreadable_stays(service)


async def test_a_client_key_for_everybody_is_noticed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """If one agency's certificate were shown to every endpoint."""
    trust = parse_trust("", *client_pair(), START)
    monkeypatch.setattr(dispatch, "trust_of", lambda *_: trust)
    with pytest.raises(AssertionError):
        await test_a_client_key_is_shown_to_its_own_recipient_alone(service)


async def ended_key_is_silent(service: Service) -> None:
    """After the overlap one key signs."""
    enrolled = await waiting(service)
    await rotated(service, enrolled.recipient.id, 1 / 24)
    service.clock.at += timedelta(hours=1)
    (ready,) = await service.claim()
    assert len(ready.envelope.secrets) == 1


async def test_a_key_that_ended_signs_nothing(service: Service) -> None:
    """Not beside the new one either."""
    await ended_key_is_silent(service)


async def test_a_key_that_signs_after_its_end_is_noticed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a rotation ended no key."""
    monkeypatch.setattr(registry, "retire_key", lambda *_: None)
    with pytest.raises(AssertionError):
        await ended_key_is_silent(service)


async def test_moving_by_two_is_what_the_other_tests_do(service: Service) -> None:
    """The tests' own way to move an endpoint goes through a proposal and a confirmation."""
    recipient = (await service.enrol(agency(LE))).recipient
    await moved(service, replace(recipient, url=NEW_URL, name="Example moved"), 1)
    assert await service.rows("select state, proposed_by, ended_by from endpoint_changes") == [
        ("confirmed", OPERATOR.id, SECOND.id)
    ]
