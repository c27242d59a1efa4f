"""Which recipients is a record decided about at all?

1. Every registered recipient that serves, or may serve, one of the record's jurisdictions.
2. Nationwide recipients, always.
3. A recipient that a person of the record named in a grant that stands or ever stood, wherever it is.
4. An implicated or suspended recipient stays a candidate: its denial is decided, explained and logged like any other.
5. So a recipient's status, agreement and endpoint change nothing about which records are decided toward it; its kind
   and places do. What a change may touch follows from that (`reaches`).
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum, unique

from tiprouter.domain.consent import Consent
from tiprouter.domain.recipient import NATIONWIDE, Recipient, RecipientStatus
from tiprouter.domain.record import Record
from tiprouter.domain.vocabulary import Answer


@unique
class Reach(StrEnum):
    """Which records a changed agency or bundle may touch: each holds less than those below it, but for the first."""

    PRESSING = "pressing"  # something waits: a delivery, a person, a duty
    OPEN = "open"  # open cases decided toward it
    TOWARD = "toward"  # and whatever it is withheld
    EVERYTHING = "everything"  # and records never decided toward it


class Directory:
    """Everybody who is registered, in the registry's order; found by id, and by where they may serve."""

    def __init__(self, everyone: Iterable[Recipient]) -> None:
        self._everyone = tuple(everyone)
        self.by_id = {recipient.id: recipient for recipient in self._everyone}
        self._numbers = {recipient.id: number for number, recipient in enumerate(self._everyone)}
        self._at: dict[str, list[Recipient]] = {}
        for recipient in self._everyone:
            for code in recipient.jurisdictions:
                self._at.setdefault(code, []).append(recipient)

    def __iter__(self) -> Iterator[Recipient]:
        """Everybody."""
        return iter(self._everyone)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._everyone)

    def at(self, code: str) -> Iterable[Recipient]:
        """Who names this place, or a county of it, as theirs."""
        return self._at.get(code, ())

    def these(self, ids: Iterable[str]) -> tuple[Recipient, ...]:
        """Those of these who are registered, in the registry's order."""
        known = {one: self._numbers[one] for one in ids if one in self._numbers}
        return tuple(self.by_id[one] for one in sorted(known, key=known.__getitem__))


def candidates(record: Record, consents: Iterable[Consent], directory: Directory) -> tuple[Recipient, ...]:
    """The recipients to decide about, in the registry's order."""
    found = set[str]().union(*(consent.named for consent in consents))
    found.update(recipient.id for recipient in directory.at(NATIONWIDE))
    for place in record.jurisdictions:
        found.update(one.id for one in directory.at(place.code) if one.serves(place) is not Answer.NO)
    return directory.these(found)


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
