"""When a person speaks again about consent, does it count at once? Rules 1 to 6, and every order of speaking."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.examples import DAY, HOUR, NOW, POLICE, PROVIDER, agency, grant, refusal
from tiprouter.domain import widening
from tiprouter.domain.consent import Choice, Consent, Narrowing, Question, Scope, state_of
from tiprouter.domain.states import IllegalTransitionError
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import AgeBand, Category, ConsentState, Grantor, Purpose
from tiprouter.domain.widening import (
    CONFIRM_WITHIN,
    NotNarrowerError,
    confirmed,
    lapsed,
    narrowed,
    phase_at,
    received,
    withdrawn,
)

INCIDENT, HEALTH, LOCATION = Category.INCIDENT, Category.HEALTH, Category.LOCATION
CATEGORIES = (INCIDENT, HEALTH, LOCATION)
PLACES = (("US-TX",), ("US-CA",), ("US-TX", "US-CA"))
PURPOSES = (Purpose.INVESTIGATION, Purpose.SERVICES)


def question(kind: Any = POLICE, places: tuple[str, ...] = ("US-TX",)) -> Question:  # noqa: ANN401 - the examples' own
    """An adult's question about an agency."""
    return Question(agency(kind, id=f"example-{kind}"), AgeBand.ADULT, minor_alone=False, places=places)


CELLS = [
    (question(kind, places), category) for kind in (POLICE, PROVIDER) for places in PLACES for category in CATEGORIES
]


def scope(consent: Consent, **changes: Any) -> Scope:  # noqa: ANN401 - fields of a scope
    """A consent's scope with something else in it."""
    return replace(consent.scope, **changes)


def test_the_first_grant_counts_at_once() -> None:
    """Rule 1: whoever asks for help the first time need not call twice."""
    first = received([], grant(), NOW)
    assert (first.phase, first.recorded_at) == (ConsentPhase.STANDING, NOW)
    assert state_of([first], question(), INCIDENT, NOW) is ConsentState.GRANTED


@pytest.mark.parametrize(
    "change",
    [
        {"kinds": (POLICE, PROVIDER)},
        {"recipients": ("example-other",)},
        {"purposes": (Purpose.INVESTIGATION, Purpose.SERVICES)},
        {"categories": (INCIDENT, HEALTH)},
        {"expires_at": NOW + 31 * DAY},
        {"valid_from": NOW - 2 * DAY},
        {"jurisdictions": ()},
        {"jurisdictions": ("US-TX", "US-CA")},
        {"grantor": Grantor.BOTH},
    ],
)
def test_a_grant_that_adds_anything_waits(change: dict[str, Any]) -> None:
    """Rules 1, 2: a recipient, kind, purpose, category or place, a later end, an earlier start, another grantor."""
    narrow = {"categories": (INCIDENT,), "purposes": (Purpose.INVESTIGATION,), "jurisdictions": ("US-TX",)}
    first = received([], grant(expires_at=NOW + 30 * DAY, valid_from=NOW - DAY, **narrow), NOW)
    same = replace(first, id="again", given_at=NOW, phase=None)
    assert received([first], same, NOW + HOUR).phase is ConsentPhase.STANDING
    more = received([first], replace(same, **change), NOW + HOUR)
    assert more.phase is ConsentPhase.PENDING
    for where, category in CELLS:
        now = NOW + HOUR
        assert state_of([first, more], where, category, now) is state_of([first], where, category, now)


def test_a_pending_grant_alone_is_as_if_nobody_was_asked() -> None:
    """Consent rule 7: neither granted nor out of scope."""
    assert state_of([replace(grant(), phase=ConsentPhase.PENDING)], question(), INCIDENT, NOW) is ConsentState.NOT_ASKED


def test_a_grant_after_a_no_waits_for_the_second_word() -> None:
    """Rules 1, 3: after a withdrawal and after a refusal; said again, it counts."""
    gone = withdrawn(received([], grant(), NOW), NOW + HOUR)
    for known in ([gone], [received([], refusal(given_at=NOW), NOW)]):
        again = received(known, grant(id="again", given_at=NOW + 2 * HOUR), NOW + 2 * HOUR)
        assert again.phase is ConsentPhase.PENDING
        assert state_of([*known, again], question(), INCIDENT, NOW + 3 * HOUR) is not ConsentState.GRANTED
        said = confirmed(again, NOW + 3 * HOUR)
        assert state_of([*known, said], question(), INCIDENT, NOW + 3 * HOUR) is ConsentState.GRANTED


