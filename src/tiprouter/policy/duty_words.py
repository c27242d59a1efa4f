"""How is a duty row said in words?

The words are the row's and nothing else's: `duties.md`, the state layer's policies and the command line say the same.
"""

from collections.abc import Mapping
from typing import Final

from tiprouter.domain.duty import DutyRow, Written
from tiprouter.domain.vocabulary import Clock, DutySubject, Perpetrator, ReportChannel, SpanUnit, WrittenWhen

_CHILD: Final = {
    DutySubject.CHILD_MALTREATMENT: "the situation of a child",
    DutySubject.CHILD_TRAFFICKING: "the situation of a trafficked child",
    DutySubject.CHILD_SEXUAL_EXPLOITATION: "the situation of a sexually exploited child",
}
_BY: Final = {
    None: "",
    Perpetrator.CARETAKER: " whom somebody responsible for its care harms",
    Perpetrator.OTHER: " whom somebody not responsible for its care harms",
}
CHANNEL: Final[Mapping[ReportChannel, str]] = {
    ReportChannel.ANY: "by any channel",
    ReportChannel.ORAL_OR_ELECTRONIC: "orally or electronically",
    ReportChannel.ORAL: "orally",
    ReportChannel.TELEPHONE: "by telephone",
}
_AFTER: Final = {Clock.RECEIVED: "receiving the information", Clock.REPORTED: "the first report"}
_WHEN: Final = {
    WrittenWhen.ALWAYS: "",
    WrittenWhen.AFTER_ORAL: ", when that was made orally",
    WrittenWhen.IF_REQUESTED: ", if requested",
}
_UNIT: Final = {SpanUnit.HOURS: "hours", SpanUnit.DAYS: "days", SpanUnit.BUSINESS_DAYS: "business days"}


def words(row: DutyRow) -> str:
    """What a row demands, as sentences."""
    if not row.receivers:
        return "No duty is transcribed."
    said = (
        f"{_CHILD[row.subject]}{_BY[row.perpetrator]} is reported {when(row)} to {whom(row)}, {CHANNEL[row.channel]}."
    )
    sentences = [said[0].upper() + said[1:]]
    if row.written is not None:
        sentences.append(f"A report in writing follows {written(row.written)}.")
    sentences.append(f"A child is anybody under {row.threshold}.")
    if row.effective_from is not None:
        sentences.append(f"In effect from {row.effective_from}.")
    if row.effective_until is not None:
        sentences.append(f"No longer in effect from {row.effective_until}.")
    return " ".join(sentences)


def whom(row: DutyRow) -> str:
    """The receivers of a row."""
    parts = (" or ".join(sorted(kind.replace("_", " ") for kind in part)) for part in row.receivers)
    return " and ".join(parts) or "nobody"


def when(row: DutyRow) -> str:
    """The deadline of a row."""
    return "immediately" if row.hours is None else f"within {row.hours} hours"


def written(follows: Written) -> str:
    """How soon a report in writing follows, after what, and when at all."""
    span = f"{follows.within.amount} {_UNIT[follows.within.unit]}"
    return f"within {span} of {_AFTER[follows.clock]}{_WHEN[follows.when]}"
