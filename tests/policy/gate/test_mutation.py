"""Would anybody notice a small change to a shipped policy?"""

import pytest

from tests.policy.gate.mutation import gate_notices, mutants, score


@pytest.mark.parametrize("name", ["bundle", "tip_sharing"])
def test_every_mutant_that_decides_otherwise_is_noticed(
    name: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Policies and conditions dropped, negated, widened: none lives, and the score is printed."""
    shipped = request.getfixturevalue(name)
    counts, alive = score(shipped)
    noticed, able = counts["golden"] + counts["gate"], counts["mutants"] - counts["equivalent"]
    with capsys.disabled():
        print(  # noqa: T201 - the score is for whoever runs the tests
            f"\n{shipped.name}: {noticed} of {able} mutants noticed ({counts['golden']} by the golden table, "
            f"{counts['gate']} more by the gate); {counts['equivalent']} equivalent"
        )
    assert [f"{mutant.id} {mutant.name}" for mutant in alive] == []
    assert counts["mutants"] >= 400
    assert counts["equivalent"] * 10 < counts["mutants"]


@pytest.mark.parametrize(
    "guard", ["guard.implicated", "guard.adult-minimum", "guard.immigration", "guard.accused-alone"]
)
def test_the_gate_alone_misses_no_dropped_guard(guard: str, request: pytest.FixtureRequest) -> None:
    """Without a golden table the laws and promises still notice that a guard is gone."""
    shipped = request.getfixturevalue("tip_sharing")
    (dropped,) = (mutant for mutant in mutants(shipped) if (mutant.id, mutant.name) == (guard, "dropped"))
    assert gate_notices(dropped.of(shipped))
    assert not gate_notices(shipped)
