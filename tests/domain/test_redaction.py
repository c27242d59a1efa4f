"""What, exactly, may this recipient read of this record?"""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiprouter.domain.facts import Situation, findings_for
from tiprouter.domain.outcome import UNNAMED_SIGNALER, Notice, Ruling, Verdict, verdict_of
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.record import Contact, Identity, Location, Person, Record, Signaler, Statement, Violence
from tiprouter.domain.redaction import (
    REDISCLOSURE_NOTICE,
    Address,
    Made,
    Redacted,
    RedactionError,
    recall,
    redact,
    reopen,
)
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Category,
    Exploitation,
    Outcome,
    Perception,
    Relationship,
    Role,
    Urgency,
)

from .examples import NOW, agency, person, place, record, scenes, situation
from .examples import REFS as LETTERS

ADDRESS = Address("d-1", "m-1", 1, NOW, NOW)
TOWARD = agency(jurisdictions=("US-TX",))
EVERYTHING = frozenset(Category)
REFS = ("zz-ref-alpha", "zz-ref-bravo", "zz-ref-charlie")
LEAVING = (Outcome.REPORT, Outcome.DISCLOSE)

# Category -> what of a person's own fields carries it, with a mark that occurs nowhere else.
_MARKS = {
    Category.IDENTITY: "mark-identity",
    Category.CONTACT: "mark-contact",
    Category.HEALTH: "mark-health",
    Category.IMMIGRATION: "mark-immigration",
}


def _marked(ref: str, role: Role = Role.POTENTIAL_VICTIM) -> Person:
    return person(
        ref,
        role=role,
        identity=Identity(first_name=f"mark-identity-{ref}"),
        contact=Contact(email=f"mark-contact-{ref}@person.example"),
        health=f"mark-health-{ref}",
        immigration=f"mark-immigration-{ref}",
    )


def _verdict(categories: frozenset[Category], outcome: Outcome = Outcome.DISCLOSE) -> Verdict:
    facts = findings_for(situation(record()), TOWARD)["a"].facts
    leaving = categories if outcome in LEAVING else frozenset()
    return Verdict(outcome, leaving, ("x.y",), False, NOW, Urgency.STANDARD, Notice.NOT_REQUIRED, facts, None)  # noqa: FBT003 - a field


def _made(about: Record, **verdicts: Verdict) -> Made | None:
    return redact(about, {ref.replace("_", "-"): verdict for ref, verdict in verdicts.items()}, TOWARD, ADDRESS)


def _data(made: Made | None) -> dict[str, Any]:
    assert made is not None
    data: dict[str, Any] = json.loads(made.redacted.body)["data"]
    return data


_permissions = st.fixed_dictionaries(
    {
        ref: st.tuples(st.sampled_from(Outcome), st.sets(st.sampled_from(Category)).map(frozenset)).map(
            lambda both: _verdict(both[1], both[0])
        )
        for ref in REFS
    }
)
_roles = st.tuples(*(st.sampled_from(Role) for _ in REFS))
_labels = st.tuples(
    st.sets(st.sampled_from(REFS)).map(lambda refs: tuple(sorted(refs))), st.none() | st.sampled_from(Category)
)


def _record(roles: tuple[Role, ...], labels: list[tuple[tuple[str, ...], Category | None]], **changes: Any) -> Record:  # noqa: ANN401
    return record(
        *(_marked(ref, role) for ref, role in zip(REFS, roles, strict=True)),
        statements=tuple(Statement(f"mark-text-{n}.", refs, category) for n, (refs, category) in enumerate(labels)),
        **changes,
    )


def _appear(about: Record, verdicts: dict[str, Verdict]) -> set[str]:
    """Rules 2 and 5, said once more: who leaves at all."""
    return {
        each.ref
        for each in about.persons
        if verdicts[each.ref].leaves
        and (each.role is not Role.SIGNALER or Category.SIGNALER_IDENTITY in verdicts[each.ref].categories)
    }


