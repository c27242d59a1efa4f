"""History on the command line: replay answers 1 for what was changed, simulate for what would newly leave."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fictional import SECRET, agency, grant, person, tip
from tests.support.service import bundle, open_service
from tiprouter.cli import history
from tiprouter.domain.record import Signaler
from tiprouter.domain.vocabulary import RecipientKind, Relationship, Role
from tiprouter.errors import ConfigurationError, NotFoundError, TiprouterError
from tiprouter.policy.refusal import BundleError
from tiprouter.settings import Settings
from tiprouter.workflow.consenting import Whose

LE = RecipientKind.LAW_ENFORCEMENT


async def _lived(folder: Path) -> None:
    """A child without a recipient, an adult who consented, and a friend's tip, with the log written."""
    async with open_service(f"sqlite:///{folder / 'tiprouter.db'}", folder) as service:
        await service.accept(tip(person("k", years=11), external_id="T-0"))
        await service.enrol(agency(LE))
        adult = await service.accept(tip(external_id="T-1"))
        await service.consent(Whose(person_id=adult.stored.persons[0]), grant(LE))
        others = (person("a"), person("p2", role=Role.SIGNALER))
        friend = Signaler(Relationship.FAMILY_FRIEND, ref="p2")
        await service.accept(tip(*others, external_id="T-2", signaler=friend))
        await service.sequencer.drain()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A data folder in which something was decided."""
    folder = tmp_path_factory.mktemp("data")
    asyncio.run(_lived(folder))
    return Settings(data=folder)


def rows(settings: Settings, sql: str) -> list[tuple[str, ...]]:
    """What somebody who holds the file reads or changes there."""
    with sqlite3.connect(settings.data / "tiprouter.db") as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


@pytest.fixture
def disclosed(settings: Settings) -> Iterator[str]:
    """The decision that let something leave, put right again after the test."""
    ((found,),) = rows(settings, "select id from decisions where outcome = 'DISCLOSE'")
    yield found
    rows(settings, f"update decisions set outcome = 'DISCLOSE' where id = '{found}'")  # noqa: S608 - an id of ours


def test_an_untouched_history_answers_0(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule 1: what was made again, what could not be, and the log."""
    assert history.replay(settings, None) == 0
    lines = capsys.readouterr().out.splitlines()
    ((count,),) = rows(settings, "select count(*) from decisions")
    assert lines[0].startswith(f"{int(count) - 1} decisions made again in ")
    assert lines[0].endswith(" s: 0 differ")
    assert lines[1] == "  1 others have no facts; 0 others no stored bundle"
    assert lines[3] == f"{count} compared with their entries in the log: 0 are told otherwise there"
    assert len(lines) == 6


