"""Tests of the audit entry: one spelling, and no room for a person."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.audit.entry import JSON, Alike, EntryError, commit, compose, heading, parse
from tiprouter.audit.kinds import FIELDS, REQUIRED, Kind

AT = datetime(2026, 3, 1, 12, 0, 0, 123_999, tzinfo=UTC)
NONCE = bytes(range(16))

TOKENS = st.text("abcXYZ0189_.:+/=-", min_size=1, max_size=128).filter(
    lambda token: "://" not in token and not any(character.isdigit() for character in token),
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TOKENS
OBJECTS = st.dictionaries(TOKENS, SCALARS, max_size=3)
VALUES = SCALARS | st.lists(SCALARS, max_size=4) | OBJECTS | st.lists(OBJECTS, max_size=3)


def _entry(body: Mapping[str, JSON], kind: Kind = Kind.DECISION) -> bytes:
    return compose(kind, AT, NONCE, body)


def test_the_bytes_of_an_entry_are_these() -> None:
    """The spelling is a promise to every verifier, so it is written out here."""
    body: dict[str, JSON] = {
        "record": "rec_1",
        "outcome": "WITHHOLD",
        "categories": [],
        "revision": 3,
        "deadline": None,
        "obligations": [{"id": "telephone", "deadline_seconds": 3600}],
    }
    assert _entry(body) == (
        b'{"at":"2026-03-01T12:00:00.123Z","body":{"categories":[],"deadline":null,'
        b'"obligations":[{"deadline_seconds":3600,"id":"telephone"}],"outcome":"WITHHOLD","record":"rec_1",'
        b'"revision":3},"kind":"decision","nonce":"000102030405060708090a0b0c0d0e0f","v":1}'
    )


@given(st.dictionaries(st.sampled_from(sorted(FIELDS[Kind.DECISION])), VALUES, max_size=6))
def test_what_was_composed_is_parsed_back(body: dict[str, JSON]) -> None:
    """Composing loses nothing but parts of a millisecond, and the order of fields does not matter."""
    data = _entry(body)
    entry = parse(data)
    assert entry.body == body
    assert (entry.kind, entry.nonce, entry.at) == (Kind.DECISION, NONCE, AT.replace(microsecond=123_000))
    assert _entry(dict(reversed(body.items()))) == data


DECIDED = st.dictionaries(st.sampled_from(sorted(FIELDS[Kind.DECISION])), VALUES, max_size=6)
ANYTHING = TOKENS | VALUES | st.sampled_from(["two words", "%s", "%(nonce)s", "a\nb", "555-0101", "a" * 129, "", 2**53])


@given(DECIDED, st.lists(DECIDED, max_size=4))
def test_entries_that_say_most_alike_are_spelt_as_each_alone(
    shared: dict[str, JSON], each: list[dict[str, JSON]]
) -> None:
    """Whatever is shared and whatever is their own, byte for byte, and in whatever order they are asked for."""
    alike = Alike(Kind.DECISION, AT, shared)
    for number, own in enumerate([*each, *reversed(each)]):
        nonce = bytes([0xA0 + number]) * 16
        assert alike.compose(nonce, own) == compose(Kind.DECISION, AT, nonce, {**shared, **own})


@given(
    st.sampled_from([Kind.DECISION, Kind.ATTEMPT_FINISHED]),
    st.dictionaries(st.sampled_from(["recipient", "attempt", "narrative"]), ANYTHING, max_size=1),
    st.lists(st.dictionaries(st.sampled_from(["recipient", "cause", "attempt"]), ANYTHING, max_size=2)),
    st.sampled_from([15, 16]),
)
def test_what_alone_would_be_refused_is_refused_alike(
    kind: Kind, shared: dict[str, JSON], each: list[dict[str, JSON]], nonce_bytes: int
) -> None:
    """With the same words: a wrong value, an unknown field, a missing one, a short nonce; and only then."""
    alike, nonce = Alike(kind, AT, shared), bytes(nonce_bytes)

    def told(make: Callable[[], bytes]) -> bytes | str:
        try:
            return make()
        except EntryError as error:
            return str(error)

    for own in each:
        assert told(partial(alike.compose, nonce, own)) == told(partial(compose, kind, AT, nonce, {**shared, **own}))


def test_an_entry_like_others_fits_the_bundle_too() -> None:
    """Of two that say most alike, the one that is too long is refused, by its last byte."""

    def saying(length: int) -> Alike:
        return Alike(Kind.DECISION, AT, {"policies": ["p" * 128] * 499 + ["p" * length]})

    alike = saying(65_535 - len(saying(1).compose(NONCE, {"record": "r"})))
    assert len(alike.compose(NONCE, {"record": "rr"})) == 65_535
    with pytest.raises(EntryError, match="65535"):
        alike.compose(NONCE, {"record": "rrr"})


def test_times_are_told_in_utc() -> None:
    """The same instant in another zone gives the same bytes, and a time without a zone is refused."""
    elsewhere = AT.astimezone(timezone(timedelta(hours=-5)))
    assert compose(Kind.NOTICE, elsewhere, NONCE, {}) == compose(Kind.NOTICE, AT, NONCE, {})
    with pytest.raises(EntryError):
        compose(Kind.NOTICE, AT.replace(tzinfo=None), NONCE, {})


@pytest.mark.parametrize(
    "value",
    [
        "Example Person",
        "she is held at the motel",
        "person@hotline.example",
        "https://agency.example/case",
        "agency://case",
        "+1-555-0101",
        "+15125550101",
        "512-555-0101",
        "512.555.0101",
        "1-512-555-0101",
        "5125550101",
        "555-0101",
        "(512)555-0101",
        "",
        "a" * 129,
        "naïve",
        "line\nbreak",
        "token\n",
        '"quoted"',
        "comma,separated",
        0.5,
        float("nan"),
        2**53,
        -(2**53),
        b"bytes",
        datetime(2026, 1, 1, tzinfo=UTC),
        {"a", "b"},
        ["two words"],
        [["nested"]],
        {"two words": 1},
        {"key": "two words"},
        {"key": ["nested"]},
        {"key": {"nested": 1}},
        {1: "number for a key"},
        [{"key": "two words"}],
        [{"key": ["nested"]}],
        ["token", {"key": 1}],
    ],
)
def test_free_text_cannot_enter_the_log(value: object) -> None:
    """Whatever a narrative, an address or a number could hide in is refused, and the refusal does not repeat it."""
    body: Mapping[str, JSON] = {"cause": value}  # type: ignore[dict-item]  # the point is a value of the wrong type
    with pytest.raises(EntryError) as refusal:
        _entry(body)
    assert str(value) not in str(refusal.value) or not value


@pytest.mark.parametrize(
    "value",
    [
        "633de6d5",
        "12345678",
        "1234567890123456",
        "US-TX",
        "48201",
        "2026-03-01T12:00:00.000Z",
        "2026-03-01",
        "tx.child.duty-1",
        "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=",
        "tiprouter.example/audit",
        "261.101",
        Kind.DECISION,
        ("incident", "location"),
        [],
        {},
    ],
)
def test_ids_enum_values_times_and_digests_may_enter(value: JSON) -> None:
    """What the product writes down is not mistaken for a person's data."""
    assert parse(_entry({"cause": value})).kind is Kind.DECISION


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_its_fields_and_refuses_others(kind: Kind) -> None:
    """A field of the table is accepted, an unknown one refused without being repeated."""
    body: dict[str, JSON] = dict.fromkeys(FIELDS[kind], "x1")
    assert parse(_entry(body, kind)).body == body
    assert {"actor", "actor_class"} | REQUIRED.get(kind, frozenset()) <= FIELDS[kind]
    with pytest.raises(EntryError) as refusal:
        _entry({**body, "narrative": "x1"}, kind)
    assert "narrative" not in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, names in REQUIRED.items() for field in sorted(names)]
)
def test_an_entry_that_could_not_be_followed_is_refused(kind: Kind, field: str) -> None:
    """A disclosure without its id is refused when it is made, since the log could never be verified again."""
    body: dict[str, JSON] = dict.fromkeys(FIELDS[kind], "x1")
    for missing in ({name: value for name, value in body.items() if name != field}, {**body, field: None}):
        with pytest.raises(EntryError, match=field):
            _entry(missing, kind)


