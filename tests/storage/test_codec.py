"""What was stored yesterday is read today, the same; what does not fit is refused without being quoted."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fictional import SECRET, agency, grant, tip
from tiprouter.domain.consent import Consent, Guardianship, InformedItem
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.record import Record, Violence
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage.acknowledgements import Words
from tiprouter.storage.codec import from_bytes, from_plain, to_bytes, to_plain
from tiprouter.storage.vault import SealError

LE = RecipientKind.LAW_ENFORCEMENT
MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
MAYBE = st.none() | MOMENTS
RECORDS = st.builds(
    Record,
    signaled_at=MOMENTS,
    received_at=MOMENTS,
    violence=st.builds(Violence, observed_at=MAYBE),
)
CONSENTS = st.builds(Consent, given_at=MOMENTS, valid_from=MOMENTS, expires_at=MAYBE, withdrawn_at=MAYBE)
RECIPIENTS = st.builds(Recipient, agreement_until=MAYBE)
VALUES = RECORDS | CONSENTS | RECIPIENTS | st.builds(Words)


@settings(deadline=None)
@given(VALUES)
def test_every_value_comes_back_as_it_went(value: object) -> None:
    """As bytes and as JSON values alike, types included."""
    assert from_bytes(type(value), to_bytes(value)) == value
    assert from_plain(type(value), to_plain(value)) == value
    assert to_bytes(from_bytes(type(value), to_bytes(value))) == to_bytes(value)


@pytest.mark.parametrize("told", [True, False])
def test_a_consent_from_before_the_checklist_was_told_all_or_nothing(*, told: bool) -> None:
    """Stored with a bare yes or no, and of a guardian without a name: both are read, and nothing is made up."""
    old = to_plain(grant(LE, informed=told, guardian=Guardianship("aunt", "Example Advocate")))
    assert old["informed"] is told
    del old["guardian"]["ref"]
    found = from_plain(Consent, old)
    assert found.checklist == (tuple(InformedItem) if told else ())
    assert found.guardian is not None
    assert (found.guardian.ref, found.guardian.vouched) == (None, False)


def test_a_checklist_comes_back_item_by_item() -> None:
    """What was told is stored as the words of the vocabulary, in the order in which they were sent."""
    two = (InformedItem.RISKS, InformedItem.PURPOSE)
    assert to_plain(grant(LE, informed=two))["informed"] == ["risks", "purpose"]
    found = from_bytes(Consent, to_bytes(grant(LE, informed=two)))
    assert (found.informed, found.checklist) == (two, (InformedItem.PURPOSE, InformedItem.RISKS))


@settings(deadline=None)
@given(VALUES, st.data())
def test_a_value_that_was_cut_is_refused(value: object, data: st.DataObject) -> None:
    """Any shorter beginning of the bytes is no value."""
    written = to_bytes(value)
    with pytest.raises(SealError):
        from_bytes(type(value), written[: data.draw(st.integers(0, len(written) - 1))])


@pytest.mark.parametrize(
    ("kind", "value", "change"),
    [
        (Record, tip(), {"persons": [{"ref": SECRET}]}),
        (Record, tip(), {"signaled_at": SECRET}),
        (Record, tip(), {"kind": SECRET}),
        (Consent, grant(), {"choice": SECRET}),
        (Consent, grant(), {"kinds": [SECRET]}),
        (Recipient, agency(), {"status": SECRET}),
    ],
)
def test_a_value_that_does_not_fit_is_refused_without_quoting_it(
    kind: type[Any], value: object, change: dict[str, Any]
) -> None:
    """Neither the error nor any error behind it repeats the foreign value."""
    plain = to_plain(value) | change
    with pytest.raises(SealError) as caught:
        from_plain(kind, plain)
    seen: BaseException | None = caught.value
    while seen is not None:
        assert SECRET not in repr(seen)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def test_a_value_of_another_kind_is_refused() -> None:
    """A consent is no record, although both are JSON."""
    with pytest.raises(SealError):
        from_bytes(Record, to_bytes(grant()))


def test_a_record_without_the_fields_that_were_added_later_is_still_read() -> None:
    """Fields with defaults may be missing: what was written before they existed is read with the default."""
    plain = to_plain(tip())
    for name in ("location", "violence", "implicated", "status", "tips", "statements"):
        del plain[name]
    read = from_plain(Record, plain)
    assert (read.persons, read.violence, read.tips) == (tip().persons, Violence(), ())
