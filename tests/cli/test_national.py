"""Is the invented national history the same each time, of the size that was asked for, and playable to its end?

(cli/national.py, rules 1-6; cli/years_bench.py, rules 1-6)
"""

import gc
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tiprouter.cli import national, years_bench
from tiprouter.cli.national import Day, Shape
from tiprouter.domain.consent import Choice
from tiprouter.domain.record import problems_of
from tiprouter.domain.vocabulary import Role
from tiprouter.errors import ConfigurationError

BEGINS = datetime(2030, 1, 1, tzinfo=UTC)
SOME = range(99, 6_574, 100)


def some_days(seed: int = 1, times: float = 1) -> list[Day]:
    """One day in a hundred of the eighteen years."""
    return list(national.history(Shape(), seed, BEGINS, SOME, times))


def test_eighteen_years_have_the_totals_that_are_sourced() -> None:
    """137 a day at the end, half a million in all; of these about 100,000 cases with 197,000 persons (rules 1-3)."""
    assert national.signals_on(Shape(), national.days_of(Shape()) - 1) == 137
    assert national.whole(Shape()) == pytest.approx(500_000, rel=0.01)
    assert sum(national.signals_on(Shape(), day) for day in range(6_574)) == national.whole(Shape())
    cases = [case.record for day in some_days() for case in day.cases if case.expected is None]
    persons = sum(one.role is Role.POTENTIAL_VICTIM for case in cases for one in case.persons)
    assert len(cases) * 100 == pytest.approx(100_000, rel=0.1)
    assert persons * 100 == pytest.approx(197_000, rel=0.1)


def test_the_same_seed_is_the_same_history() -> None:
    """To the last word; another seed is another one (rule 5)."""
    first = [asdict(day) for day in some_days()]
    assert first == [asdict(day) for day in some_days()]
    assert first != [asdict(day) for day in some_days(seed=2)]


def test_everything_that_is_told_is_sound_and_plainly_fictional() -> None:
    """No record contradicts itself or names anybody; a case goes on from where it stood (rules 3, 6)."""
    stood, sent = dict[str, int](), set[str]()
    for day in some_days():
        sent |= {tip.external_id for tip in day.tips}
        assert len(day.tips) == national.signals_on(Shape(), day.number)
        for case in day.cases:
            name = case.record.external_id
            assert case.expected == stood.get(name)
            assert sent.issuperset(case.tips)
            stood[name] = (case.expected or 0) + 1
        for record in (*day.tips, *(case.record for case in day.cases)):
            assert not list(problems_of(record))
            named = [one.identity for one in record.persons if one.identity is not None]
            assert all(one.first_name == "Example" for one in named)
            assert record.signaled_at <= record.received_at <= day.at
    assert max(stood.values()) > 1


def test_who_takes_a_consent_back_has_given_one_before() -> None:
    """On an earlier day, and once (rule 4)."""
    given, taken = set[str](), set[str]()
    for day in some_days():
        assert given.issuperset(day.withdrawals)
        assert not taken.intersection(day.withdrawals)
        taken |= set(day.withdrawals)
        given |= {ref for ref, consent in day.consents if consent.choice is Choice.GRANT}
    assert taken


def test_a_burst_is_a_day_with_so_many_times_its_signals() -> None:
    """Under names of its own."""
    (usual,), (burst,) = (list(national.history(Shape(), 1, BEGINS, [6_000], times)) for times in (1, 20))
    assert len(burst.tips) == 20 * len(usual.tips)
    assert not {tip.external_id for tip in burst.tips} & {tip.external_id for tip in usual.tips}


def test_years_are_accepted_delivered_logged_and_verified(capsys: pytest.CaptureFixture[str]) -> None:
    """A week of seven small days and a burst, by the real stories: what was told is there, and the log says so."""
    shape = replace(Shape(), signals_a_day=9, years=7 / national.DAYS_A_YEAR)
    done = years_bench.run(None, shape, 1, 2, 1, as_json=True)
    gc.unfreeze()  # the bench keeps what is loaded from the collector, which other tests in this process need
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert done == 0
    assert said["machine"]["log verified"] is said["machine"]["rows agree with entries"] is True
    told = list(national.history(shape, 1, BEGINS, range(7)))
    found = {row["what"]: row["counted"] for row in said["counts"]}
    assert found["signals"] == national.whole(shape) == sum(len(day.tips) for day in told)
    assert found["cases"] == sum(case.expected is None for day in told for case in day.cases)
    assert found["consents"] == sum(len(day.consents) for day in told)
    assert (found["left"], found["days"]) == (0, 7)
    assert min(found[name] for name in ("decisions", "delivered", "attempts", "acknowledgements")) > 0
    assert found["entries"] > found["decisions"] + found["attempts"]
    parts = ["accept and decide", "deliver", "acknowledge", "chores", "log", "verify", "all"]
    assert [row["part"] for row in said["time"]] == parts
    assert said["burst"][0]["signals"] == 2 * national.signals_on(shape, 7)


@pytest.mark.parametrize("part", ["1/0", "2/3", "1", "", "1/-5", "1/many"])
def test_a_part_that_is_none_is_refused(part: str) -> None:
    """One day in so many, and no other way."""
    with pytest.raises(ConfigurationError):
        years_bench.part_of(part)
