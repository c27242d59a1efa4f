"""Would anybody notice a small change to a shipped policy?"""

import pytest

from tests.policy.gate.mutants import mutants
from tests.policy.gate.mutation import laws_notice, score
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate.oracle import disagreements
from tiprouter.policy.gate.proofs import stated

KINDS = {
    *("dropped", "turned", "action", "condition dropped", "condition negated", "side dropped", "side negated"),
    *("operator", "word", "set", "obligation"),
}


@pytest.mark.parametrize("name", ["bundle", "tip_sharing"])
def test_every_mutant_that_decides_otherwise_is_noticed(
    name: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is dropped, negated, widened, exchanged or obliged otherwise: none lives, and the score is printed."""
    shipped: Bundle = request.getfixturevalue(name)
    found = score(shipped)
    with capsys.disabled():
        print(f"\n{shipped.name}: {found}")  # noqa: T201 - the score is for whoever runs the tests
    assert list(map(str, found.alive)) == []
    assert set(found.kinds) == KINDS
    assert found.kinds.total() >= 1_600
    assert found.noticed["equivalent"] * 10 < found.kinds.total()


@pytest.mark.parametrize(
    "guard", ["guard.implicated", "guard.adult-minimum", "guard.immigration", "guard.accused-alone"]
)
def test_a_dropped_guard_is_noticed_by_the_laws_and_by_the_rules(guard: str, tip_sharing: Bundle) -> None:
    """Without a golden table the laws and promises notice that a guard is gone; so do the rules, by themselves."""
    (dropped,) = (mutant for mutant in mutants(tip_sharing) if (mutant.id, mutant.kind) == (guard, "dropped"))
    assert laws_notice(dropped.of(tip_sharing))
    assert disagreements(stated(dropped.of(tip_sharing), []), tip_sharing.third_party)


def test_nobody_notices_what_was_not_changed(tip_sharing: Bundle) -> None:
    """A bundle as it is shipped breaks no law, and the rules agree with it: they do not merely always speak."""
    assert not laws_notice(tip_sharing)
    assert not disagreements(stated(tip_sharing, []), tip_sharing.third_party)
