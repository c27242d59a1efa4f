"""Do the parsers that face outsiders stand some thousand changed inputs? (`python -m tests.fuzz` makes millions)"""

import json
import random
from collections.abc import Iterator

import pytest
from joserfc import jws

from tests.fuzz.callers import EVERY
from tests.fuzz.targets import TARGETS, Finding, Target
from tiprouter.api import certificates, strict_json
from tiprouter.audit.note import Verifier
from tiprouter.delivery import addresses
from tiprouter.receiver import verification
from tiprouter.workflow import one_time

CHANGES = 1_500
_STRANGE = (b"\x00", b"\xff", b'"', b"\\", b"\n", b"\n\n", b"-", b"e999", b"\xe2\x80\x94", b"\xed\xa0\x80", b"[" * 40)


def changed(seeds: tuple[bytes, ...], number: int) -> Iterator[bytes]:
    """Give the good inputs, then so many with bytes flipped, cut, doubled, inserted, or taken from another one."""
    yield from seeds
    chance = random.Random(7)  # noqa: S311 - the same changes in every run
    for _ in range(number):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 3)):
            at, to = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
            match chance.randint(0, 4):
                case 0 if data:
                    data[min(at, len(data) - 1)] ^= 1 << chance.randint(0, 7)
                case 1:
                    del data[at:to]
                case 2:
                    data[at:at] = data[at:to]
                case 3:
                    data[at:at] = chance.choice(_STRANGE)
                case _:
                    data[at:to] = chance.choice(seeds)[at:to]
        yield bytes(data)


def run(target: Target) -> int:
    """Parse every changed input; how many there were."""
    return sum(target.parse(data) is None for data in changed(tuple(target.seeds), CHANGES))


@pytest.mark.parametrize("name", EVERY)
def test_any_bytes_are_read_in_one_way_or_refused(name: str) -> None:
    """Rules 1 to 3 of `targets.py`, over the same few thousand inputs each time."""
    assert run(EVERY[name]) == CHANGES + len(EVERY[name].seeds)


def test_an_unexpected_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a depth that is not refused ends in an error that nobody promised."""
    monkeypatch.setattr(strict_json, "_refuse_depth", lambda _data: None)
    with pytest.raises(RecursionError):
        TARGETS["strict-json"].parse(b"[" * 4_000)


def test_a_name_given_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the last of two equal names wins."""
    monkeypatch.setattr(strict_json, "_DECODER", json.JSONDecoder())
    with pytest.raises(Finding):
        TARGETS["strict-json"].parse(b'{"a":1,"a":2}')


def test_a_key_spelt_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a verifier key whose spelling is not looked at again."""
    monkeypatch.setattr(Verifier, "vkey", property(lambda _self: "another"))
    with pytest.raises(Finding):
        run(TARGETS["vkey"])


def test_an_address_that_may_not_be_dialled_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the registry of special addresses is empty. What it lets through is not remembered for other tests."""
    monkeypatch.setattr(addresses, "FORBIDDEN_V4", ())
    monkeypatch.setattr(addresses, "_vet_address", vars(addresses)["_vet_address"].__wrapped__)
    with pytest.raises(Finding):
        TARGETS["address"].parse(b"169.254.169.254")


def test_a_webhook_that_nobody_signed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: any signature is right."""
    monkeypatch.setattr(verification, "_signed", lambda *_: True)
    with pytest.raises(Finding):
        run(TARGETS["webhook"])


def test_an_assertion_that_nobody_signed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: any signature is right, so that a changed claim is believed."""
    monkeypatch.setattr(jws, "validate_compact", lambda *_, **__: True)
    with pytest.raises(Finding):
        run(EVERY["client-assertion"])


def test_a_certificate_from_anybody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: every peer is a trusted proxy."""
    monkeypatch.setattr(certificates, "is_trusted", lambda *_: True)
    with pytest.raises(Finding):
        run(EVERY["client-certificate"])


def test_a_code_that_counts_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the last step that counted is not asked for."""
    step_of = one_time.step_of
    monkeypatch.setattr(one_time, "step_of", lambda secret, code, now, _: step_of(secret, code, now, 0))
    with pytest.raises(Finding):
        run(EVERY["code"])
