"""Attack: somebody sends an agency a disclosure that the router never made, or the same one again.

The agency has our kit (`tiprouter.receiver.Desk`), the router signs as it does. Each forgery is refused with the one
error and leaves nothing behind: the true message is taken after it. Then each defence of the kit is taken away, and a
forgery is noticed.
"""

import base64
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tiprouter.delivery import signing
from tiprouter.delivery.signing import SigningSecret
from tiprouter.receiver import BoundedReplays, Claim, Desk, VerificationError, verification
from tiprouter.receiver.verification import TOLERANCE_SECONDS

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
BODY = b'{"type":"disclosure.made","data":{"disclosure_id":"dis_example1"}}'
MESSAGE = "dlv_example1"
MUTATIONS = 2_000
OURS: dict[str, SigningSecret] = {
    "v1a": signing.generate_ed25519(bytes(range(32))),
    "v1": signing.generate_hmac(bytes(range(32))),
}
THIEFS: dict[str, SigningSecret] = {
    "v1a": signing.generate_ed25519(bytes(32)),
    "v1": signing.generate_hmac(bytes(32)),
}


@dataclass(frozen=True)
class Sent:
    """A request as it arrives at the agency, and when."""

    headers: dict[str, str]
    body: bytes = BODY
    at: datetime = NOW


Forgery = Callable[[str], Iterator[Sent]]


def key_of(scheme: str) -> str:
    """What the agency was given to verify with."""
    secret = OURS[scheme]
    return secret.public() if isinstance(secret, signing.Ed25519Secret) else secret.reveal()


def true(scheme: str, body: bytes = BODY, at: datetime = NOW, webhook_id: str = MESSAGE) -> Sent:
    """What the router sends."""
    return Sent(signing.headers(webhook_id, int(at.timestamp()), body, [OURS[scheme]]), body, at)


def under_another_key(scheme: str) -> Iterator[Sent]:
    """A thief's own signature, alone, and under the other scheme's name."""
    yield Sent(signing.headers(MESSAGE, int(NOW.timestamp()), BODY, [THIEFS[scheme]]))
    other = {"v1": "v1a", "v1a": "v1"}[scheme]
    yield Sent(signing.headers(MESSAGE, int(NOW.timestamp()), BODY, [OURS[other]]))
    headers = true(scheme).headers
    signed = headers["webhook-signature"].partition(",")[2]
    yield Sent(headers | {"webhook-signature": f"{other},{signed}"})
    yield Sent(headers | {"webhook-signature": f"none,{signed}"})
    yield Sent(headers | {"webhook-signature": "v1," + base64.b64encode(b"").decode()})


def with_another_body(scheme: str) -> Iterator[Sent]:
    """A true signature over something else that was signed."""
    yield Sent(true(scheme).headers, BODY.replace(b"example1", b"example2"))
    yield Sent(true(scheme).headers, BODY + b" ")
    yield Sent(true(scheme).headers, b"")
    yield Sent(true(scheme).headers | {"webhook-id": "dlv_example2"})
    moved = f"{MESSAGE}.{int(NOW.timestamp())}"
    yield Sent(true(scheme).headers | {"webhook-id": moved, "webhook-timestamp": "0"})


def at_another_time(scheme: str) -> Iterator[Sent]:
    """A true message that somebody kept, or one from tomorrow; and one whose time was put forward."""
    old = timedelta(seconds=TOLERANCE_SECONDS + 1)
    yield Sent(true(scheme).headers, at=NOW + old)
    yield Sent(true(scheme).headers, at=NOW - old)
    late = NOW + old
    yield Sent(true(scheme).headers | {"webhook-timestamp": str(int(late.timestamp()))}, at=late)


def by_chance(scheme: str) -> Iterator[Sent]:
    """One bit of a true message, anywhere in its headers or body, is another one."""
    chance = random.Random(20300102)  # noqa: S311 - a test's order, no secret
    sent = true(scheme)
    for _ in range(MUTATIONS):
        name = chance.choice([*sent.headers, "body"])
        if name == "body":
            yield Sent(sent.headers, _flipped(BODY, chance))
        else:
            yield Sent(sent.headers | {name: _flipped(sent.headers[name].encode(), chance).decode("latin-1")})


def _flipped(value: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(value))
    return value[:place] + bytes([value[place] ^ 1 << chance.randrange(8)]) + value[place + 1 :]


FORGERIES: list[Forgery] = [under_another_key, with_another_body, at_another_time, by_chance]


def believed(desk: Desk, sent: Sent) -> bool:
    """Whether an agency would act on it."""
    try:
        desk.receive(sent.headers, sent.body, sent.at)
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize("scheme", OURS)
@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda one: one.__name__)
def test_no_forgery_is_believed_and_none_spoils_what_is_true(scheme: str, forgery: Forgery) -> None:
    """All of them at one desk, before the true message and after it."""
    desk = Desk([key_of(scheme)])
    forged = [*forgery(scheme)]
    assert [one for one in forged if believed(desk, one)] == []
    assert believed(desk, true(scheme))
    assert [one for one in forged if believed(desk, one)] == []


@pytest.mark.parametrize("scheme", OURS)
def test_what_somebody_recorded_is_taken_once(scheme: str) -> None:
    """The same bytes again, at once and to the end of their time; a true second attempt is known for what it is."""
    desk, sent = Desk([key_of(scheme)]), true(scheme)
    received = desk.receive(sent.headers, sent.body, sent.at)
    for seconds in (0, 1, TOLERANCE_SECONDS):
        assert not believed(desk, Sent(sent.headers, at=NOW + timedelta(seconds=seconds)))
    desk.done(received, NOW)
    assert not believed(desk, sent)
    again = true(scheme, at=NOW + timedelta(seconds=5))
    assert desk.receive(again.headers, again.body, again.at).repeated


def _anything_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "_signed", lambda *_: True)


def _a_part_of_the_body_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    signed = verification._signed  # noqa: SLF001 - what is broken on purpose
    whole = f"{MESSAGE}.{int(NOW.timestamp())}.".encode() + BODY
    monkeypatch.setattr(verification, "_signed", lambda _, *rest: signed(whole, *rest))


def _time_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "_check_time", lambda said, *_: datetime.fromtimestamp(int(said), UTC))


def _nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedReplays, "claim", lambda *_: Claim.NEW)


_refused = test_no_forgery_is_believed_and_none_spoils_what_is_true
Break = Callable[[pytest.MonkeyPatch], None]
FAULTS: list[tuple[Break, Callable[..., None]]] = [
    (_anything_verifies, partial(_refused, forgery=under_another_key)),
    (_anything_verifies, partial(_refused, forgery=with_another_body)),
    (_a_part_of_the_body_is_signed, partial(_refused, forgery=by_chance)),
    (_time_does_not_count, partial(_refused, forgery=at_another_time)),
    (_nothing_is_remembered, test_what_somebody_recorded_is_taken_once),
]


@pytest.mark.parametrize("scheme", OURS)
@pytest.mark.parametrize(("fault", "story"), FAULTS, ids=[one.__name__ for one, _ in FAULTS])
def test_a_fault_is_noticed(
    monkeypatch: pytest.MonkeyPatch, fault: Break, story: Callable[..., None], scheme: str
) -> None:
    """Each defence, taken away."""
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        story(scheme=scheme)
