"""Which policies does the duty table add, jurisdiction by jurisdiction?"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.examples import both, either, row, territory
from tiprouter.domain.duty import DutyRow, Span, Written
from tiprouter.domain.outcome import Ruling
from tiprouter.domain.vocabulary import (
    AgeBand,
    Bound,
    Clock,
    Confidence,
    DutyState,
    RecipientKind,
    ReportChannel,
    Role,
    SpanUnit,
    WrittenWhen,
)
from tiprouter.policy.annotations import Effect, Layer
from tiprouter.policy.bundle import Bundle, load
from tiprouter.policy.engine import Engine
from tiprouter.policy.layers import Policy
from tiprouter.policy.refusal import BundleError
from tiprouter.policy.slices import slices

from .facts_strategy import facts, numbered

PLACES = {"US-TX": territory("US-TX", name="Texas")}
TWO_DAYS = Span(2, SpanUnit.DAYS)
ENOUGH = settings(max_examples=25)


def _slice(bundle: Bundle, **changes: Any) -> Policy:  # noqa: ANN401 - fields of many types
    (policy,) = slices([row(**changes)], PLACES, bundle.parsed.schema).values()
    return policy


def _with(bundle: Bundle, rows: Sequence[DutyRow]) -> Engine:
    return Engine(replace(bundle, slices=slices(rows, PLACES, bundle.parsed.schema)))


def test_a_row_becomes_a_permit_to_report(bundle: Bundle) -> None:
    """Rule 1: its words and citation are the law's."""
    note = _slice(bundle, hours=48, channel=ReportChannel.TELEPHONE, citation="Example Code 7").note
    assert (note.id, note.effect, note.layer) == ("duty.us-tx", Effect.PERMIT, Layer.STATE)
    assert note.basis.startswith("Texas: ")
    assert "48 hours" in note.basis
    assert note.cite == "Example Code 7"
    assert (note.deadline, note.channel, note.written) == (timedelta(hours=48), ReportChannel.TELEPHONE, None)


def test_immediately_and_any_channel_are_not_annotated(bundle: Bundle) -> None:
    """Rule 1: "immediately" is the protocol's to read, and any channel demands nothing."""
    note = _slice(bundle, hours=None).note
    assert (note.deadline, note.channel) == (None, None)


@pytest.mark.parametrize(
    ("when", "channel", "owed"),
    [
        (WrittenWhen.ALWAYS, ReportChannel.ANY, True),
        (WrittenWhen.ALWAYS, ReportChannel.TELEPHONE, True),
        (WrittenWhen.AFTER_ORAL, ReportChannel.TELEPHONE, True),
        (WrittenWhen.AFTER_ORAL, ReportChannel.ORAL, True),
        (WrittenWhen.AFTER_ORAL, ReportChannel.ORAL_OR_ELECTRONIC, False),
        (WrittenWhen.AFTER_ORAL, ReportChannel.ANY, False),
        (WrittenWhen.IF_REQUESTED, ReportChannel.TELEPHONE, False),
    ],
)
def test_a_report_in_writing_is_owed_when_the_law_says_when(
    bundle: Bundle,
    when: WrittenWhen,
    channel: ReportChannel,
    owed: bool,  # noqa: FBT001 - a table
) -> None:
    """Rule 1: after a call only where a call is demanded, because ours is already written."""
    note = _slice(bundle, written=Written(TWO_DAYS, Clock.REPORTED, when), channel=channel).note
    assert note.written == (TWO_DAYS if owed else None)


def test_a_row_without_a_source_is_no_policy(bundle: Bundle) -> None:
    """Rule 1: nothing stands behind it, so it explains nothing. No rows are no policies, and no error."""
    unsourced = [row(confidence=Confidence.NONE), row("US-GA", source="")]
    assert list(slices([*unsourced, row("US-AL")], PLACES, bundle.parsed.schema)) == ["us-al"]
    assert slices(unsourced, PLACES, bundle.parsed.schema) == {}


def test_a_row_of_a_place_without_a_name_is_called_by_its_code(bundle: Bundle) -> None:
    """Rule 1: a federal row has no jurisdiction's row."""
    (policy,) = slices([row("US")], PLACES, bundle.parsed.schema).values()
    assert policy.note.basis.startswith("US: ")


def test_a_shipped_slice_is_one_of_each_sourced_row(bundle: Bundle, tip_sharing: Bundle) -> None:
    """Rule 1: also of rows that bind others, because they are told."""
    rows = [each for some in bundle.protocol.rows.values() for each in some]
    assert set(bundle.slices) == {each.id for each in rows if each.sourced} == set(tip_sharing.slices)
    assert any(each.binds is Bound.OFFICIAL for each in rows if each.id in bundle.slices)
    assert all(policy.note.id == f"duty.{name}" for name, policy in bundle.slices.items())


def test_a_slices_note_is_known_like_any_other(bundle: Bundle) -> None:
    """What a decision cites can be looked up, the law of a row too; nobody else's word is."""
    note = bundle.note("duty.us-ca")
    assert note is not None
    assert note.layer is Layer.STATE
    assert "California" in note.basis
    assert bundle.note("core.consent") == bundle.notes["core.consent"]
    assert bundle.note("duty.us-xx") is None
    assert not any(name.startswith("duty.") for name in bundle.notes)