@given(_roles, st.lists(_labels, max_size=4), _permissions)
def test_what_leaves_is_a_part_of_what_is_permitted(
    roles: tuple[Role, ...],
    labels: list[tuple[tuple[str, ...], Category | None]],
    verdicts: dict[str, Verdict],
) -> None:
    """Rules 2 to 4: a mark occurs in the bytes exactly when everybody it is about permits it."""
    about = _record(roles, labels)
    made = redact(about, verdicts, TOWARD, ADDRESS)
    appearing = _appear(about, verdicts)
    assert (made is None) == (not appearing)
    if made is None:
        return
    body = made.redacted.body.decode()
    assert made.persons == tuple(ref for ref in REFS if ref in appearing)
    assert made.categories == frozenset().union(*(verdicts[ref].categories for ref in appearing))
    for ref in REFS:
        for category, mark in _MARKS.items():
            permitted = ref in appearing and category in verdicts[ref].categories
            assert (f"{mark}-{ref}" in body) == permitted
    for number, (refs, label) in enumerate(labels):
        wanted = EVERYTHING if label is None else {label}
        allowed = all(ref in appearing and wanted <= verdicts[ref].categories for ref in refs or REFS)
        assert (f"mark-text-{number}." in body) == allowed
        assert (number in made.left_out) == (not allowed)


@given(_roles, st.lists(_labels, max_size=4), _permissions)
def test_no_ref_of_the_hotline_ever_leaves(
    roles: tuple[Role, ...],
    labels: list[tuple[tuple[str, ...], Category | None]],
    verdicts: dict[str, Verdict],
) -> None:
    """Rules 2 and 6: persons are numbered within the disclosure; nobody else is counted or named."""
    bare = [
        replace(each, identity=None, contact=None, health=None, immigration=None) for each in _record(roles, []).persons
    ]
    about = replace(_record(roles, labels, source="zz-source", external_id="zz-external"), persons=tuple(bare))
    made = redact(about, verdicts, TOWARD, ADDRESS)
    if made is None:
        return
    body = made.redacted.body.decode()
    assert "zz-" not in body
    numbers = [shown["person"] for shown in _data(made)["persons"]]
    assert numbers == [f"person-{number}" for number in range(1, len(_appear(about, verdicts)) + 1)]


def test_an_unlabelled_narrative_is_everything_about_everybody() -> None:
    """Rule 4: one category withheld from one person holds it back."""
    about = record(_marked("a"), _marked("b"), statements=(Statement("all of it."),))
    whole, nearly = _verdict(EVERYTHING), _verdict(EVERYTHING - {Category.HEALTH})
    assert _data(_made(about, a=whole, b=whole))["statements"] == [
        {"persons": ["person-1", "person-2"], "category": None, "text": "all of it."}
    ]
    assert _data(_made(about, a=whole, b=nearly))["statements"] == []
    assert _data(_made(about, a=whole))["statements"] == []


def test_a_record_without_persons_says_nothing() -> None:
    """Rule 4: a narrative about nobody is permitted by nobody."""
    about = replace(record(), persons=(), statements=(Statement("nobody said yes."),))
    assert redact(about, {}, TOWARD, ADDRESS) is None


@pytest.mark.parametrize("persons", [(), ("a",), ("a", "b")])
def test_the_place_is_a_statement_of_its_own_category(persons: tuple[str, ...]) -> None:
    """Rule 4: about everybody when it is about nobody in particular."""
    about = record(_marked("a"), _marked("b"), location=Location(street="1 Example Street", persons=persons))
    yes, no = _verdict(frozenset({Category.LOCATION})), _verdict(EVERYTHING - {Category.LOCATION})
    assert "location" in _data(_made(about, a=yes, b=yes))
    assert ("location" in _data(_made(about, a=yes, b=no))) == (persons == ("a",))
    assert "location" not in _data(_made(about, a=no, b=yes))


