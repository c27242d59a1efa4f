"""What has each person said, by the history's own books, and what does it mean for one question?

Written from docs/decision-rules.md (7, 8) a second time, plainly, from the list of what was said; nothing here asks
`domain/consent.py` or `domain/widening.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tiprouter.domain.record import Person
from tiprouter.domain.vocabulary import PURPOSE_OF, Answer, Category, ConsentState, Purpose, RecipientKind

CONFIRM_WITHIN: Final = timedelta(days=14)
CONFIRM_AFTER: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class Extent:
    """To whom and what a saying reaches; `ends` is a grant's end."""

    agencies: frozenset[str]
    kinds: frozenset[RecipientKind]
    purposes: frozenset[Purpose]
    categories: frozenset[Category]
    ends: datetime | None
    places: frozenset[str] = frozenset()

    def whole(self, asked: "Asked", category: Category) -> bool:
        """Whether it holds this agency and category, everywhere that is asked about; no places are all of them."""
        here = not self.places or (bool(asked.places) and all(map(self._in, asked.places)))
        return here and self._about(asked, category)

    def part(self, asked: "Asked", category: Category) -> bool:
        """Whether it holds any of that."""
        return self.somewhere(asked) and self._about(asked, category)

    def somewhere(self, asked: "Asked") -> bool:
        """Whether it is about any of the places that are asked about."""
        return not (self.places and asked.places) or any(map(self._in, asked.places))

    def _about(self, asked: "Asked", category: Category) -> bool:
        whom = asked.agency_id in self.agencies or asked.kind in self.kinds
        return whom and PURPOSE_OF[asked.kind] in self.purposes and category in self.categories

    def _in(self, place: str) -> bool:
        return bool({place, "US"} & self.places)

    def within(self, other: "Extent") -> bool:
        """Whether it holds nothing that the other does not."""
        mine, theirs = self.ends, other.ends
        ends = theirs is None or (mine is not None and mine <= theirs)
        places = not other.places or (bool(self.places) and self.places <= other.places)
        return (
            places
            and self.agencies <= other.agencies
            and self.kinds <= other.kinds
            and self.purposes <= other.purposes
            and self.categories <= other.categories
            and ends
        )


@dataclass
class Saying:
    """One grant or refusal, and what became of it."""

    id: str
    grant: bool
    grantor: str
    guardian_clear: bool
    guardian: str | None
    informed: bool
    extent: Extent
    given: datetime
    heard: datetime
    begins: datetime
    waits: bool = False
    lapsed: bool = False
    confirmed: datetime | None = None
    withdrawn: datetime | None = None
    cuts: list[tuple[datetime, Extent]] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        """Whether it stands or ever stood."""
        return not (self.waits or self.lapsed)

    @property
    def spoken(self) -> datetime:
        """When a grant was last said."""
        return self.confirmed or self.given

    @property
    def last_said(self) -> tuple[datetime, bool, str]:
        """When the person last said anything by it, and whether that was a no."""
        if not self.grant:
            return max(self.given, self.heard), True, self.id
        nos = [at for at, _ in self.cuts] + ([self.withdrawn] if self.withdrawn else [])
        return (max(nos), True, self.id) if nos else (self.spoken, False, self.id)

    def may_be_confirmed(self, now: datetime) -> bool:
        """Whether the person can say it again now."""
        ends = self.extent.ends
        over = now >= self.heard + CONFIRM_WITHIN or (ends is not None and now >= ends)
        return self.waits and not over and now >= self.heard + CONFIRM_AFTER

    def may_be_narrowed(self, now: datetime) -> bool:
        """Whether there is anything left to narrow."""
        ends = self.extent.ends
        over = self.lapsed or self.withdrawn is not None or (ends is not None and now >= ends)
        return self.grant and not over and not (self.waits and now >= self.heard + CONFIRM_WITHIN)


def would_wait(known: list[Saying], new: Saying, now: datetime) -> bool:
    """Whether a new grant adds something to the person's last word and so must be said twice."""
    if not new.grant or not known:
        return False
    stood = [one for one in known if one.counts]
    if not stood:
        return True
    last = max(stood, key=lambda one: one.last_said)
    ends = last.extent.ends
    stands = last.grant and last.withdrawn is None and not last.cuts and ends is not None and now < ends
    same = (last.grantor, last.guardian_clear, last.guardian) == (new.grantor, new.guardian_clear, new.guardian)
    return not (stands and new.extent.within(last.extent) and last.informed and last.begins <= new.begins and same)


@dataclass(frozen=True)
class Asked:
    """Toward whom a person's sayings are asked, and what the law says of the person there."""

    agency_id: str
    kind: RecipientKind
    minor: bool
    minor_alone: bool
    places: tuple[str, ...] = ()
    guardians: tuple[tuple[str | None, bool], ...] = ()
    """What the record calls each of the person's guardians, and whether it clears them."""


def cleared(person: Person) -> tuple[tuple[str | None, bool], ...]:
    """What the record calls each of a person's guardians, and whether it clears them; nobody accused is one here."""
    return tuple((one.ref, one.implicated is Answer.NO) for one in person.guardians)


def state(sayings: Iterable[Saying], asked: Asked, category: Category, now: datetime) -> ConsentState:
    """What the person's last word about this is."""
    known = [one for one in sayings if one.counts]
    if not known:
        return ConsentState.NOT_ASKED
    words = [word for one in known for word in _words(one, asked, category, now)]
    return max(words)[-1] if words else ConsentState.OUT_OF_SCOPE


Word = tuple[datetime, bool, str, ConsentState]


def _words(one: Saying, asked: Asked, category: Category, now: datetime) -> Iterator[Word]:
    if not one.grant:
        everyone = not (one.extent.agencies or one.extent.kinds)
        whom = everyone or asked.agency_id in one.extent.agencies or asked.kind in one.extent.kinds
        if whom and one.extent.somewhere(asked) and (not one.extent.categories or category in one.extent.categories):
            yield max(one.given, one.heard), True, one.id, ConsentState.REFUSED
        return
    later = [before for _, before in one.cuts[1:]] + [one.extent]
    for (at, before), after in zip(one.cuts, later, strict=False):
        if before.part(asked, category) and not after.whole(asked, category):
            yield at, True, one.id, ConsentState.WITHDRAWN
    if one.withdrawn is not None:
        if one.extent.part(asked, category):
            yield one.withdrawn, True, one.id, ConsentState.WITHDRAWN
        return
    if not one.extent.whole(asked, category):
        return
    found = _granting(one, asked, now)
    shortened = [at for at, before in one.cuts if before.ends != one.extent.ends]
    if found is ConsentState.EXPIRED and shortened:
        yield shortened[-1], True, one.id, found
    else:
        yield one.spoken, False, one.id, found


def _granting(one: Saying, asked: Asked, now: datetime) -> ConsentState:
    by_adult = one.grantor != "guardian"
    by_child = one.grantor == "both" or (one.grantor == "self" and asked.minor_alone)
    meant = [cleared for name, cleared in asked.guardians if one.guardian in (None, name)]
    clear = one.grantor == "self" or (one.guardian_clear and bool(meant) and all(meant))
    if one.extent.ends is None or not one.informed or not clear or not (by_child if asked.minor else by_adult):
        return ConsentState.VOID
    if now < one.begins:
        return ConsentState.NOT_ASKED
    return ConsentState.EXPIRED if now >= one.extent.ends else ConsentState.GRANTED
