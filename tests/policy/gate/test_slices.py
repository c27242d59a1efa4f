"""Would the gate notice a state slice that does more than say why and by when?"""

from dataclasses import replace

import pytest

from tiprouter.policy.annotations import Layer
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate.check import examined
from tiprouter.policy.gate.proofs import Stated, stated
from tiprouter.policy.gate.slices import beyond_core
from tiprouter.policy.layers import Policy, Source, read_layers
from tiprouter.policy.refusal import BundleError

CHILD = (
    'resource.age == AgeBand::"minor" && resource.duty == Duty::"required" && '
    '[Role::"potential_victim", Role::"dependant"].contains(resource.role)'
)
POLICE = 'principal.kind == RecipientKind::"law_enforcement"'
STEP = "State slices only say why and by when"


@pytest.fixture(scope="module")
def alone(bundle: Bundle) -> Stated:
    """The shipped bundle, compiled."""
    return stated(bundle, [])


def slices(bundle: Bundle, *policies: tuple[str, str, str, str]) -> tuple[Policy, ...]:
    """Slices by id, effect, action and condition."""
    text = "\n".join(
        f'@id("{name}")\n@basis("Example.")\n@cite("Example Code 1")\n'
        f"{effect} (principal, {action}, resource)\nwhen {{ {condition} }};"
        for name, effect, action, condition in policies
    )
    return read_layers([Source("state.cedar", text, Layer.STATE)], bundle.parsed.schema)


def report(name: str, condition: str) -> tuple[str, str, str, str]:
    """A slice that permits a report."""
    return (name, "permit", 'action == Action::"report"', condition)


def test_the_shipped_slices_only_say_why_and_by_when(bundle: Bundle, alone: Stated) -> None:
    """All of them, over the whole space."""
    assert len(bundle.slices) >= 50
    assert beyond_core(alone, bundle.slices.values()).faults == ()


def test_a_slice_within_the_bundle_adds_nothing(bundle: Bundle, alone: Stated) -> None:
    """The same words, or narrower ones."""
    within = slices(bundle, report("duty.us-aa", CHILD), report("duty.us-bb", f"{CHILD} && {POLICE}"))
    assert beyond_core(alone, within).faults == ()


def test_every_point_beyond_the_bundle_is_counted(bundle: Bundle, alone: Stated) -> None:
    """A slice without the duty reports whatever the table says; every slice that says so is named, with a situation."""
    bare = 'resource.age == AgeBand::"minor" && resource.role == Role::"potential_victim"'
    wide = slices(bundle, report("duty.us-aa", bare), report("duty.us-bb", f"{CHILD}"), report("duty.us-cc", bare))
    beyond = beyond_core(alone, wide).beyond
    # Of two duties the bundle permits no report, whether another category is granted or not: everything else may be
    # anything but what is imminent danger to police.
    points = 2 * 2 * (5 * 2 * 2 * 2 * 3 * 6 * 3 * 3 * 3 * 2 * 4 * 7 - 2 * 2 * 2 * 3 * 6 * 4 * 7)
    assert [(one.policy, one.question, one.points) for one in beyond] == [
        ("duty.us-aa", "report", points),
        ("duty.us-cc", "report", points),
    ]
    assert "person: potential victim; age: minor; " in beyond[0].words
    assert "duty toward it: required" not in beyond[0].words


def test_what_a_guard_forbids_anyway_is_not_beyond(bundle: Bundle, alone: Stated) -> None:
    """A slice may permit an implicated agency everything: the guard wins, so it adds nothing."""
    loud = slices(bundle, ("duty.us-aa", "permit", 'action in Action::"disclose"', "principal.implicated"))
    assert beyond_core(alone, loud).faults == ()


def test_a_slice_that_releases_a_category_is_found(bundle: Bundle, alone: Stated) -> None:
    """Health is not part of a child report; where the child consented the bundle permits it already."""
    more = slices(bundle, ("duty.us-aa", "permit", 'action == Action::"health"', CHILD))
    (beyond,) = beyond_core(alone, more).beyond
    assert (beyond.policy, beyond.question) == ("duty.us-aa", "health")
    assert "consent to health: " in beyond.words
    assert "consent to health: granted" not in beyond.words


def test_a_slice_that_never_matches_is_named(bundle: Bundle, alone: Stated) -> None:
    """Its law would never be cited, and nobody would know why."""
    never = (
        'resource.age == AgeBand::"minor" && (resource.fresh || resource.age == AgeBand::"adult") && !resource.fresh'
    )
    idle = slices(bundle, report("duty.us-aa", never), report("duty.us-bb", CHILD))
    assert beyond_core(alone, idle).faults == ("duty.us-aa can never match",)


def test_a_slice_that_forbids_or_errs_is_named(bundle: Bundle, alone: Stated) -> None:
    """The one would silence, the other would be skipped."""
    odd = slices(
        bundle,
        ("duty.us-aa", "forbid", 'action == Action::"report"', CHILD),
        report("duty.us-bb", f"{CHILD} && 9223372036854775807 + 1 > 0"),
    )
    added = beyond_core(alone, odd)
    assert (added.forbidding, added.erring, added.idle) == (("duty.us-aa",), ("duty.us-bb",), ("duty.us-bb",))
    assert "duty.us-aa forbids" in added.faults
    assert "duty.us-bb can err and would be skipped" in added.faults


def test_a_slice_the_gate_does_not_model_is_refused(bundle: Bundle, alone: Stated) -> None:
    """With its file and line, like every policy."""
    odd = slices(bundle, report("duty.us-aa", '[resource.age].contains(AgeBand::"minor")'))
    with pytest.raises(BundleError, match="the gate does not model a set with a fact") as refused:
        beyond_core(alone, odd)
    assert (refused.value.file, refused.value.line) == ("state.cedar", 1)
    assert _step(replace(bundle, slices={"us-aa": odd[0]}))[0] is False


def test_the_check_stops_a_bundle_whose_slices_do_more(bundle: Bundle) -> None:
    """The step fails, names the first faults, and counts the rest."""
    wide = slices(bundle, *(report(f"duty.us-{code}", POLICE) for code in ("aa", "bb", "cc", "dd", "ee")))
    ok, detail = _step(replace(bundle, slices={policy.note.id: policy for policy in wide}))
    assert not ok
    assert detail.count(" permits report beyond the bundle (") == 3
    assert detail.endswith("; and 2 more")
    assert _step(bundle) == (True, f"{len(bundle.slices)} slices permit nothing new")


def _step(bundle: Bundle) -> tuple[bool, str]:
    (step,) = [step for step in examined(bundle, golden=False) if step.title == STEP]
    return step.ok, step.detail