def test_who_signaled_appears_only_when_that_is_permitted() -> None:
    """Rule 5: neither as a person, nor as a relationship, nor in anybody's count."""
    about = record(_marked("a"), _marked("s", Role.SIGNALER), signaler=Signaler(Relationship.FAMILY_FRIEND, ref="s"))
    victim = _verdict(frozenset({Category.INCIDENT}))
    hidden = _data(_made(about, a=victim, s=_verdict(EVERYTHING - {Category.SIGNALER_IDENTITY})))
    assert len(hidden["persons"]) == 1
    assert "signaler" not in hidden
    assert "family_friend" not in json.dumps(hidden)
    shown = _data(_made(about, a=victim, s=_verdict(frozenset({Category.SIGNALER_IDENTITY}))))
    assert shown["signaler"] == {"person": "person-2", "relationship": "family_friend"}


_rulings = st.builds(
    Ruling,
    st.sets(st.sampled_from(Category)).map(frozenset),
    st.booleans(),
    st.booleans(),
    st.just(("x.y",)),
    errors=st.sampled_from([(), (), (), ("x",)]),
)


@settings(max_examples=200)
@given(scenes, st.tuples(*(_rulings for _ in LETTERS)))
def test_who_leaves_by_the_outcome_is_who_appears(
    scene: tuple[Situation, Recipient], rulings: tuple[Ruling, ...]
) -> None:
    """Rules 2 and 5: whatever a policy answered of anybody, outcome and redaction agree exactly about who leaves.

    A decision that says that something of a person left is never about somebody whom the payload does not show, with
    the categories it says and under its outcome; and nobody is shown whose decision says that nothing left.
    """
    of, toward = scene
    found = findings_for(of, toward)
    verdicts = {ref: verdict_of(found[ref], ruling, of.now) for ref, ruling in zip(LETTERS, rulings, strict=True)}
    leaving = [ref for ref in LETTERS if verdicts[ref].leaves]
    made = redact(of.record, verdicts, toward, ADDRESS)
    assert (made is not None) == bool(leaving)
    if made is None:
        return
    assert made.persons == tuple(leaving)
    assert made.categories == frozenset().union(*(verdicts[ref].categories for ref in leaving))
    for ref, shown in zip(leaving, _data(made)["persons"], strict=True):
        assert shown["outcome"] == verdicts[ref].outcome
        assert set(shown["categories"]) == set(verdicts[ref].categories) != set()
        assert shown["age_band"] == found[ref].facts.age


@pytest.mark.parametrize("also", [frozenset(), frozenset({Category.SIGNALER_IDENTITY})], ids=["unnamed", "named"])
def test_a_signaler_who_consented_to_the_incident_alone_leaves_no_trace(also: frozenset[Category]) -> None:
    """Rule 5: neither the caller nor the statement that is about them is told: decision and payload agree."""
    about = record(
        _marked("a"),
        _marked("s", Role.SIGNALER),
        signaler=Signaler(Relationship.FAMILY_FRIEND, ref="s"),
        statements=(
            Statement("the caller saw it.", ("s",), Category.INCIDENT),
            Statement("it.", ("a",), Category.INCIDENT),
        ),
    )
    found = findings_for(situation(about), TOWARD)
    incident = frozenset({Category.INCIDENT})
    told = Ruling(incident, report=False, review=False, policies=("core.consent",))
    verdicts = {
        "a": verdict_of(found["a"], told, NOW),
        "s": verdict_of(found["s"], replace(told, permitted=incident | also), NOW),
    }
    data = _data(redact(about, verdicts, TOWARD, ADDRESS))
    assert [shown["role"] for shown in data["persons"]] == ["potential_victim", *(["signaler"] if also else [])]
    assert [each["text"] for each in data["statements"]] == [*(["the caller saw it."] if also else []), "it."]
    assert ("signaler" in data) == bool(also)
    assert (verdicts["s"].outcome, verdicts["s"].policies) == (
        (Outcome.DISCLOSE, ("core.consent",)) if also else (Outcome.WITHHOLD, (UNNAMED_SIGNALER,))
    )
    assert redact(about, {"s": verdicts["s"]}, TOWARD, ADDRESS) is None or also


