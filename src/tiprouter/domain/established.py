"""Which unknown facts has a reviewer established, and when do they count?

1. A reviewer may establish an age band, whether a duty exists toward one recipient, and how violence was perceived.
2. What is established counts only where the record leaves the fact unknown. It never contradicts what the record
   knows: a later revision that knows the fact wins, and so does time, where time alone makes it known.
3. The last finding about a fact is the one that counts.
4. An established `adult` is of age under every law of the record, an established `minor` under none; a duty is
   established toward one recipient; how violence was perceived is established for the whole record.

The policy never hears who established a fact: it decides again, on facts, as always.
Not promised: that somebody established to be a child ever comes of age by time alone; nobody knows when.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tiprouter.domain.duty import Duty
from tiprouter.domain.vocabulary import AgeBand, Answer, DutyState, Establishable, Perceived

VALUES: Final[Mapping[Establishable, tuple[StrEnum, ...]]] = MappingProxyType(
    {
        Establishable.AGE: (AgeBand.ADULT, AgeBand.MINOR),
        Establishable.DUTY: (DutyState.REQUIRED, DutyState.NOT_REQUIRED),
        Establishable.PERCEIVED: (Perceived.FIRST_HAND, Perceived.RELAYED),
    }
)
"""What each fact may be established as: everything but unknown."""

UNKNOWN: Final = Answer.UNKNOWN.value
"""How every vocabulary spells it."""


@dataclass(frozen=True, slots=True)
class Established:
    """One finding of a reviewer, about a person by `ref`; a duty's names its recipient, the others nobody."""

    ref: str
    fact: Establishable
    value: str
    recipient_id: str | None = None


def age_of(findings: Sequence[Established], ref: str, known: AgeBand) -> AgeBand:
    """A person's age band (rules 2-4)."""
    if known is not AgeBand.UNKNOWN:
        return known
    found = _last(one for one in findings if one.fact is Establishable.AGE and one.ref == ref)
    return known if found is None else AgeBand(found)


def duty_of(findings: Sequence[Established], ref: str, recipient_id: str, known: Duty, immediately: timedelta) -> Duty:
    """The duty about a person toward one recipient (rules 2-4); one that no row dates is due at once."""
    if known.state is not DutyState.UNKNOWN:
        return known
    found = _last(
        one
        for one in findings
        if one.fact is Establishable.DUTY and one.ref == ref and one.recipient_id == recipient_id
    )
    if found is None:
        return known
    state = DutyState(found)
    if state is DutyState.NOT_REQUIRED:
        return Duty(state, (), None)
    return Duty(state, known.rows, immediately if known.within is None else known.within)


def perceived_of(findings: Sequence[Established], known: Perceived) -> Perceived:
    """How the hotline learned of violence (rules 2-4)."""
    if known is not Perceived.UNKNOWN:
        return known
    found = _last(one for one in findings if one.fact is Establishable.PERCEIVED)
    return known if found is None else Perceived(found)


def _last(findings: Iterable[Established]) -> str | None:
    """Rule 3: findings are given first to last."""
    last = None
    for one in findings:
        last = one.value
    return last
