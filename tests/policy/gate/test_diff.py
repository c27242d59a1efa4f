"""What exactly would change if the other bundle were active?"""

from pathlib import Path

import pytest

from tiprouter.policy.bundle import Bundle, load
from tiprouter.policy.gate.diff import Change, Difference, difference


@pytest.fixture(scope="module")
def there(bundle: Bundle, tip_sharing: Bundle) -> Difference:
    """What changes from the one shipped bundle to the other."""
    return difference(bundle, tip_sharing)


def _by_kind(found: Difference) -> dict[str, Change]:
    return {change.kind: change for change in found.changes}


def test_the_disputed_choice_is_all_that_differs(there: Difference) -> None:
    """From one shipped bundle to the other: the minimum to the police, on a third party's word, and its reviews."""
    changes = _by_kind(there)
    assert set(changes) == {"newly disclosed", "newly reviewed", "no longer reviewed"}
    disclosed = changes["newly disclosed"]
    assert disclosed.questions == ("incident", "location")
    assert disclosed.points == sum(situation.points for situation in disclosed.situations) + disclosed.untold
    assert disclosed.untold == 0
    for situation in disclosed.situations:
        assert "age: adult; recipient: law enforcement; usable; " in situation.words
        assert "signaled by: family friend or community member or service provider or authority" in situation.words
    assert there.discloses


def test_the_way_back_is_the_same_points_withheld(there: Difference, bundle: Bundle, tip_sharing: Bundle) -> None:
    """What one direction discloses the other withholds, point for point."""
    back = difference(tip_sharing, bundle)
    assert _by_kind(back)["newly withheld"].points == _by_kind(there)["newly disclosed"].points
    assert (there.before, there.after) == (back.after, back.before) == (bundle.digest, tip_sharing.digest)


def test_a_bundle_does_not_differ_from_itself(bundle: Bundle) -> None:
    """No change is told where there is none."""
    found = difference(bundle, bundle)
    assert found.changes == ()
    assert not found.discloses


def test_a_further_guard_only_withholds(folder: Path, bundle: Bundle) -> None:
    """One forbid, one situation, counted exactly: consenting adults' health data to clearinghouses."""
    (folder / "more.cedar").write_text(
        '@id("tenant.more")\n@basis("More.")\n@cite("None")\n'
        'forbid (principal, action == Action::"health", resource)\n'
        'when { principal.kind == RecipientKind::"clearinghouse" && resource.age == AgeBand::"adult" };\n'
    )
    found = difference(bundle, load(folder))
    (change,) = found.changes
    assert (change.kind, change.questions) == ("newly withheld", ("health",))
    # 3 jurisdictions x 4 roles x 3 duties x 6 reporters x 27 kinds of violence x 2 x 4 bases x another granted or not
    assert change.points == 3 * 4 * 3 * 6 * 27 * 2 * 4 * 2
    (situation,) = change.situations
    assert situation.words == (
        "person: potential victim or signaler or witness or dependant; age: adult; recipient: clearinghouse; usable; "
        "with an agreement; not accused by the record; consent to it: granted"
    )
    assert not found.discloses


def test_a_review_that_ends_counts_as_disclosing(folder: Path, bundle: Bundle) -> None:
    """What it held may leave, so it needs the same approval."""
    text = (folder / "core.cedar").read_text()
    assert '|| resource.escalating == Answer::"yes")' in text
    (folder / "core.cedar").write_text(text.replace('|| resource.escalating == Answer::"yes")', ")"))
    found = difference(bundle, load(folder))
    assert [change.kind for change in found.changes] == ["no longer reviewed"]
    assert found.discloses


def test_a_second_person_that_is_no_longer_asked_counts_as_disclosing(folder: Path, bundle: Bundle) -> None:
    """Asking for one changes no decision and is told; the way back lets one reviewer release alone."""
    text = (folder / "core.cedar").read_text()
    mark = '@id("review.minor-bystander")\n'
    (folder / "core.cedar").write_text(text.replace(mark, f'{mark}@second_person("location incident")\n'))
    asks = load(folder)
    there, back = difference(bundle, asks), difference(asks, bundle)
    (added,), (taken,) = there.changes, back.changes
    assert (added.kind, added.questions) == ("newly asked of a second person", ("incident", "location"))
    assert (taken.kind, taken.points) == ("no longer asked of a second person", added.points)
    assert all("age: minor" in situation.words for situation in added.situations)
    assert (there.discloses, back.discloses) == (False, True)