GOOD = _entry({"record": "rec_1", "revision": 1})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"[" * 60_000,
        b"1" * 60_000,
        b" " + GOOD,
        GOOD + b"\n",
        GOOD.replace(b":1}", b": 1}"),
        GOOD.replace(b'"v":1', b'"v":true'),
        GOOD.replace(b'"v":1', b'"v":1.0'),
        GOOD.replace(b'"v":1', b'"v":2'),
        GOOD.replace(b'"v":1', b'"v":1,"w":1'),
        GOOD.replace(b'"revision":1', b'"revision":01'),
        GOOD.replace(b'"revision":1', b'"revision":1e0'),
        GOOD.replace(b'"revision":1', b'"revision":-0'),
        GOOD.replace(b'"revision":1', b'"revision":NaN'),
        GOOD.replace(b'"revision":1', b'"revision":1,"revision":1'),
        GOOD.replace(b'"record":"rec_1","revision":1', b'"revision":1,"record":"rec_1"'),
        GOOD.replace(b"rec_1", b"rec\\u005f1"),
        GOOD.replace(b"rec_1", "räc_1".encode()),
        GOOD.replace(b"rec_1", b"two words"),
        GOOD.replace(b"record", b"person_name"),
        GOOD.replace(b'"decision"', b'"unheard.of"'),
        GOOD.replace(b'"decision"', b"[]"),
        GOOD.replace(b"0a0b", b"0A0B"),
        GOOD.replace(b"0a0b", b""),
        GOOD.replace(b"2026-03-01", b"2026-02-30"),
        GOOD.replace(b".123Z", b".123+00:00"),
        GOOD.replace(b".123Z", b"Z"),
        GOOD.replace(b'"2026-03-01T12:00:00.123Z"', b"1"),
        b'\xef\xbb\xbf{"v":1}',
        b"\xff",
    ],
)
def test_every_other_spelling_is_refused(data: bytes) -> None:
    """One happening has one spelling: anything `compose` would not write is no entry."""
    assert parse(GOOD).kind is Kind.DECISION
    assert data != GOOD
    with pytest.raises(EntryError):
        parse(data)


