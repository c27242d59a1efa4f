"""What is left of a record when one person is taken out of it? Rules 1 to 4."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.support.fictional import person, statement, tip
from tiprouter.domain.erasure import without
from tiprouter.domain.record import Guardian, Location, Record, Signaler, problems_of
from tiprouter.domain.vocabulary import Answer, Relationship
from tiprouter.storage.codec import to_bytes

REFS = ("p1", "p2", "p3")
_labels = st.lists(st.sampled_from(REFS), unique=True).map(tuple)
_records = st.builds(
    lambda count, labels, place, guardian, signaler: tip(
        *(
            person(
                ref,
                health=f"Mrk-{ref}",
                guardians=(Guardian("aunt", Answer.NO, guardian if guardian in REFS[:count] else None),),
            )
            for ref in REFS[:count]
        ),
        signaler=Signaler(Relationship.SELF, ref=signaler if signaler in REFS[:count] else None),
        statements=tuple(
            statement("".join(f"Mrk-{ref}" for ref in some or REFS[:count]), some)
            for some in (tuple(ref for ref in one if ref in REFS[:count]) for one in labels)
        ),
        location=Location(street="Mrk-all", persons=tuple(ref for ref in place if ref in REFS[:count])),
    ),
    st.integers(1, 3),
    st.lists(_labels, max_size=4),
    _labels,
    st.sampled_from(REFS),
    st.sampled_from(REFS),
)


@given(_records, st.sampled_from(REFS))
def test_nothing_about_the_person_is_left_and_nothing_about_others_alone_is_gone(record: Record, ref: str) -> None:
    """Rules 1 to 4, for any labels: her marker is nowhere, the record is sound, and theirs is where it was."""
    left = without(record, ref)
    if {one.ref for one in record.persons} == {ref}:
        assert left is None
        return
    assert left is not None
    if ref in {one.ref for one in record.persons}:
        assert f"Mrk-{ref}".encode() not in to_bytes(left)
        assert f'"{ref}"'.encode() not in to_bytes(left)
    assert list(problems_of(left)) == []
    assert [one.ref for one in left.persons] == [one.ref for one in record.persons if one.ref != ref]
    kept = [one for one in record.statements if one.persons and ref not in one.persons]
    assert list(left.statements) == kept
    assert replace(left, persons=(), statements=(), location=None, signaler=record.signaler) == replace(
        record, persons=(), statements=(), location=None
    )


def test_a_place_that_is_about_everybody_is_about_her() -> None:
    """Rule 2: kept only when it is labelled with others."""
    record = tip(person("p1"), person("p2"), location=Location(street="1 Example Street"))
    assert (without(record, "p1") or record).location is None
    others = replace(record, location=Location(street="1 Example Street", persons=("p2",)))
    assert (without(others, "p1") or record).location == others.location
