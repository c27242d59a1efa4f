"""The shipped bundles as they were before a review was told whether any category is granted.

Made from today's texts, so that what else changes in them changes here too; their digests of that day are pinned in
tests/policy/test_earlier_bundles.py for as long as nothing else did.
"""

from functools import cache
from typing import Final

from tiprouter.policy.bundle import Bundle, read
from tiprouter.policy.files import GOLDEN_FILE, SCHEMA_FILE, SETTINGS_FILE, files_of, shipped

_TEXTS: Final = {
    SETTINGS_FILE: (('version = "2"', 'version = "1"'),),
    SCHEMA_FILE: ((", any_granted: Bool", ""),),
    "core.cedar": (
        ("context.any_granted", 'context.consent == Consent::"granted"'),
        ("consented, to whatever category;", "consented;"),
    ),
    "floor.cedar": (("context.any_granted", 'context.consent == Consent::"granted"'),),
}
_CHANGED: Final = "witness of danger who may be a child tells the place"
_BEFORE: Final = "WITHHOLD,,guard.adult-personal;guard.immigration;guard.signaler-identity;guard.unknown-age,"
_ADDED: Final = 7


@cache
def earlier(name: str) -> Bundle:
    """A shipped bundle as it was."""
    files = files_of(shipped(name))
    for file, changes in _TEXTS.items():
        for now, then in changes:
            assert files[file].count(now) == 1, (file, now)
            files[file] = files[file].replace(now, then)
    files[GOLDEN_FILE] = "\n".join(map(_row, files[GOLDEN_FILE].splitlines()[:-_ADDED])) + "\n"
    return read(files)


def _row(line: str) -> str:
    name, facts, *_ = line.split(",")
    return f"{name},{facts},{_BEFORE}" if name == _CHANGED else line
