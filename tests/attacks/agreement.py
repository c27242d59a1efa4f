"""Do the rows and the log tell the same story?"""

from collections import Counter

from tests.support.service import Service
from tiprouter.audit.entry import Entry, parse

TOLD = (
    ("decision", "decision", "decisions"),
    ("attempt.started", "attempt", "attempts"),
    ("disclosure.made", "disclosure", "disclosures where recalls is null"),
    ("recall.made", "recall", "disclosures where recalls is not null"),
    ("notice", "notice", "notices"),
)
"""Which kind of entry names which rows, by which field."""


async def entries_of(service: Service) -> list[Entry]:
    """The log's entries, first to last."""
    return [parse(bytes(row.entry)) for row in await service.rows('select entry from log_entries order by "index"')]


async def log_agrees_with_rows(service: Service) -> None:
    """Every decision and every attempt has exactly one entry in the log, and every such entry its row."""
    await service.check_house()
    entries = await entries_of(service)
    for kind, field, table in TOLD:
        told = Counter(str(entry.body[field]) for entry in entries if entry.kind == kind)
        stored = Counter(row.id for row in await service.rows(f"select id from {table}"))  # noqa: S608 - our own names
        assert told == stored, kind
