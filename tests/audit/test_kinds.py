"""Is each kind of entry told by some story, and does what an older version told still parse?"""

import re
from pathlib import Path

import pytest

import tiprouter
from tests.audit.conftest import entry
from tiprouter.audit.entry import parse
from tiprouter.audit.kinds import FIELDS, RETIRED, Kind

STORIES = Path(tiprouter.__file__).parent / "workflow"
TOLD = frozenset(re.findall(r"\bKind\.([A-Z_]+)\b", "".join(one.read_text() for one in STORIES.glob("*.py"))))


@pytest.mark.parametrize("kind", sorted(set(Kind) - RETIRED))
def test_a_kind_is_told_by_a_story(kind: Kind) -> None:
    """Rule 3: a kind that nothing tells is either a story that is missing, or retired."""
    assert kind.name in TOLD


@pytest.mark.parametrize("kind", sorted(RETIRED))
def test_a_retired_kind_is_told_by_none_and_read_for_ever(kind: Kind) -> None:
    """Rules 1 and 3: the entry that the first versions wrote when they loaded a bundle is still one."""
    assert kind.name not in TOLD
    told = parse(entry(7, kind, **dict.fromkeys(FIELDS[kind], "x1")))
    assert told.kind is kind
    assert set(told.body) == FIELDS[kind]