def test_a_victim_who_signaled_is_not_shown_as_the_signaler() -> None:
    """Rule 5: somebody who speaks for themselves appears, but not that it was they who called."""
    about = record(_marked("a"), signaler=Signaler(Relationship.SELF, ref="a"))
    assert "signaler" not in _data(_made(about, a=_verdict(EVERYTHING - {Category.SIGNALER_IDENTITY})))
    assert "signaler" in _data(_made(about, a=_verdict(EVERYTHING)))


def test_what_happened_is_incident() -> None:
    """Rule 5: exploitation and violence are told only to whom the incident is."""
    about = record(
        _marked("a"),
        exploitation=(Exploitation.FORCED_LABOUR,),
        violence=Violence(Answer.YES, Answer.YES, Perception.HEARD, NOW),
    )
    told = _data(_made(about, a=_verdict(frozenset({Category.INCIDENT}))))
    assert (told["exploitation"], told["violence"]["immediate"]) == (["ForcedLabour"], "yes")
    silent = _data(_made(about, a=_verdict(EVERYTHING - {Category.INCIDENT})))
    assert "exploitation" not in silent
    assert "violence" not in silent


def test_a_place_the_recipient_does_not_serve_is_not_told() -> None:
    """Rule 2: nobody else is hinted at, and neither is another authority's place."""
    about = record(_marked("a"), jurisdictions=(place("US-TX"), place("US-GA")))
    assert [each["code"] for each in _data(_made(about, a=_verdict(EVERYTHING)))["jurisdictions"]] == ["US-TX"]


def test_the_notice_travels_with_the_data() -> None:
    """Rule 7: with the purpose the recipient may use it for."""
    data = _data(_made(record(_marked("a")), a=_verdict(EVERYTHING)))
    assert data["redisclosure_notice"] == REDISCLOSURE_NOTICE
    assert data["purpose"] == "investigation"
    assert data["persons"][0]["age_band"] == AgeBand.ADULT


def test_only_redaction_makes_a_payload() -> None:
    """Rule 1: no other mint is accepted, and what was made cannot be replaced."""
    for mint in (None, object(), "mint", True):
        with pytest.raises(RedactionError):
            Redacted(b"{}", mint)
    made = _made(record(_marked("a")), a=_verdict(EVERYTHING))
    assert made is not None
    with pytest.raises(AttributeError):
        made.redacted.body = b"{}"  # type: ignore[misc]  # that it cannot be set is the story


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_payload_is_not_reopened(position: int, flip: int) -> None:
    """Rule 1: the digest kept beside the bytes must be theirs."""
    made = _made(record(_marked("a")), a=_verdict(EVERYTHING))
    assert made is not None
    body, digest = made.redacted.body, made.redacted.digest
    assert reopen(body, digest).body == body
    changed = bytearray(body)
    changed[position % len(body)] ^= flip
    with pytest.raises(RedactionError):
        reopen(bytes(changed), digest)


def test_equal_content_has_an_equal_digest_whatever_the_address() -> None:
    """The content's digest covers what is told, so that telling the same thing twice can be seen."""
    about, verdicts = record(_marked("a")), {"a": _verdict(EVERYTHING)}
    first = redact(about, verdicts, TOWARD, ADDRESS)
    again = redact(about, verdicts, TOWARD, replace(ADDRESS, disclosure_id="d-2", sequence=2))
    less = redact(about, {"a": _verdict(EVERYTHING - {Category.HEALTH})}, TOWARD, ADDRESS)
    assert first is not None
    assert again is not None
    assert less is not None
    assert first.content_digest == again.content_digest != less.content_digest
    assert first.redacted.digest != again.redacted.digest


def test_a_recall_carries_ids_only() -> None:
    """A recipient learns which disclosure is recalled and why, and nothing of the person again."""
    data = json.loads(recall(TOWARD, ADDRESS, "d-0").body)["data"]
    assert set(data) == {
        "disclosure_id",
        "matter_id",
        "sequence",
        "recipient_id",
        "purpose",
        "deadline",
        "redisclosure_notice",
        "recalls",
        "reason",
    }
    assert (data["recalls"], data["reason"]) == ("d-0", "consent_withdrawn")
