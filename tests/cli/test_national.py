"""Is the invented national history the same each time, of the size that was asked for, and playable to its end?

(cli/national.py, rules 1-6; cli/years_bench.py, rules 1-5; cli/years_day.py, rules 1-3; cli/years_kept.py, rules 1-4)
"""

import gc
import json
import os
import signal
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tiprouter.cli import national, years_bench, years_kept
from tiprouter.cli.national import Day, Shape
from tiprouter.cli.years_bench import Sitting
from tiprouter.cli.years_day import Hotline
from tiprouter.cli.years_kept import Kept
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


TOLD = ("days", "signals", "cases", "revisions", "persons of cases", "persons", "consents", "withdrawals", "decisions")
WEEK = replace(Shape(), signals_a_day=9, years=5 / national.DAYS_A_YEAR, withdrawn_share=0.5)
A_MOMENT = 1e-6


def played(
    capsys: pytest.CaptureFixture[str], folder: Path | None = None, minutes: float = 0, shape: Shape = WEEK
) -> tuple[int, dict[str, Any]]:
    """A sitting, and what it printed."""
    done = years_bench.run(None, shape, 1, 0, 1, Sitting(folder, minutes), as_json=True)
    gc.unfreeze()  # as above
    return done, json.loads(capsys.readouterr().out)


def counts_of(said: dict[str, Any]) -> dict[str, int]:
    """What was told, by name."""
    return {row["what"]: row["counted"] for row in said["counts"] if row["what"] in TOLD}


def test_years_in_several_sittings_are_the_same_years(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A day each sitting; the last one verifies, and what each part took is the sum of all (rules 1, 4, 5)."""
    whole = counts_of(played(capsys)[1])
    assert min(whole[name] for name in TOLD) > 0
    spent = []
    for left in range(4, 0, -1):
        done, said = played(capsys, tmp_path / "kept", A_MOMENT)
        assert (done, said["machine"]["days left"]) == (years_bench.STOPPED, left)
        assert said["machine"]["log verified"] == "not yet"
        spent.append(next(row["CPU seconds"] for row in said["time"] if row["part"] == "all"))
    done, said = played(capsys, tmp_path / "kept")
    assert (done, said["machine"]["days left"], said["machine"]["sittings"]) == (0, 0, 5)
    assert said["machine"]["log verified"] is said["machine"]["rows agree with entries"] is True
    assert counts_of(said) == whole
    assert [row["part"] for row in said["time"]].count("accept and decide") == 1
    assert spent == sorted(set(spent)), "each sitting adds what it took"


def test_a_signal_ends_the_sitting_with_its_day(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever presses Ctrl-C loses nothing (rule 5)."""
    play = Hotline.play

    async def pressed(self: Hotline, day: Day, shape: Shape) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await play(self, day, shape)

    monkeypatch.setattr(Hotline, "play", pressed)
    done, said = played(capsys, tmp_path)
    assert (done, said["machine"]["days left"]) == (years_bench.STOPPED, 4)
    assert counts_of(said)["signals"] == national.signals_on(WEEK, 0)


def test_what_cannot_be_gone_on_with_is_refused(tmp_path: Path) -> None:
    """Other years, a day that was cut off, a folder of something else; minutes and nowhere to keep (rules 2, 3)."""
    at = datetime(2030, 1, 1, tzinfo=UTC)
    kept = Kept({"seed": 1}, at, at, 1)
    years_kept.save(tmp_path, kept)
    assert years_kept.load(tmp_path, {"seed": 1}) == kept
    with pytest.raises(ConfigurationError):
        years_kept.load(tmp_path, {"seed": 2})
    kept.midway = True
    years_kept.save(tmp_path, kept)
    with pytest.raises(ConfigurationError):
        years_kept.load(tmp_path, {"seed": 1})
    (tmp_path / years_kept.FILE).rename(tmp_path / "something-else")
    with pytest.raises(ConfigurationError):
        years_kept.load(tmp_path, {"seed": 1})
    with pytest.raises(ConfigurationError):
        years_bench.run(None, WEEK, 1, 0, 1, Sitting(None, 1), as_json=True)


@pytest.mark.parametrize("part", ["1/0", "2/3", "1", "", "1/-5", "1/many"])
def test_a_part_that_is_none_is_refused(part: str) -> None:
    """One day in so many, and no other way."""
    with pytest.raises(ConfigurationError):
        years_bench.part_of(part)
