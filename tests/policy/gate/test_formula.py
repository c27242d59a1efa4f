"""Is a formula the condition it was built from, however it is folded, shared, read and forgotten?"""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.vocabulary import AgeBand, Answer, Category, ConsentState, Role
from tiprouter.policy.gate.formula import Formula, Formulas, Reading, SeveralConsentsError, true_at, uses
from tiprouter.policy.gate.opinion import BITS, function_of
from tiprouter.policy.gate.proofs import slabs
from tiprouter.policy.gate.solver import Solver
from tiprouter.policy.gate.space import SIZE, VALUES, Space
from tiprouter.policy.questions import CONSENT

FORMULAS = Formulas()
NAMES = ("usable", "age", "immediate", "role", CONSENT)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 4) -> tuple[Formula, Any]:
    """A formula, and the same condition as nested tuples that nothing folds."""
    kind = draw(st.sampled_from(["fact", "both", "either", "not"])) if depth else "fact"
    if kind == "fact":
        name = draw(st.sampled_from(NAMES))
        value = draw(st.sampled_from(VALUES[name]))
        return FORMULAS.fact(name, value), (kind, name, value)
    if kind == "not":
        formula, plain = draw(conditions(depth - 1))
        return FORMULAS.negated(formula), (kind, plain)
    parts = draw(st.lists(conditions(depth - 1), max_size=3))
    made = FORMULAS.both if kind == "both" else FORMULAS.either
    return made(*(formula for formula, _ in parts)), (kind, [plain for _, plain in parts])


points = st.fixed_dictionaries({name: st.sampled_from(VALUES[name]) for name in VALUES})


def holds(plain: Any, point: Mapping[str, Any]) -> bool:  # noqa: ANN401 - nested tuples
    """What a condition means, word for word."""
    match plain:
        case ("fact", name, value):
            return bool(point[name] == value)
        case ("not", part):
            return not holds(part, point)
        case ("both", parts):
            return all(holds(part, point) for part in parts)
        case _:
            return any(holds(part, point) for part in plain[1])


@given(condition=conditions(), point=points)
def test_every_reading_of_a_formula_is_the_condition_it_was_built_from(
    condition: tuple[Formula, Any], point: Mapping[str, Any]
) -> None:
    """At any point: told directly, as a function of bits, and as a set of points."""
    formula, plain = condition
    expected = holds(plain, point)
    assert true_at(formula, point) is expected
    seen = sum(BITS[name][value] for name, value in point.items())
    assert function_of(formula, holds=True)(seen) is expected
    assert function_of(formula, holds=False)(seen) is not expected
    space = Space({"recipient_kind": point["recipient_kind"]})
    assert space.holds(Reading(space, uses([formula])).of(formula), point) is expected


def test_what_is_built_alike_is_one_formula() -> None:
    """Whatever the order of building: so it is compiled, proved and looked at once."""
    minor, adult = FORMULAS.fact("age", AgeBand.MINOR), FORMULAS.fact("age", AgeBand.ADULT)
    unknown, usable = FORMULAS.fact("age", AgeBand.UNKNOWN), FORMULAS.fact("usable", value=True)
    assert FORMULAS.either(minor, adult) is FORMULAS.negated(unknown)
    assert FORMULAS.both(minor, adult) is FORMULAS.false
    assert FORMULAS.either(minor, adult, unknown) is FORMULAS.true
    assert FORMULAS.both(usable, minor, usable) is FORMULAS.both(usable, minor)
    assert FORMULAS.negated(FORMULAS.negated(FORMULAS.both(usable, minor))) is FORMULAS.both(usable, minor)


def test_the_consent_of_any_category_is_the_one_the_space_knows() -> None:
    """Conditions on two categories' consents that say the same are one set of points."""
    health, contact = (
        FORMULAS.both(
            FORMULAS.fact("usable", value=True),
            FORMULAS.fact(FORMULAS.consent_for(category), ConsentState.GRANTED),
        )
        for category in (Category.HEALTH, Category.CONTACT)
    )
    one = FORMULAS.both(FORMULAS.fact("usable", value=True), FORMULAS.fact(CONSENT, ConsentState.GRANTED))
    assert health is not contact
    assert FORMULAS.of_one_consent(health) is FORMULAS.of_one_consent(contact) is one


def test_a_statement_about_two_consents_is_refused_where_one_is_known() -> None:
    """Read as one consent it would be a weaker statement, and looked at it would seem to hold."""
    both = FORMULAS.both(
        *(
            FORMULAS.fact(FORMULAS.consent_for(category), ConsentState.GRANTED)
            for category in (Category.HEALTH, Category.CONTACT)
        )
    )
    with pytest.raises(SeveralConsentsError, match=r"consent\.contact, consent\.health"):
        FORMULAS.of_one_consent(both)


def test_what_is_used_again_is_read_once_and_then_forgotten() -> None:
    """Every root is counted right, and at the end not even the part in common is kept."""
    part = FORMULAS.both(FORMULAS.fact("role", Role.WITNESS), FORMULAS.fact("immediate", Answer.YES))
    roots = [
        FORMULAS.either(part, FORMULAS.fact("usable", value=True)),
        FORMULAS.without(FORMULAS.fact("usable", value=True), part),
        part,
    ]
    counts = [0, 0, 0]
    for space, reading in slabs(roots):
        for at, root in enumerate(roots):
            counts[at] += space.count(reading.of(root))
        for forgotten in (part, *part.parts):
            with pytest.raises(KeyError):
                reading.of(forgotten)
    assert counts == [SIZE // 2 + SIZE // 30, SIZE // 2 - SIZE // 30, SIZE // 15]


def test_z3_finds_facts_or_says_that_there_are_none() -> None:
    """Each list of conditions is a question of its own; the facts it tells are facts under which one holds."""
    minor, adult = FORMULAS.fact("age", AgeBand.MINOR), FORMULAS.fact("age", AgeBand.ADULT)
    child, fresh = FORMULAS.both(minor, FORMULAS.fact("fresh", value=False)), FORMULAS.fact("fresh", value=True)
    never = FORMULAS.both(FORMULAS.either(child, FORMULAS.both(adult, fresh)), FORMULAS.without(minor, child), adult)
    solver = Solver([[child], [], [never], [never, FORMULAS.both(adult, fresh)]])
    assert solver.example(1) is None
    assert solver.example(2) is None
    for claim, formula in ((0, child), (3, FORMULAS.both(adult, fresh))):
        example = solver.example(claim)
        assert example is not None
        assert true_at(formula, example)