def test_what_lapsed_or_ran_out_cannot_be_confirmed() -> None:
    """Rules 3, 5: by a later no, by time, or by its own end."""
    first = received([], grant(), NOW)
    more = received([first], grant(PROVIDER, id="more", given_at=NOW), NOW)
    assert phase_at(more, NOW + CONFIRM_WITHIN - timedelta(microseconds=1)) is ConsentPhase.PENDING
    late = [(lapsed(more), NOW), (more, NOW + CONFIRM_WITHIN), (replace(more, expires_at=NOW + HOUR), NOW + HOUR)]
    for consent, now in late:
        assert phase_at(consent, now) is ConsentPhase.LAPSED
        with pytest.raises(IllegalTransitionError):
            confirmed(consent, now)
    with pytest.raises(IllegalTransitionError):
        confirmed(first, NOW)


def test_a_refusal_heard_late_wins_over_what_was_heard_before() -> None:
    """Consent rule 3: it is said to be older than the grant, but nobody knew of it."""
    first = received([], grant(given_at=NOW - HOUR), NOW)
    late = received([first], refusal(given_at=NOW - DAY), NOW + HOUR)
    assert state_of([first, late], question(), INCIDENT, NOW + HOUR) is ConsentState.REFUSED


def test_narrowing_takes_out_what_another_grant_still_names() -> None:
    """Rule 3: as a withdrawal would; what neither narrowing took out stays granted."""
    first = received([], grant(), NOW)
    second = confirmed(received([first], grant(id="second", given_at=NOW, expires_at=NOW + 99 * DAY), NOW), NOW + HOUR)
    less = narrowed(second, scope(second, categories=(INCIDENT,)), NOW + 2 * HOUR)
    states = {each: state_of([first, less], question(), each, NOW + 2 * HOUR) for each in CATEGORIES}
    assert states == {
        INCIDENT: ConsentState.GRANTED,
        HEALTH: ConsentState.WITHDRAWN,
        LOCATION: ConsentState.WITHDRAWN,
    }
    assert less.narrowed == (Narrowing(NOW + 2 * HOUR, second.scope),)


def test_an_end_that_was_brought_forward_ends_older_grants_too() -> None:
    """Rule 3: past the new end nothing said before the narrowing counts."""
    first = received([], grant(), NOW)
    second = confirmed(received([first], grant(id="second", given_at=NOW, expires_at=NOW + 99 * DAY), NOW), NOW + HOUR)
    less = narrowed(first, scope(first, expires_at=NOW + DAY), NOW + 2 * HOUR)
    for now, state in ((NOW + 3 * HOUR, ConsentState.GRANTED), (NOW + DAY, ConsentState.EXPIRED)):
        assert state_of([less, second], question(), INCIDENT, now) is state


@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": (POLICE, PROVIDER)},
        {"kinds": ()},
        {"categories": ()},
        {"purposes": ()},
        {"expires_at": None},
        {"expires_at": NOW + 99 * DAY},
        {"jurisdictions": ("US-TX", "US-CA")},
        {"jurisdictions": ()},
        {},
    ],
)
def test_narrowing_adds_nothing_and_leaves_something(wrong: dict[str, Any]) -> None:
    """Rule 3: what would widen, empty, or change nothing is refused."""
    first = received([], grant(jurisdictions=("US-TX",)), NOW)
    with pytest.raises(NotNarrowerError):
        narrowed(first, scope(first, **wrong), NOW + HOUR)
    with pytest.raises(NotNarrowerError):
        narrowed(received([], refusal(), NOW), scope(refusal(), categories=(INCIDENT,)), NOW)


def test_taking_back_what_waits_leaves_what_stands() -> None:
    """Rule 4."""
    first = received([], grant(categories=(INCIDENT,)), NOW)
    more = received([first], grant(id="more", given_at=NOW), NOW)
    back = withdrawn(more, NOW + HOUR)
    assert back.phase is ConsentPhase.LAPSED
    assert state_of([first, back], question(), INCIDENT, NOW + HOUR) is ConsentState.GRANTED


