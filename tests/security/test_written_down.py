"""What must be written down, and is what is written also what is done?"""

import re
from pathlib import Path

from tiprouter.domain.accounts import FRESH_FOR, IDLE_FOR, SESSION_FOR, SESSIONS_MAX

ROOT = Path(__file__).parents[2]


def section(title: str) -> str:
    """A section of the operations page."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_how_long_and_how_many_sessions_there_are_is_written_down() -> None:
    """The numbers of the page are those of the code."""
    said = " ".join(section("Signing in").split())
    for number, words in (
        (SESSION_FOR.seconds // 3_600, "hours at most"),
        (IDLE_FOR.seconds // 60, "minutes without a request"),
        (SESSIONS_MAX, "sessions at once"),
        (FRESH_FOR.seconds // 60, "minutes, and ends every other session"),
    ):
        assert f" {number} {words}" in said


def test_how_soon_libraries_are_updated_is_written_down_and_a_release_waits_for_it() -> None:
    """Four grades, the worst first, each with its days; no release is made with a known weakness in it."""
    said = section("Updates of libraries")
    days = [int(one) for one in re.findall(r"\| ([0-9]+) days \|", said)]
    assert days == sorted(days)
    assert len(days) == 4
    assert "every 90 days" in said
    script = (ROOT / ".ci/artefacts").read_text(encoding="utf-8")
    audited = re.search(r"pip-audit\" --requirement requirements\.lock --require-hashes [^\n]*--strict", script)
    assert audited
    assert "|| status=1" in script[audited.end() :].split("\n\n")[0]