CHILDREN_OF = [
    facts(age=age, duty=duty, role=role, recipient_kind=kind)
    for age, duty, role, kind in product(AgeBand, DutyState, Role, RecipientKind)
]


@pytest.mark.parametrize("receivers", [either(*list(RecipientKind)[:2]), both(*list(RecipientKind)[2:4])])
def test_a_slice_speaks_of_a_childs_duty_toward_whom_it_names(
    bundle: Bundle, receivers: tuple[frozenset[RecipientKind], ...]
) -> None:
    """Rule 2: of every part; and of nobody else's situation, whatever facts name it."""
    named = row(receivers=receivers)
    engine = _with(bundle, [named])
    for each in CHILDREN_OF:
        asked = replace(each, rows=("us-tx",))
        speaks = (
            each.recipient_kind in named.kinds
            and each.age is AgeBand.MINOR
            and each.duty is DutyState.REQUIRED
            and each.role in (Role.POTENTIAL_VICTIM, Role.DEPENDANT)
        )
        assert ("duty.us-tx" in engine.rule(asked).policies) == speaks


def _without(ruling: Ruling) -> Ruling:
    """A ruling without what slices may say: why, by when, and how."""
    policies = tuple(policy for policy in ruling.policies if not policy.startswith("duty."))
    return replace(ruling, policies=policies, within=(), written=(), call=False)


def test_a_slice_lets_nothing_leave_that_core_does_not(bundle: Bundle, tip_sharing: Bundle) -> None:
    """Rule 3: with every row of the nation at once, what leaves, is reported or is reviewed is the same."""
    for each in (bundle, tip_sharing):
        engine, rows = Engine(each), tuple(each.slices)
        for number in range(150):
            asked = numbered(number)
            assert _without(engine.rule(replace(asked, rows=rows))) == _without(engine.rule(asked))


def test_slices_of_two_rows_are_both_heard(bundle: Bundle) -> None:
    """Rules 1 and 2: each with its own deadline and writing; one that demands a call is enough."""
    rows = [
        row(hours=48, channel=ReportChannel.ORAL),
        row("US-GA", hours=12, written=Written(TWO_DAYS, Clock.RECEIVED, WrittenWhen.ALWAYS)),
        row("US-AL", hours=1, channel=ReportChannel.TELEPHONE),
    ]
    engine, child = _with(bundle, rows), facts(age=AgeBand.MINOR, duty=DutyState.REQUIRED)
    two = engine.rule(replace(child, rows=("us-tx", "us-ga")))
    assert {"duty.us-tx", "duty.us-ga"} <= set(two.policies)
    assert "duty.us-al" not in two.policies
    assert (two.within, two.written, two.call) == ((timedelta(hours=12), timedelta(hours=48)), (TWO_DAYS,), True)
    assert not engine.rule(replace(child, rows=("us-ga",))).call
    assert engine.rule(replace(child, rows=("us-ga", "us-tx"))) == two


@pytest.mark.parametrize("channel", ReportChannel)
def test_only_a_spoken_report_is_a_call(bundle: Bundle, channel: ReportChannel) -> None:
    """Rule 1: a webhook is none, and whatever may be electronic needs none."""
    child = facts(age=AgeBand.MINOR, duty=DutyState.REQUIRED, rows=("us-tx",))
    call = _with(bundle, [row(channel=channel)]).rule(child).call
    assert call == (channel in (ReportChannel.TELEPHONE, ReportChannel.ORAL))


@ENOUGH
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(str.strip))
def test_a_citation_is_text_and_never_policy(bundle: Bundle, text: str) -> None:
    """Rule 4: whatever a table's cell holds, one policy comes of it, that says it and nothing more."""
    policy = _slice(bundle, citation=text)
    assert policy.note.cite == " ".join(text.split())
    assert policy.tree["effect"] == "permit"
    assert len(policy.tree["conditions"]) == 1


@pytest.mark.parametrize(
    "text",
    ['x")\npermit (principal, action, resource); //', 'x\\") permit (principal, action, resource); //', "; ; //"],
)
def test_a_citation_that_would_be_a_policy_is_only_told(bundle: Bundle, text: str) -> None:
    """Rule 4: the attack by name; nothing is permitted by it."""
    policy = _slice(bundle, citation=text)
    assert policy.note.cite == " ".join(text.split())
    assert policy.tree == {**_slice(bundle).tree, "annotations": policy.tree["annotations"]}


def test_a_row_that_would_be_no_policy_is_refused(folder: Path) -> None:
    """Rule 4: what Cedar cannot hold is found when the bundle is read, not when a child is reported."""
    table = folder / "duties.csv"
    table.write_text(table.read_text().replace("Alaska Stat.", "Alaska \b Stat.", 1))
    with pytest.raises(BundleError) as refused:
        load(folder)
    assert refused.value.file == "duties.csv (generated)"
