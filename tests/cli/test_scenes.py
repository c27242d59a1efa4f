"""Are the demo's files well formed, complete and fictional? (cli/scenes.py)"""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tiprouter.cli.scenes import FOLDER, differences, recipients, resolve, scenes
from tiprouter.domain.age import Majority, age_band
from tiprouter.domain.record import Age
from tiprouter.domain.vocabulary import AgeBand, Outcome, RecipientKind, Relationship

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LAST = Majority(18, timezone(timedelta(hours=-12)))
RULES = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13}  # 10 is not built yet
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.json"))}
SAID = [
    outcome
    for scene in scenes()
    for step in scene.steps
    for whom in step.get("expect", {}).values()
    for outcome in whom.values()
]
EXPECTED = [("p1", "police", "REPORT"), ("p1", "shelter", "WITHHOLD")]
NAMES = {"police": "rcp_1", "shelter": "rcp_2"}


def outcome(ref: str, name: str | None, what: str) -> dict[str, object]:
    """Spell an outcome as the API does."""
    return {"person": {"ref": ref}, "recipient": name and {"id": NAMES[name]}, "outcome": what}


def test_there_is_enough_to_see() -> None:
    """At least 25 records, at least ten agencies of every kind, titles that tell the scenes apart."""
    records = [step for scene in scenes() for step in scene.steps if {"tip", "case", "revise"} & set(step)]
    assert len(records) >= 25
    assert len({scene.title for scene in scenes()}) == len(scenes())
    assert len(recipients()) >= 10
    assert {one["kind"] for one in recipients()} == {kind.value for kind in RecipientKind}


def test_every_outcome_rule_and_relationship_is_shown() -> None:
    """The scenario leaves nothing out that the design promises and the demo can show."""
    assert set(SAID) == {one.value for one in Outcome}
    assert {rule for scene in scenes() for rule in scene.rules} == RULES
    assert {step["tip"]["signaler"]["relationship"] for scene in scenes() for step in scene.steps if "tip" in step} == {
        one.value for one in Relationship
    }


def test_every_promise_names_agencies_that_exist() -> None:
    """A misspelt nickname would make a promise that nobody keeps."""
    known = {one["nickname"] for one in recipients()}
    for scene in scenes():
        promised = {name for step in scene.steps for whom in step.get("expect", {}).values() for name in whom}
        assert promised | set(scene.receives) | set(scene.reads) <= known | {"*", "nobody"}
        assert set(scene.reads) <= set(scene.receives)


def test_persons_are_not_shared_between_scenes() -> None:
    """A source and ref name one person everywhere, so a shared one would carry a consent into another scene."""
    for scene in scenes():
        refs = {
            person["ref"]
            for step in scene.steps
            for part in ("tip", "body")
            for person in step.get(part, {}).get("persons", ())
        }
        assert refs
        assert all(ref.startswith(f"{scene.slug[:2]}-") for ref in refs)


@pytest.mark.parametrize("name", TEXTS)
def test_everything_is_fictional(name: str) -> None:
    """Telephone numbers are 555-01xx, domains end in .example, streets are Example streets."""
    text = TEXTS[name]
    assert re.findall(r"\+?\d[\d-]{6,}\d", re.sub(r"(?:\+1-)?555-01\d\d\b|\b\d{1,2}-\w+|0{26}", "", text)) == []
    assert re.findall(r"@[\w-]+\.\w+|https?:", text) == []
    assert all(word.endswith(".example") for word in re.findall(r"\b[a-z]+\.(?:com|org|net|gov|example)\b", text))
    assert all("Example" in street for street in re.findall(r'"street": "([^"]*)"', text))


def test_words_are_resolved_on_the_day() -> None:
    """Rule 3: recipients, what was made, times and days."""
    body = {"a": "@police", "b": ["&1", "x/&0"], "c": "-PT2H", "d": "+P1DT30M", "e": 3, "f": "plain", "g": "-P14Y"}
    assert resolve(body, NOW, NAMES, ["tip_0", "tip_1"]) == {
        "a": "rcp_1",
        "b": ["tip_1", "x/tip_0"],
        "c": "2026-03-01T10:00:00.000Z",
        "d": "2026-03-02T12:30:00.000Z",
        "e": 3,
        "f": "plain",
        "g": "2012-02-28",
    }


def test_a_birthday_of_eighteen_years_ago_has_begun_everywhere() -> None:
    """Rule 3: `-P18Y` is an adult of 18 at any hour, so that no scene depends on the time of day."""
    for moment in (NOW.replace(hour=0), NOW.replace(hour=23), NOW.replace(month=2, day=28, hour=1)):
        born = datetime.fromisoformat(resolve("-P18Y", moment, {}, ())).date()
        assert age_band(Age(date_of_birth=born), [LAST], moment, moment) is AgeBand.ADULT


def test_what_comes_out_as_promised_differs_in_nothing() -> None:
    """Rule 4: exact names, and `*` for the rest."""
    got = [outcome(*one) for one in EXPECTED]
    assert differences({"p1": {"police": "REPORT", "*": "WITHHOLD"}}, got, NAMES) == []
    assert differences({"p1": {"nobody": "DUTY_BLOCKED"}}, [outcome("p1", None, "DUTY_BLOCKED")], NAMES) == []


@pytest.mark.parametrize(
    "promise",
    [
        {"p1": {"police": "REPORT"}},
        {"p1": {"police": "WITHHOLD", "*": "WITHHOLD"}},
        {"p1": {"police": "REPORT", "shelter": "WITHHOLD", "nobody": "DUTY_BLOCKED"}},
        {"p1": {"police": "REPORT", "*": "WITHHOLD"}, "p2": {"*": "WITHHOLD"}},
        {},
    ],
)
def test_every_difference_is_found(promise: dict[str, dict[str, str]]) -> None:
    """Rule 4: an outcome nobody promised, another one, a missing one, a missing person."""
    assert differences(promise, [outcome(*one) for one in EXPECTED], NAMES) != []


def test_nobody_is_not_anyone_else() -> None:
    """Rule 4: a duty without recipient must be promised as such; `*` does not cover it."""
    assert differences({"p1": {"*": "DUTY_BLOCKED"}}, [outcome("p1", None, "DUTY_BLOCKED")], NAMES) != []


def test_the_drill_says_what_it_is() -> None:
    """Nobody may take the broken policy for a real one."""
    text = (FOLDER / "drill.cedar").read_text()
    assert text.startswith("// FIRE DRILL")
    assert all(f"@{name}(" in text for name in ("id", "basis", "cite"))


def test_files_are_json_with_one_name_once(tmp_path: Path) -> None:
    """A duplicate key would silently drop half of a scene."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names)
        return dict(pairs)

    for text in TEXTS.values():
        json.loads(text, object_pairs_hook=once)
