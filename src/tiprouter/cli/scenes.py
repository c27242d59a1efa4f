"""What do the demo's files say, and what do they become on the day they are played?

1. Every file of `scenario/` but `recipients.json` is one scene: a title, why it is there, the rules it shows
   (`docs/decision-rules.md`), its steps, and what must come of them. A scene is played in the order of its steps.
2. A step is a `tip`, a `case` (then `revise`), a `consent`, a `withdraw` (of the consent made in step number N),
   `settle` (wait until what was made has arrived), `ask` (two questions that must get the same answer) or `explain`
   (every decision tells an auditor these facts, and none of these words).
3. Bodies are the API's own, with three words that are resolved when they are played: `@name` is a recipient's id, `&N`
   the id made in step N, and a signed ISO 8601 duration such as `-PT2H` a time; with years, such as `-P14Y`, a day.
4. `expect` gives an outcome by person and recipient and must name all of them: `*` stands for every recipient not
   named, `nobody` for a duty that found none. `receives` gives, by recipient, exactly the messages that must arrive.

Everybody and everything in these files is invented.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "scenario"
RECIPIENTS_FILE: Final = "recipients.json"
DRILL_FILE: Final = "drill.cedar"
ANYONE_ELSE: Final = "*"
NOBODY: Final = "nobody"

_SPAN = re.compile(r"([+-])P(?:(\d+)Y)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)
_MADE = re.compile(r"&(\d+)")


@dataclass(frozen=True, slots=True)
class Scene:
    """One file of the scenario; `slug` is its name without the ending."""

    slug: str
    title: str
    why: str
    rules: tuple[int, ...]
    steps: tuple[Mapping[str, Any], ...]
    receives: Mapping[str, Sequence[str]]
    reads: Mapping[str, Mapping[str, Sequence[str]]]


def scenes(folder: Path = FOLDER) -> list[Scene]:
    """Every scene, in the order of their files."""
    return [_scene(path) for path in sorted(folder.glob("*.json")) if path.name != RECIPIENTS_FILE]


def recipients(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The agencies of the scenario, as the API takes them but for `nickname` and the missing `url`."""
    found: list[dict[str, Any]] = json.loads((folder / RECIPIENTS_FILE).read_bytes())
    return found


def _scene(path: Path) -> Scene:
    told = json.loads(path.read_bytes())
    return Scene(
        slug=path.stem,
        title=told["title"],
        why=told["why"],
        rules=tuple(told["rules"]),
        steps=tuple(told["steps"]),
        receives=told["receives"],
        reads=told.get("reads", {}),
    )


def resolve(value: Any, now: datetime, names: Mapping[str, str], made: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    """A body with its words resolved (rule 3): `names` are recipients' ids, `made` the ids of the steps so far."""
    match value:
        case dict():
            return {key: resolve(part, now, names, made) for key, part in value.items()}
        case list():
            return [resolve(part, now, names, made) for part in value]
        case str() if value.startswith("@"):
            return names[value[1:]]
        case str() if _SPAN.fullmatch(value):
            return _time(value, now)
        case str():
            return _MADE.sub(lambda found: made[int(found[1])], value)
        case _:
            return value


def _time(word: str, now: datetime) -> str:
    found = _SPAN.fullmatch(word)
    if found is None:
        return word
    sign, *parts = found.groups()
    years, days, hours, minutes, seconds = (int(part or 0) * (1 if sign == "+" else -1) for part in parts)
    if years:
        day = now.date() - timedelta(days=1)  # a birthday that has begun everywhere on Earth
        return day.replace(year=day.year + years, day=min(day.day, 28)).isoformat()
    moment = now + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def differences(
    expected: Mapping[str, Mapping[str, str]], outcomes: Iterable[Mapping[str, Any]], names: Mapping[str, str]
) -> list[str]:
    """What did not come out as `expect` says (rule 4), in words; `names` are recipients' ids by nickname."""
    nicknames = {recipient_id: name for name, recipient_id in names.items()}
    wrong: list[str] = []
    seen: set[tuple[str, str]] = set()
    for one in outcomes:
        ref = one["person"]["ref"]
        name = NOBODY if one["recipient"] is None else nicknames[one["recipient"]["id"]]
        wanted = expected.get(ref, {})
        promised = wanted.get(name, None if name == NOBODY else wanted.get(ANYONE_ELSE))
        if one["outcome"] != promised:
            wrong.append(f"{ref} toward {name}: {one['outcome']}, promised was {promised}")
        seen.add((ref, name))
    for ref, wanted in expected.items():
        wrong += [
            f"{ref} toward {name}: no outcome, promised was {outcome}"
            for name, outcome in wanted.items()
            if name != ANYONE_ELSE and (ref, name) not in seen
        ]
        if not any(person == ref for person, _ in seen):
            wrong.append(f"{ref}: no outcome at all")
    return wrong
