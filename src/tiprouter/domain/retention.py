"""How long is each class of record kept, what is that counted from, and what is left of it then?

1. Everything that somebody said, or that tells what was said, belongs to one class. Each class has its own period;
   none, or one of no days, keeps it.
2. What must still be kept outlives its period: a record by what `storage/erasure.keeps` names, everything else by a
   legal hold on its record, or on another record that names its person.
3. The accounting of disclosures is kept six years at least: 45 CFR 164.528(a)(1), 164.530(j)(2).
4. A consent of a person whom no record names counts from its end, or from the last word about it if that is later or it
   has none. With the last record that names a person their consents go at once (`workflow/erasing.py`).

Not promised: that the log forgets. Its entries are ids, times and closed vocabulary, and stay for ever.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from tiprouter.domain.consent import Consent
from tiprouter.domain.subject_states import ConsentPhase

SIX_YEARS: Final = timedelta(days=2_192)
"""Six years at their longest: with two leap days."""
AS_RECORDS: Final = -1
"""Instead of a number of days: as many as for records in general."""

_COUNTS: Final = frozenset({ConsentPhase.PENDING, ConsentPhase.STANDING, ConsentPhase.NARROWED})


@unique
class Retained(StrEnum):
    """A class of what is kept."""

    TIP = "tip"
    CASE = "case"
    CONSENT = "consent"
    ANSWER = "answer"
    SNIPPET = "snippet"
    NOTICE = "notice"
    ACCOUNTING = "accounting"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Rule:
    """A class in words: what its period is counted from, what goes when it is over, and what stays."""

    days: int
    counted_from: str
    goes: str
    stays: str


RULES: Final[Mapping[Retained, Rule]] = MappingProxyType(
    {
        Retained.TIP: Rule(
            AS_RECORDS,
            "its last word, once nobody waits for it and nothing is to be sent",
            "data key, every revision, payloads, words of agencies and reviewers; consents of whom nothing else names",
            "ids, times, states, decisions with their facts, the accounting",
        ),
        Retained.CASE: Rule(
            AS_RECORDS,
            "its last word, once the hotline closed it and nothing is to be sent",
            "as of a tip",
            "as of a tip",
        ),
        Retained.CONSENT: Rule(
            365,
            "the end of the last grant, or the last word, of a person whom no record names",
            "the person's data key, every revision of their consents, stored answers about them",
            "ids and times",
        ),
        Retained.ANSWER: Rule(
            30,
            "when it was given",
            "what was answered, and the digest of what was asked; a data key of its own, where it has one",
            "the key's digest: whoever uses it again is told that the answer was erased, and nothing is done twice",
        ),
        Retained.SNIPPET: Rule(
            90,
            "when the attempt ended",
            "the first bytes that an endpoint answered",
            "the attempt, its result and its times",
        ),
        Retained.NOTICE: Rule(
            365,
            "when a page was made; when a person was told, or nobody was left to tell",
            "pages and ended alarms; how a person was told, or why that waited",
            "which notices there were and who acknowledged them, as in the log",
        ),
        Retained.ACCOUNTING: Rule(
            SIX_YEARS.days,
            "the last attempt or decision about an erased record; the end of a suspension",
            "facts, their salts, and who was in the record; who asked for a suspension, and its data key",
            "ids, outcomes, categories, policies and times, as in the log",
        ),
        Retained.ACCOUNT: Rule(
            SIX_YEARS.days,
            "the last day that an ended account was used; the end of an invitation that nobody redeemed",
            "name and address of who had it, and its data key",
            "its id, role and state",
        ),
    }
)


def cause_of(what: Retained) -> str:
    """What the log says of why something went."""
    return f"retention.{what.value}"


def counted_until(periods: Mapping[Retained, timedelta], what: Retained, now: datetime) -> datetime | None:
    """Whatever of a class is counted from this moment or an earlier one is over; None where it is kept (rule 1)."""
    period = periods.get(what)
    return now - period if period else None


def too_short(periods: Mapping[Retained, timedelta]) -> bool:
    """Whether an accounting would go before the statute lets it (rule 3)."""
    period = periods.get(Retained.ACCOUNTING)
    return period is not None and timedelta() < period < SIX_YEARS


def counts_from(said: Iterable[tuple[Consent, datetime]]) -> datetime:
    """From when a person's consents count, each as it stands and with its last word (rule 4). There is one at least."""
    return max(
        max(last_word, consent.expires_at) if consent.expires_at and consent.life in _COUNTS else last_word
        for consent, last_word in said
    )
