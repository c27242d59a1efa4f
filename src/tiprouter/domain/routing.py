"""Which recipients is a record decided about at all?

1. Every registered recipient that serves, or may serve, one of the record's jurisdictions.
2. Nationwide recipients, always.
3. A recipient that a person of the record named in a grant that stands or ever stood, wherever it is.
4. An implicated or suspended recipient stays a candidate: its denial is decided, explained and logged like any other.
5. So a recipient's status, agreement and endpoint change nothing about which records are decided toward it; its kind
   and places do. What a change may touch follows from that (`reaches`).
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum, unique

from tiprouter.domain.consent import Consent
from tiprouter.domain.duty import served
from tiprouter.domain.recipient import NATIONWIDE, Recipient, RecipientStatus
from tiprouter.domain.record import Record


@unique
class Reach(StrEnum):
    """Which records a changed agency or bundle may touch: each holds less than those below it, but for the first."""

    PRESSING = "pressing"  # something waits: a delivery, a person, a duty
    OPEN = "open"  # open cases decided toward it
    TOWARD = "toward"  # and whatever it is withheld
    EVERYTHING = "everything"  # and records never decided toward it


def candidates(record: Record, consents: Iterable[Consent], registry: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """The recipients to decide about, in the registry's order."""
    named = frozenset[str]().union(*(consent.named for consent in consents))
    return tuple(
        recipient
        for recipient in registry
        if NATIONWIDE in recipient.jurisdictions or served(record.jurisdictions, recipient) or recipient.id in named
    )


def reaches(old: Recipient | None, new: Recipient) -> tuple[Reach, ...]:
    """What a recipient's coming (`old` None) or change may touch, what presses first; nothing if it decides nothing.

    Where an agency loses something, only what is under way can be otherwise: what it has it has.
    """
    if old is None or _placed(old) != _placed(new):
        return Reach.PRESSING, Reach.EVERYTHING
    if (old.status, old.agreement_until) == (new.status, new.agreement_until):
        return ()
    return Reach.PRESSING, Reach.TOWARD if _gains(old, new) else Reach.OPEN


def _placed(one: Recipient) -> tuple[object, ...]:
    return one.kind, frozenset(one.jurisdictions), frozenset(one.counties)


def _gains(old: Recipient, new: Recipient) -> bool:
    was, will_be = old.agreement_until, new.agreement_until
    longer = will_be is not None and (was is None or was < will_be)
    return new.status is RecipientStatus.ACTIVE and (longer or old.status is not RecipientStatus.ACTIVE)