def test_a_place_out_of_scope_is_out_of_scope() -> None:
    """Consent rule 2: every place that the recipient serves must be named; the whole country names them all."""
    here = received([], grant(jurisdictions=("US-TX",)), NOW)
    for places, state in (
        (("US-TX",), ConsentState.GRANTED),
        (("US-TX", "US-CA"), ConsentState.OUT_OF_SCOPE),
        (("US-CA",), ConsentState.OUT_OF_SCOPE),
        ((), ConsentState.OUT_OF_SCOPE),
    ):
        assert state_of([here], question(places=places), INCIDENT, NOW) is state
    everywhere = replace(here, jurisdictions=("US",))
    assert state_of([everywhere], question(places=("US-TX", "US-CA")), INCIDENT, NOW) is ConsentState.GRANTED


class Speaking:
    """One person who speaks again and again, and what they excluded without having said yes twice since."""

    def __init__(self) -> None:
        self.now = NOW
        self.consents: dict[str, Consent] = {}
        self.excluded: dict[int, tuple[datetime, datetime]] = {}  # of a cell: from when on, and when it was said last

    def granted(self) -> set[int]:
        """The cells that are granted now."""
        known = list(self.consents.values())
        return {
            number
            for number, (where, category) in enumerate(CELLS)
            if state_of(known, where, category, self.now) is ConsentState.GRANTED
        }

    def holds(self, part: Scope, *, bare: bool = False) -> set[int]:
        """The cells that some of a scope is about."""
        return {n for n, (where, category) in enumerate(CELLS) if part.touches(where, category, bare=bare)}

    def exclude(self, cells: set[int], since: datetime | None = None) -> None:
        """Somebody said no to these."""
        for cell in cells:
            begins = since or self.now
            self.excluded[cell] = (min(self.excluded.get(cell, (begins, self.now))[0], begins), self.now)

    def lapse(self) -> None:
        """What the story does with every no."""
        for key, one in self.consents.items():
            if one.life is ConsentPhase.PENDING:
                self.consents[key] = lapsed(one)

    def speak(self, said: Consent) -> set[int]:
        """A grant or a refusal arrives; the cells that may be granted because of it."""
        first = not self.consents
        new = received(self.consents.values(), replace(said, id=f"c{len(self.consents)}"), self.now)
        self.consents[new.id] = new
        if new.choice is Choice.REFUSE:
            self.lapse()
            self.exclude(self.holds(new.scope, bare=True))
        return self.holds(new.scope) if first else set()

    def withdraw(self, one: Consent) -> set[int]:
        """A withdrawal."""
        back = withdrawn(one, self.now)
        self.consents[one.id] = back
        if back.phase is ConsentPhase.WITHDRAWN:
            self.lapse()
            self.exclude(self.holds(one.scope))
        return set()

    def narrow(self, one: Consent, part: Scope) -> set[int]:
        """A narrowing."""
        waited = one.life is ConsentPhase.PENDING
        less = narrowed(one, part, self.now)
        self.consents[one.id] = less
        if not waited:
            self.lapse()
            after = {n for n, (where, category) in enumerate(CELLS) if less.scope.grants(where, category)}
            self.exclude(self.holds(one.scope) - after)
            if less.expires_at is not None and less.expires_at != one.expires_at:
                self.exclude(after, less.expires_at)
        return set()

    def confirm(self, one: Consent) -> set[int]:
        """The second word: what it names is no longer excluded, if the first word came after the no, too."""
        self.consents[one.id] = confirmed(one, self.now)
        for cell in self.holds(one.scope):
            if cell in self.excluded and one.recorded_at is not None and one.recorded_at > self.excluded[cell][1]:
                del self.excluded[cell]
        return self.holds(one.scope)