def test_a_changed_history_answers_1(settings: Settings, disclosed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule 1: the decision, what differs, and its situation; before that day nothing does."""
    rows(settings, "update decisions set outcome = 'WITHHOLD' where outcome = 'DISCLOSE'")
    assert history.replay(settings, None) == 1
    told = capsys.readouterr().out
    assert f"{disclosed}: outcome: stored WITHHOLD, made again DISCLOSE\n  person: potential victim; age: adult" in told
    assert f"{disclosed}: log: its entry says another outcome" in told
    assert SECRET not in told
    assert history.replay(settings, "2026-03-02T15:00:00Z") == 1
    assert history.replay(settings, "2026-03-03") == 0
    assert capsys.readouterr().out.splitlines()[-6].startswith("0 decisions made again")


def test_what_would_newly_leave_answers_1(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule 2: the matrix, the shift with an example; the bundle of the day, by its stored digest, changes nothing."""
    assert history.simulate(settings, "tip-sharing", "2026-03-02") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"tip-sharing 2 {bundle('tip-sharing').digest}"
    assert "newly disclosed: 1 (law_enforcement 1)" in lines
    example = lines[lines.index("newly disclosed: 1 (law_enforcement 1)") + 1]
    assert example.endswith(": WITHHOLD becomes DISCLOSE; gains incident location")
    header = next(line for line in lines if line.startswith("before"))
    withheld = next(line for line in lines if line.startswith("WITHHOLD"))
    assert dict(zip(header.split()[3:], withheld.split()[1:], strict=True)) == {"DISCLOSE": "1", "WITHHOLD": "1"}
    assert not any("other tables" in line for line in lines)
    for digest in (bundle().digest, bundle().digest[:8]):
        assert history.simulate(settings, digest, "2026-03-02") == 0
        assert "nothing would change" in capsys.readouterr().out


def test_a_decision_is_explained_and_the_log_says_who_asked(
    settings: Settings, disclosed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rule 3: outcome, what is owed, each policy with its source, what would change it; and one access entry."""
    before = len(rows(settings, "select 1 from outbox"))
    assert history.explain(settings, disclosed) == 0
    told = capsys.readouterr().out
    assert "DISCLOSE: incident location identity contact health signaler_identity\n" in told
    assert "Owed: by 2026-03-03T14:55:00.000Z; the person is told: not required\n" in told
    assert "core.consent (permit): The person consented: " in told
    assert "  Rules 2, 4, 8\n" in told
    assert "A single other fact would change it:\n  usable = false: WITHHOLD\n" in told
    assert told.endswith("No fact that is not known decides it.\n")
    assert SECRET not in told
    entries = rows(settings, "select cast(entry as text) from outbox order by serial")
    assert len(entries) == before + 1
    assert '"actor":"command-line"' in entries[-1][0]
    assert f'"subject":"{disclosed}"' in entries[-1][0]


def test_a_decision_without_facts_says_so(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule 3: a child's duty that found nobody, in words, and no fact to change."""
    ((blocked,),) = rows(settings, "select id from decisions where facts = 'null'")
    assert history.explain(settings, blocked) == 0
    told = capsys.readouterr().out
    assert "DUTY_BLOCKED: nothing leaves\n" in told
    assert "duty.no-recipient: a child's duty, or a perhaps-child's, found no recipient\n" in told
    assert told.endswith("It was made without facts, so no fact would change it.\n")


def test_stated_facts_are_explained(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule 3: facts as in the golden table, under a bundle by name or the one that the settings name."""
    assert history.explain("survivor-led", "age=minor;duty=required;rows=us-tx") == 0
    told = capsys.readouterr().out
    assert "duty rows: us-tx\nREPORT: incident location identity contact\nOwed: within 1 h of receipt; " in told
    assert "duty.us-tx (permit): Texas: " in told
    assert "  age = adult: WITHHOLD\n" in told
    assert history.explain(settings, "age=unknown;duty=required;immediate=unknown") == 0
    told = capsys.readouterr().out
    assert "HOLD_REVIEW: nothing leaves\n" in told
    assert "No fact that is not known decides it." not in told
    assert "Not known, and it decides: age" in told


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ("age=old", "facts:1: age: old is not one of adult, minor, unknown"),
        ("colour=red", "facts:1: colour is not a fact"),
        ("rows=us-zz", "facts:1: no duty row that has a source is called us-zz"),
    ],
)
def test_facts_that_are_none_are_refused(facts: str, why: str) -> None:
    """Rule 3: one line that says which word."""
    with pytest.raises(BundleError) as refused:
        history.explain("survivor-led", facts)
    assert str(refused.value) == why


@pytest.mark.parametrize("since", ["yesterday", "2026-02-30", "2026-03-02T15:00:00", "20260302", "2026-W10-1", ""])
def test_a_moment_that_is_none_is_refused(settings: Settings, since: str) -> None:
    """Rule 4: a day or RFC 3339 with an offset, and nothing that could be misread."""
    with pytest.raises(ConfigurationError, match="A moment is a day such as 2026-03-02"):
        history.replay(settings, since)


@pytest.mark.parametrize(("bundle_name", "error"), [("nobodys", BundleError), ("0123456789abcdef", NotFoundError)])
def test_a_bundle_that_is_not_there_is_refused(
    settings: Settings, bundle_name: str, error: type[TiprouterError]
) -> None:
    """Rule 2: neither shipped, nor a folder, nor stored."""
    with pytest.raises(error):
        history.simulate(settings, bundle_name, "2026-03-02")


def test_a_decision_that_is_not_there_is_refused(settings: Settings) -> None:
    """Rule 3: an unknown id, and an id where only a bundle is named."""
    with pytest.raises(NotFoundError):
        history.explain(settings, "dec_00000000000000000000000000")
    with pytest.raises(ConfigurationError):
        history.explain("survivor-led", "dec_00000000000000000000000000")
