"""Is the whole space really the whole space, and is a set of points what it says?"""

from itertools import islice
from math import prod
from pathlib import Path

import pytest

from tiprouter.domain.vocabulary import AgeBand, Answer, Category, ConsentState, RecipientKind
from tiprouter.policy.bundle import Bundle, load
from tiprouter.policy.gate.compile import Asked, Compiler, allowed
from tiprouter.policy.gate.differential import STRIDE, facts_at
from tiprouter.policy.gate.opinion import SecondOpinion
from tiprouter.policy.gate.space import SIZE, SLABS, VALUES, Space, point_at
from tiprouter.policy.gate.view import View
from tiprouter.policy.questions import FIELDS, QUESTIONS, asked_with


def test_the_space_has_every_fact_with_every_value() -> None:
    """Each attribute a policy can read is a fact of the space; together more than a million points."""
    assert set(FIELDS.values()) == set(VALUES)
    assert SIZE == prod(map(len, VALUES.values())) == 97_977_600
    assert len({tuple(point_at(number).values()) for number in range(5_000)}) == 5_000


def test_the_stride_takes_no_point_twice() -> None:
    """It has no factor in common with the size, so that a sample is spread and a full run complete."""
    assert all(SIZE % factor == 0 or STRIDE % factor for factor in (2, 3, 5, 7))
    assert SIZE % STRIDE
    assert len({facts_at(number) for number in range(0, 4_000, 2)}) == 2_000


def test_every_second_point_is_toward_a_recipient_that_may_be_told() -> None:
    """Otherwise nearly every compared decision would be a denial."""
    opened = [facts_at(number) for number in range(1, 400, 2)]
    assert all(one.usable and one.agreement and not one.implicated for one in opened)
    assert {one.in_jurisdiction for one in opened} == {Answer.YES}
    assert {one.in_jurisdiction for one in map(facts_at, range(0, 400, 2))} == set(Answer)


def test_the_states_that_policies_tell_apart_are_the_ones_they_name(bundle: Bundle, folder: Path) -> None:
    """Those they name and one that stands for the rest; granted is asked for itself."""
    space = Space()
    assert View(bundle, space).told_apart == (ConsentState.NOT_ASKED, ConsentState.REFUSED)
    (folder / "void.cedar").write_text(
        '@id("tenant.void")\n@basis("Void.")\n@cite("None")\n'
        'forbid (principal, action == Action::"health", resource) when { context.consent == Consent::"void" };\n'
    )
    apart = (ConsentState.NOT_ASKED, ConsentState.VOID, ConsentState.REFUSED)
    assert View(load(folder), space).told_apart == apart


def test_the_slabs_are_the_whole() -> None:
    """Counted slab after slab, every point is there once."""
    assert sum((space := Space(fixed)).count(space.true) for fixed in SLABS) == SIZE
    whole = Space()
    assert whole.count(whole.true) == SIZE
    assert whole.count(whole.false) == 0
    assert whole.first(whole.false) is None


@pytest.mark.parametrize("name", sorted(VALUES))
def test_the_values_of_a_fact_share_the_space(name: str) -> None:
    """No point has two values of a fact, and each has one."""
    space = Space()
    sets = [space.fact(name, value) for value in VALUES[name]]
    assert sum(map(space.count, sets)) == SIZE
    assert space.same(space.either(*sets), space.true)
    assert space.count(space.both(sets[0], sets[-1])) == 0
    first = space.first(sets[-1])
    assert first is not None
    assert first[name] == VALUES[name][-1]


def test_a_box_has_as_many_points_as_its_facts_leave() -> None:
    """Whatever is an axis or a bit, and in whatever order: all of several facts, and any of them."""
    space = Space()
    chosen = {name: VALUES[name][0] for name in ("fresh", "age", "role", "usable", "consent", "reporter")}
    sets = [space.fact(name, value) for name, value in chosen.items()]
    inside = SIZE // prod(len(VALUES[name]) for name in chosen)
    outside = SIZE // prod(len(VALUES[name]) for name in chosen) * prod(len(VALUES[name]) - 1 for name in chosen)
    for some in (sets, sets[::-1]):
        before = [one.copy() for one in some]
        assert space.count(space.both(*some)) == inside
        assert space.count(space.either(*some)) == SIZE - outside
        assert all(space.same(one, other) for one, other in zip(some, before, strict=True))


def test_a_set_holds_the_points_that_plain_python_says(bundle: Bundle) -> None:
    """The bit sets and the functions are two readings of one text: point for point they agree."""
    space = Space()
    second, compiler = SecondOpinion(bundle.policies), Compiler(space)
    sets = {question: allowed(space, compiler.question(bundle.policies, Asked(question))) for question in QUESTIONS}
    for number in range(1, 400, 2):
        facts = facts_at(number)
        for question, answer in zip(QUESTIONS, second.answers(facts), strict=True):
            values = {name: getattr(facts, name) for name in VALUES if name != "consent"}
            point = {**values, "consent": facts.consent(asked_with(question))}
            assert space.holds(sets[question], point) is answer.allowed, (question, facts)


def test_boxes_are_the_set_told_in_situations() -> None:
    """Together they have its points, none twice; and a fact that may be anything is not told."""
    space = Space()
    police = space.fact("recipient_kind", RecipientKind.LAW_ENFORCEMENT)
    child = space.both(space.fact("age", AgeBand.MINOR), space.fact("immediate", Answer.YES))
    consented = space.fact(space.consent_for(Category.HEALTH), ConsentState.GRANTED)
    points = space.either(space.both(police, child), consented)
    boxes = list(islice(space.boxes(points, 50), 50))
    assert sum(count for _, count in boxes) == space.count(points)
    assert {name for values, _ in boxes for name in values} == {"recipient_kind", "age", "immediate", "consent"}
    assert list(space.boxes(space.true, 5)) == [({}, SIZE)]
    assert sum(count for _, count in space.boxes(points, 1)) < space.count(points)