_kinds = st.sampled_from([(POLICE,), (PROVIDER,), (POLICE, PROVIDER)])
_categories = st.sampled_from([(INCIDENT,), (HEALTH,), (INCIDENT, HEALTH), CATEGORIES])
_places = st.sampled_from([(), ("US-TX",), ("US-CA",), ("US-TX", "US-CA"), ("US",)])
_hours = st.integers(0, 60)
_said = st.builds(
    lambda kinds, categories, places, ago, ends: grant(
        *kinds,
        purposes=PURPOSES,
        categories=categories,
        jurisdictions=places,
        given_at=NOW - ago * HOUR,
        valid_from=NOW - 99 * HOUR,
        expires_at=NOW + ends * HOUR,
    ),
    _kinds,
    _categories,
    _places,
    _hours,
    st.integers(1, 90),
) | st.builds(
    lambda kinds, categories, ago: refusal(kinds=kinds, categories=categories, given_at=NOW - ago * HOUR),
    _kinds | st.just(()),
    _categories | st.just(()),
    _hours,
)
_steps = st.lists(
    st.tuples(
        st.sampled_from(["speak", "speak", "withdraw", "narrow", "confirm", "confirm", "wait"]),
        _said,
        st.integers(0, 9),
        st.integers(1, 20),
    ),
    max_size=14,
)


def step(person: Speaking, what: str, said: Consent, which: int, hours: int) -> set[int]:
    """One thing that happens; what may newly be granted by it."""
    person.now += timedelta(minutes=1) if what != "wait" else hours * HOUR
    if what == "wait" or (what != "speak" and not person.consents):
        return set()
    try:
        if what == "speak":
            return person.speak(replace(said, given_at=min(said.given_at, person.now)))
        one = list(person.consents.values())[which % len(person.consents)]
        if what == "narrow":
            kept = tuple(each for each in one.categories if each in said.categories) or one.categories[:1]
            ends = min(one.expires_at or NOW, person.now + hours * HOUR) if which % 2 else one.expires_at
            return person.narrow(one, scope(one, categories=kept, expires_at=ends))
        return {"withdraw": person.withdraw, "confirm": person.confirm}[what](one)
    except (IllegalTransitionError, NotNarrowerError):
        return set()


def live(steps: list[tuple[str, Consent, int, int]]) -> Speaking:
    """A whole life of speaking; after each word, nothing is granted that should not be."""
    person = Speaking()
    for one in steps:
        before = person.granted()
        allowed = step(person, *one)
        now = person.granted()
        assert now <= before | allowed, "only a first grant and a confirmation widen"
        closed = {cell for cell, (since, _) in person.excluded.items() if person.now >= since}
        assert not now & closed, "granted, although the last narrowing excluded it"
    return person


@settings(max_examples=300)
@given(_steps)
def test_no_order_of_words_grants_what_the_last_no_excluded(steps: list[tuple[str, Consent, int, int]]) -> None:
    """Rules 1 to 5: whatever is said in whatever order, backdated or not, while time passes."""
    live(steps)


NO_THEN_YES = [
    ("speak", grant(POLICE, purposes=PURPOSES, given_at=NOW), 0, 1),
    ("withdraw", grant(), 0, 1),
    ("speak", grant(POLICE, purposes=PURPOSES, given_at=NOW + HOUR), 0, 1),
]


@pytest.mark.parametrize(
    ("fault", "steps"),
    [
        (("_repeats", lambda *_: True), NO_THEN_YES),
        (
            ("lapsed", lambda one: one),
            [
                NO_THEN_YES[0],
                ("speak", grant(PROVIDER, purposes=PURPOSES, given_at=NOW), 0, 1),
                ("speak", refusal(given_at=NOW), 0, 1),
                ("confirm", grant(), 1, 1),
            ],
        ),
        (("received", lambda _, new, now: replace(new, recorded_at=now, phase=ConsentPhase.STANDING)), NO_THEN_YES),
    ],
    ids=["everything repeats", "nothing lapses", "nothing waits"],
)
def test_a_planted_fault_is_found(
    fault: tuple[str, Callable[..., Any]], steps: list[tuple[str, Consent, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: each rule left out lets some life through that must not be."""
    live(steps)
    monkeypatch.setattr(widening, fault[0], fault[1])
    monkeypatch.setitem(globals(), fault[0], fault[1])
    with pytest.raises(AssertionError):
        live(steps)
