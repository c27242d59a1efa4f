"""What is a bundle called, and which numbers are its facts derived with?"""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tiprouter.domain.vocabulary import Bound
from tiprouter.policy.bundle import load
from tiprouter.policy.refusal import BundleError
from tiprouter.policy.settings import THIRD_PARTY, settings_of

TEXT = """\
name = "example"
version = "7"
summary = "An example."
third_party = "own"

[protocol]
immediately_minutes = 60
violence_fresh_hours = 12
default_threshold_years = 18
default_zone = "America/Denver"
stale_after_days = 730
bound_as = ["mandated_reporter", "anyone", "anyone"]
"""

# What is replaced, by what, the line that is named, the reason.
REFUSED = [
    ('version = "7"', 'version = "7', 2, "at line 2"),
    ("version", "verison", 2, "verison is not a key; known are name, version"),
    ('version = "7"\n', "", 1, "version is missing"),
    ('version = "7"', "version = 7", 2, "version must be a text"),
    ('"An example."', '" "', 3, "summary must be a text"),
    ('"own"', '"sold"', 4, "third_party must be one of withheld, forwarded, own"),
    ('"own"', "true", 4, "third_party must be a text"),
    ("[protocol]", "extends = 1\n[protocol]", 6, "extends must be a text"),
    ("[protocol]", "[protocols]", 1, "the table protocol is missing"),
    ("[protocol]", "[protocol]\nlater = 1", 7, "later is not a key"),
    ("= 60", "= true", 7, "immediately_minutes must be a whole number from 1 to 1440"),
    ("= 60", "= 0", 7, "immediately_minutes must be a whole number"),
    ("= 60", "= 60.5", 7, "immediately_minutes must be a whole number"),
    ("= 60", "= 1441", 7, "immediately_minutes must be a whole number"),
    ("= 12", "= -1", 8, "violence_fresh_hours must be a whole number"),
    ("= 18", "= 31", 9, "default_threshold_years must be a whole number"),
    ('"America/Denver"', "7", 10, "default_zone must be a text"),
    ("= 730", "= 0", 11, "stale_after_days must be a whole number"),
    ("= 730", "= 99999", 11, "stale_after_days must be a whole number"),
    ("stale_after_days = 730\n", "", 1, "stale_after_days is missing"),
    ('default_zone = "America/Denver"\n', "", 1, "default_zone is missing"),
    ('"anyone", "anyone"', '"anyone", "nobody"', 12, "bound_as must be a list of some of anyone, mandated_reporter"),
    ('"anyone", "anyone"', '["anyone"]', 12, "bound_as must be a list"),
    ('["mandated_reporter", "anyone", "anyone"]', "[1]", 12, "bound_as must be a list"),
    ('["mandated_reporter", "anyone", "anyone"]', "[]", 12, "bound_as must be a list"),
    ('["mandated_reporter", "anyone", "anyone"]', '"anyone"', 12, "bound_as must be a list"),
    ('["mandated_reporter", "anyone", "anyone"]', "7", 12, "bound_as must be a list"),
]  # fmt: skip


def test_the_settings_are_the_files() -> None:
    """Rule 1: words and numbers, in the units their names say; of `bound_as` neither order nor repetition counts."""
    found = settings_of("bundle.toml", TEXT)
    assert (found.name, found.version, found.summary, found.third_party) == ("example", "7", "An example.", "own")
    assert found.immediately == timedelta(hours=1)
    assert found.violence_fresh == timedelta(hours=12)
    assert found.stale_after == timedelta(days=730)
    assert (found.default_threshold_years, found.default_zone) == (18, "America/Denver")
    assert found.bound_as == (Bound.ANYONE, Bound.MANDATED_REPORTER)
    assert found.extends is None
    assert settings_of("bundle.toml", f'extends = "survivor-led"\n{TEXT}').extends == "survivor-led"


@pytest.mark.parametrize(("old", "new", "line", "reason"), REFUSED, ids=[row[3] for row in REFUSED])
def test_a_slip_of_the_pen_is_refused_where_it_is(old: str, new: str, line: int, reason: str) -> None:
    """Rules 1 to 4: never ignored, never guessed."""
    assert old in TEXT
    with pytest.raises(BundleError) as refused:
        settings_of("bundle.toml", TEXT.replace(old, new, 1))
    assert (refused.value.file, refused.value.line) == ("bundle.toml", line)
    assert re.search(reason, refused.value.reason)


@pytest.mark.parametrize("word", THIRD_PARTY)
def test_every_choice_about_third_parties_is_a_word(word: str) -> None:
    """Rule 3."""
    assert settings_of("bundle.toml", TEXT.replace('"own"', f'"{word}"')).third_party == word


@pytest.mark.parametrize("name", ["Pacific/Nowhere", "../Denver", "/etc/localtime"])
def test_a_zone_that_nobody_knows_is_refused(folder: Path, name: str) -> None:
    """The days of places without a row begin somewhere, or a birthday would be a guess; no path is followed."""
    settings = folder / "bundle.toml"
    settings.write_text(settings.read_text().replace("Pacific/Pago_Pago", name))
    with pytest.raises(BundleError, match=r"default_zone: .*(not a time zone|not the name of a time zone)") as refused:
        load(folder)
    assert refused.value.file == "bundle.toml"
