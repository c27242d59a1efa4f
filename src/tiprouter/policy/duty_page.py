"""What does the duty table say, in words that a lawyer can check line by line?

1. The page is made from the table alone, so that it cannot say anything else; it does not depend on the day it is made:
   "as of" is the day on which a row was last verified.
2. Every row is told with whom it binds, its source and date, when somebody compared it, and how sure they were.
3. The places where no row can be relied on are listed last: every child's situation there goes to review.

Not promised: that any of it is the law. The page says so first.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from tiprouter.domain.duty import TRIBAL, DutyRow, Protocol
from tiprouter.domain.recipient import NATIONWIDE
from tiprouter.domain.vocabulary import Bound
from tiprouter.policy.duty_lint import PLACES, unreliable
from tiprouter.policy.duty_words import CHANNEL, when, whom, words, written

_BINDS: Final = {
    Bound.ANYONE: "everybody",
    Bound.MANDATED_REPORTER: "mandated reporters",
    Bound.OFFICIAL: "officials",
    Bound.CHILD_WELFARE_AGENCY: "child welfare agencies",
    Bound.ONLINE_PROVIDER: "online providers",
}
_HEAD: Final = """# Child-report duties

Made by `tiprouter duties page` from `duties.csv` and `jurisdictions.csv` of the bundle `{name}`; do not edit it.

**These are transcriptions of what public sources said, not legal advice, and nobody promises that they are the law
today. Counsel must compare every row with the law in force before the bundle is used for anything real.**

## How to read it

- A row is one duty. It decides while it has a source, is in effect, was compared with that source within the last
  {days} days, and binds the hotline. This bundle says that the hotline is bound as {bound}.
  Other rows are told and not followed.
- *Or* between receivers: any of them will do, and each that is registered is told. *And*: all of them must be told.
- *Immediately* is read as within {minutes} minutes of when the hotline received the signal. Prosecutors count as law
  enforcement. A row that binds everybody is told so only where a source seen says so.
- *Orally* and *by telephone*: only a person's recorded call discharges the duty; a webhook does not.
- A report in writing is told only where the source gives a length of time; where it gives none the note says so.
- Where sources differ, or name no deadline, the earlier and wider reading is taken, and the note says so.
- Confidence: *high*, the statute's own words were seen, be it in a copy; *medium*, an agency's or the Child Welfare
  Information Gateway's (CWIG) summary; *low*, secondary, undated or conflicting; *none*, nothing: the row does not
  decide.
- The zone of a place is the one in which its days begin last. Tribal land is told as one place: its zone is the
  furthest behind of any state with tribal land, and tribes' own laws are not transcribed.
- No place's law on minors who consent alone was researched: every place says that they may not.

As of {as_of} there are {count} rows: {confidences}.
"""


def details(row: DutyRow, protocol: Protocol) -> Iterator[str]:
    """Everything that stands behind a row, a line each (rule 2)."""
    yield f"Binds {_BINDS[row.binds]}{'' if row.binds in protocol.bound_as else ', not the hotline'}."
    yield f"Law: {row.citation or 'none named'}."
    if row.source:
        yield f"Source: <{row.source}>, {row.source_date or 'undated'}."
    if row.verified_on is None:
        yield f"Never compared with a source; confidence {row.confidence}."
    else:
        until = row.verified_on + protocol.stale_after
        yield f"Compared on {row.verified_on}, relied on before {until}; confidence {row.confidence}."
    if row.note:
        yield f"Note: {row.note}"


def page(protocol: Protocol, name: str) -> str:
    """`docs/duties.md` of a bundle's tables (rules 1-3)."""
    rows = [row for some in protocol.rows.values() for row in some]
    as_of = max((row.verified_on for row in rows if row.verified_on is not None), default=date.min)
    beyond = sorted(code for code in protocol.rows if code == NATIONWIDE or code.startswith(TRIBAL))
    places = sorted((set(protocol.rows) | set(protocol.territories)) - set(beyond), key=lambda c: _name(c, protocol))
    return "\n".join(
        [
            _head(protocol, name, rows, as_of),
            *_summary([*places, *beyond], protocol),
            "\n## Jurisdictions",
            *(line for code in places for line in _section(code, protocol)),
            "\n## Federal law and tribal land",
            *(line for code in beyond for line in _section(code, protocol)),
            *_review(protocol, as_of),
            "",
        ]
    )


def _head(protocol: Protocol, name: str, rows: Iterable[DutyRow], as_of: date) -> str:
    levels = [row.confidence.value for row in rows]
    counts = ", ".join(f"{levels.count(level)} {level}" for level in dict.fromkeys(sorted(levels, key=_rank)))
    return _HEAD.format(
        name=name,
        days=protocol.stale_after.days,
        bound=" and ".join(f"`{word}`" for word in sorted(protocol.bound_as)),
        minutes=int(protocol.immediately.total_seconds() // 60),
        as_of=as_of,
        count=len(levels),
        confidences=counts,
    )


def _rank(level: str) -> int:
    return ("high", "medium", "low", "none").index(level)


def _name(code: str, protocol: Protocol) -> str:
    if code in protocol.territories:
        return protocol.territories[code].name
    return "Federal law" if code == NATIONWIDE else code


def _summary(codes: Iterable[str], protocol: Protocol) -> Iterator[str]:
    yield "## Summary\n"
    yield "| jurisdiction | row | who is told | by when | channel | in writing | binds | confidence |"
    yield "|---|---|---|---|---|---|---|---|"
    for code in codes:
        for row in protocol.rows.get(code, ()):
            follows = "" if row.written is None else written(row.written)
            cells = (whom(row), when(row), CHANNEL[row.channel]) if row.receivers else ("review", "", "")
            told = (_name(code, protocol), f"`{row.id}`", *cells, follows, _BINDS[row.binds], row.confidence.value)
            yield f"| {' | '.join(cell.replace('|', '/') for cell in told)} |"


def _section(code: str, protocol: Protocol) -> Iterator[str]:
    yield f"\n### {_name(code, protocol)} ({code})\n"
    territory = protocol.territories.get(code)
    if territory is not None:
        yield f"Zone: {territory.zone}.\n"
    for row in protocol.rows.get(code, ()):
        yield f"- `{row.id}`: {words(row)}"
        yield from (f"  - {line}" for line in details(row, protocol))


def _review(protocol: Protocol, as_of: date) -> Iterator[str]:
    """The places where nothing can be relied on (rule 3)."""
    yield "\n## Where every child's situation goes to review\n"
    codes = sorted((PLACES | set(protocol.rows) | set(protocol.territories)) - {NATIONWIDE})
    found = [(code, why) for code in codes if (why := unreliable(code, protocol, as_of)) is not None]
    if not found:
        yield f"Nowhere, as of {as_of}: every place has a row that can be relied on."
    yield from (f"- {_name(code, protocol)} ({code}): {why}." for code, why in found)