def test_an_entry_fits_the_bundle() -> None:
    """65,535 bytes are the most that a bundle can spell the length of."""
    with pytest.raises(EntryError, match="65535"):
        _entry({"policies": ["p" * 128] * 600})
    with pytest.raises(EntryError, match="65535"):
        parse(b"x" * 65_536)


def test_a_nonce_has_sixteen_bytes() -> None:
    """Equal happenings differ by 128 random bits, no fewer."""
    with pytest.raises(EntryError):
        compose(Kind.NOTICE, AT, NONCE[:15], {})


def test_a_commitment_binds_and_needs_its_salt() -> None:
    """The commitment is HMAC-SHA-256, depends on salt and value, and refuses a salt that could be guessed."""
    salt = b"\x0b" * 20
    assert commit(salt, b"Hi There") == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    assert commit(salt, b"adult") != commit(salt, b"minor")
    assert commit(salt, b"adult") != commit(b"\x0c" * 20, b"adult")
    assert commit(salt, b"adult") != hashlib.sha256(b"adult").hexdigest()
    with pytest.raises(EntryError):
        commit(b"short", b"adult")


@given(st.binary(max_size=200) | st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TOKENS, inner)))
def test_garbage_is_refused_and_never_crashes(raw: object) -> None:
    """Bytes from a damaged disk give an `EntryError`, nothing else."""
    data = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    with pytest.raises(EntryError):
        parse(data)


@pytest.mark.parametrize("kind", Kind)
def test_kind_and_time_are_read_from_their_places(kind: Kind) -> None:
    """What the sequencer reads cheaply is what parsing reads, for every kind, whatever the body says."""
    body: dict[str, JSON] = dict.fromkeys(FIELDS[kind], "x")
    for number in (0, 1, 999):
        at = datetime(2026, 3, 1, 12, 30, 59, number * 1_000, tzinfo=UTC)
        data = compose(kind, at, b"\xff" * 16, body)
        found, microseconds = heading(data)
        assert (found, datetime.fromtimestamp(microseconds / 1e6, UTC)) == (kind.value, at)
        assert parse(data).kind is kind


@pytest.mark.parametrize("bad", [b"", b"{}", b'{"at":"x"}', b'"kind":"decision"'])
def test_what_has_no_kind_in_its_place_is_no_entry(bad: bytes) -> None:
    """Bytes that nobody here composed do not get an index."""
    good = compose(Kind.ACCESS, datetime(2026, 3, 1, tzinfo=UTC), b"\1" * 16, {})
    for data in (bad, good[1:], good[:-1], good.replace(b"access", b"excess"), good.replace(b"2026", b"20x6")):
        with pytest.raises(EntryError):
            heading(data)
