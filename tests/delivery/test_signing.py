"""Signing, rules 1 to 6: every live secret vouches, none is shown."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.delivery.signing import (
    Ed25519Secret,
    HmacSecret,
    LiveKey,
    SigningError,
    generate_ed25519,
    generate_hmac,
    headers,
    parse_secret,
    rotate,
    signing_at,
)

WEBHOOK_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1_614_265_330
BODY = b'{"test": 2432232314}'
HMAC_TEXT = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HMAC_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
ED25519_TEXT = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
ED25519_SIGNATURE = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


@pytest.mark.parametrize(("secret", "signature"), [(HMAC_TEXT, HMAC_SIGNATURE), (ED25519_TEXT, ED25519_SIGNATURE)])
def test_the_standards_own_vectors_are_reproduced(secret: str, signature: str) -> None:
    """Rules 1 and 2: two independent implementations agreed on these bytes."""
    signed = headers(WEBHOOK_ID, TIMESTAMP, BODY, [parse_secret(secret)])
    assert signed == {
        "webhook-id": WEBHOOK_ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": signature,
    }


def test_every_live_secret_signs_in_order() -> None:
    """Rule 3: a receiver with the old key and one with the new key both find theirs."""
    secrets = [parse_secret(ED25519_TEXT), parse_secret(HMAC_TEXT)]
    assert headers(WEBHOOK_ID, TIMESTAMP, BODY, secrets)["webhook-signature"] == f"{ED25519_SIGNATURE} {HMAC_SIGNATURE}"


def test_nothing_is_sent_unsigned() -> None:
    """Rule 4: an empty list of secrets is refused, not vacuously satisfied."""
    with pytest.raises(SigningError):
        headers(WEBHOOK_ID, TIMESTAMP, BODY, [])


@pytest.mark.parametrize("webhook_id", ["", "a.1", ".", "a b", "a\n", "a\r\nX: 1", "é", "x" * 129])
def test_an_id_that_could_be_split_in_two_ways_is_refused(webhook_id: str) -> None:
    """Rule 5: a full stop, and whatever else does not belong in a header."""
    with pytest.raises(SigningError):
        headers(webhook_id, TIMESTAMP, BODY, [parse_secret(HMAC_TEXT)])


@pytest.mark.parametrize("timestamp", [-1, 10**11, 1_893_553_445_000])
def test_a_timestamp_outside_unix_seconds_is_refused(timestamp: int) -> None:
    """Rule 1: milliseconds would pass unnoticed otherwise."""
    with pytest.raises(SigningError):
        headers(WEBHOOK_ID, timestamp, BODY, [parse_secret(HMAC_TEXT)])


def _text(prefix: str, length: int) -> str:
    return prefix + base64.b64encode(bytes(range(length))).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsk_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
        _text("whsec_", 23),
        _text("whsec_", 65),
        _text("whsk_", 31),
        _text("whsk_", 33),
        _text("whsk_", 63),
        _text("whsk_", 65),
        _text("whsk_", 64),  # a public half that is not the seed's
        HMAC_TEXT + "=",
        HMAC_TEXT[:-1],
        HMAC_TEXT[:-1] + "é",
        HMAC_TEXT.replace("M", "!", 1),
        " " + HMAC_TEXT,
    ],
)
def test_a_key_of_the_wrong_size_or_spelling_is_refused_without_quoting_it(text: str) -> None:
    """Rule 6, and the sizes of the standard."""
    with pytest.raises(SigningError) as refused:
        parse_secret(text)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert not text or text not in str(refused.value)


@given(st.binary(max_size=80))
def test_generated_secrets_survive_being_written_down(random: bytes) -> None:
    """A secret read back from storage signs alike; sizes outside the standard never come to be."""
    if 24 <= len(random) <= 64:
        secret = generate_hmac(random)
        again = parse_secret(secret.reveal())
        assert again.sign(b"x") == secret.sign(b"x")
    else:
        with pytest.raises(SigningError):
            generate_hmac(random)
    if len(random) == 32:
        assert parse_secret(generate_ed25519(random).reveal()).sign(b"x") == generate_ed25519(random).sign(b"x")
    else:
        with pytest.raises(SigningError):
            generate_ed25519(random)


def test_a_bare_seed_is_the_same_key_as_seed_and_public_half() -> None:
    """Both forms of `whsk_` are in use."""
    whole = parse_secret(ED25519_TEXT)
    assert isinstance(whole, Ed25519Secret)
    bare = parse_secret("whsk_" + base64.b64encode(whole.seed).decode())
    assert bare.reveal() == ED25519_TEXT
    assert whole.public() == "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="


def test_no_secret_shows_itself() -> None:
    """Rule 6: logs and tracebacks print values with repr."""
    for secret in (parse_secret(HMAC_TEXT), parse_secret(ED25519_TEXT)):
        shown = f"{secret!r} {secret} {[secret]}"
        assert secret.reveal() not in shown
        raw = secret.key if isinstance(secret, HmacSecret) else secret.seed
        assert repr(raw) not in shown
        assert base64.b64encode(raw).decode() not in shown
        assert "hidden" in shown


NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SECRETS = [generate_hmac(bytes([number]) * 24) for number in range(12)]


def test_an_old_key_signs_beside_the_new_one_until_the_overlap_is_over() -> None:
    """Rule 7: the new one first; the old one until just before its end."""
    first = rotate([], SECRETS[0], NOW, DAY)
    both = rotate(first, SECRETS[1], NOW + DAY, 7 * DAY)
    assert signing_at(both, NOW + DAY) == [SECRETS[1], SECRETS[0]]
    assert signing_at(both, NOW + 8 * DAY - timedelta(microseconds=1)) == [SECRETS[1], SECRETS[0]]
    assert signing_at(both, NOW + 8 * DAY) == [SECRETS[1]]
    assert signing_at(both, NOW) == [SECRETS[0]]


def test_no_overlap_ends_the_old_keys_at_once() -> None:
    """Rule 7: as when one of them has been stolen; also those that were still overlapping."""
    keys = rotate(rotate(rotate([], SECRETS[0], NOW, DAY), SECRETS[1], NOW, DAY), SECRETS[2], NOW, timedelta(0))
    assert [key.secret for key in keys] == signing_at(keys, NOW) == [SECRETS[2]]


def test_a_rotation_makes_nothing_live_longer() -> None:
    """Rule 7: a key that was to end in a day ends in a day."""
    keys = rotate(rotate([], SECRETS[0], NOW, DAY), SECRETS[1], NOW, DAY)
    keys = rotate(keys, SECRETS[2], NOW, 7 * DAY)
    assert signing_at(keys, NOW + DAY) == [SECRETS[2], SECRETS[1]]


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), 7 * DAY + timedelta(microseconds=1), 365 * DAY])
def test_an_overlap_out_of_range_is_refused(overlap: timedelta) -> None:
    """Rule 7: zero to seven days."""
    with pytest.raises(SigningError):
        rotate([], SECRETS[0], NOW, overlap)


def test_there_are_at_most_ten_live_keys() -> None:
    """Rule 7: more would not fit a receiver's patience; with none at all nothing is signed (rule 4)."""
    keys: tuple[LiveKey, ...] = ()
    for secret in SECRETS[:10]:
        keys = rotate(keys, secret, NOW, DAY)
    with pytest.raises(SigningError):
        rotate(keys, SECRETS[10], NOW, DAY)
    assert len(rotate(keys, SECRETS[10], NOW + DAY, DAY)) == 2
    for nothing in ([], [LiveKey(SECRETS[0], NOW + DAY)], [LiveKey(SECRETS[0], NOW - DAY, NOW)]):
        with pytest.raises(SigningError):
            signing_at(nothing, NOW)


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 7)), min_size=1, max_size=10), st.floats(0, 30))
def test_whatever_is_rotated_the_newest_signs_and_no_old_key_outlives_seven_days(
    turns: list[tuple[float, float]], later: float
) -> None:
    """Rule 7: over any history of rotations."""
    keys: tuple[LiveKey, ...] = ()
    now = NOW
    for (days, overlap), secret in zip(turns, SECRETS, strict=False):
        now += timedelta(days=days)
        keys = rotate(keys, secret, now, timedelta(days=overlap))
        assert signing_at(keys, now)[0] is secret
    moment = now + timedelta(days=later)
    signing = signing_at(keys, moment)
    assert signing[0] is SECRETS[len(turns) - 1]
    assert later <= 7 or len(signing) == 1
