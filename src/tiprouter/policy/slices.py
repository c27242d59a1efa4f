"""Which policies does the duty table add, jurisdiction by jurisdiction?

1. Each row that can be relied on becomes one permit to report: its id is `duty.` and the row's, its basis and citation
   are the law's, its annotations the law's obligations: deadline, channel, written follow-up.
2. A slice is asked beside the bundle only about a child whose record the row speaks of (`Facts.rows`), so a decision
   about Texas is never slower for the other jurisdictions.
3. A slice permits nothing that `core` does not permit already: it says why and by when. The gate proves it.
4. The text is generated, never edited: the table is the authority. It passes the same checks as a file.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import cedarpy

from tiprouter.domain.duty import DutyRow, Territory
from tiprouter.domain.vocabulary import RecipientKind, ReportChannel, WrittenWhen
from tiprouter.policy.annotations import Layer
from tiprouter.policy.duty_words import words
from tiprouter.policy.layers import Policy, Source, read_layers
from tiprouter.policy.spans import spelled

FILE: Final = "duties.csv (generated)"
PREFIX: Final = "duty."


def slices(rows: Iterable[DutyRow], territories: Mapping[str, Territory], schema: cedarpy.Schema) -> dict[str, Policy]:
    """The policy of each row that has a source, by row id (rules 1, 4). Raises `BundleError`."""
    sourced = [row for row in rows if row.sourced]
    text = "\n".join(_text(row, territories) for row in sourced)
    found = read_layers([Source(FILE, text, Layer.STATE)], schema) if sourced else ()
    return {policy.note.id.removeprefix(PREFIX): policy for policy in found}


def _text(row: DutyRow, territories: Mapping[str, Territory]) -> str:
    kinds = ", ".join(f'RecipientKind::"{kind.value}"' for kind in RecipientKind if kind in row.kinds)
    annotations = "\n".join(f"@{name}({_quoted(value)})" for name, value in _annotations(row, territories))
    return f"""{annotations}
permit (principal, action == Action::"report", resource)
when {{
  [{kinds}].contains(principal.kind) &&
  resource.age == AgeBand::"minor" && resource.duty == Duty::"required" &&
  [Role::"potential_victim", Role::"dependant"].contains(resource.role)
}};
"""


def _annotations(row: DutyRow, territories: Mapping[str, Territory]) -> Iterator[tuple[str, str]]:
    yield "id", f"{PREFIX}{row.id}"
    territory = territories.get(row.jurisdiction)
    where = territory.name if territory is not None else row.jurisdiction
    yield "basis", f"{where}: {words(row)}"
    yield "cite", row.citation
    if row.hours is not None:
        yield "deadline", f"PT{row.hours}H"
    if row.channel is not ReportChannel.ANY:
        yield "channel", row.channel.value
    written = row.written
    # A report in writing that must only follow a call follows ours only where a call is demanded; one that must be
    # asked for is owed once it was.
    owed = written is not None and (
        written.when is WrittenWhen.ALWAYS or (written.when is WrittenWhen.AFTER_ORAL and row.channel.spoken)
    )
    if written is not None and owed:
        yield "written", spelled(written.within)


def _quoted(text: str) -> str:
    """A Cedar string: its escapes for quote and backslash are JSON's, and the table's cells are single lines."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False)
