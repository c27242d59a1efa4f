"""What must hold of every bundle, whatever its tenant wishes?

1. A law is told as its breaches: conditions under which it would be broken. It holds when none of them can be.
2. `BY_GUARDS` are broken by what the guards alone let through: no permit of any layer can break them.
3. `BY_BUNDLE` are about the bundle as a whole; the ceiling and the floor are its counsel's own words.
4. A duty that is answered "report" ends as `REPORT` or `DUTY_BLOCKED`, never in silence (`domain.outcome`); so it is
   enough that it is answered.

Rules in titles are those of docs/decision-rules.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    RecipientKind,
    Relationship,
)
from tiprouter.policy.gate.view import View, minimum
from tiprouter.policy.questions import QUESTIONS, REPORT, REVIEW

B = TypeVar("B")

_GRANTED: Final = ConsentState.GRANTED
_INCIDENT: Final = Category.INCIDENT.value
_CATEGORIES: Final = tuple(category.value for category in Category)


@dataclass(frozen=True, slots=True)
class Breach(Generic[B]):
    """A condition that must never hold, about one question; `incident` is the consent for it where that is given."""

    question: str
    when: B
    says: str
    incident: ConsentState | None = None


Law: TypeAlias = Callable[[View[Any]], Iterator[Breach[Any]]]


def no_policy_errs(view: View[B]) -> Iterator[Breach[B]]:
    """Rule 1: no policy can err, so none is ever skipped."""
    for question in QUESTIONS:
        for policy in view.compiled(question):
            yield Breach(question, policy.error, f"{policy.id} errs and is skipped")


def implicated(view: View[B]) -> Iterator[Breach[B]]:
    """Rule 9: an implicated recipient gets nothing."""
    yield from _never(view, view.is_one("implicated", True), "an implicated recipient is told")  # noqa: FBT003


def suspended(view: View[B]) -> Iterator[Breach[B]]:
    """Rule 1: a suspended recipient gets nothing."""
    yield from _never(view, view.is_one("usable", False), "a suspended recipient is told")  # noqa: FBT003


def elsewhere(view: View[B]) -> Iterator[Breach[B]]:
    """Rule 2: police and child protection learn only of places that they serve."""
    local = view.is_one("recipient_kind", RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION)
    yield from _never(
        view,
        view.algebra.without(local, view.is_one("in_jurisdiction", Answer.YES)),
        "an authority of elsewhere is told",
    )


def immigration(view: View[B]) -> Iterator[Breach[B]]:
    """Rule 7: immigration data never goes to an authority, not even with consent."""
    provider = view.is_one("recipient_kind", RecipientKind.SERVICE_PROVIDER)
    question = Category.IMMIGRATION.value
    yield Breach(question, view.algebra.without(view.unguarded(question), provider), "an authority is told")


def signaler_identity(view: View[B]) -> Iterator[Breach[B]]:
    """Rule 7: who signaled leaves only with consent."""
    question = Category.SIGNALER_IDENTITY.value
    unconsented = view.algebra.without(view.unguarded(question), view.consent(question, _GRANTED))
    yield Breach(question, unconsented, "it leaves without consent")


def adults(view: View[B]) -> Iterator[Breach[B]]:
    """Rules 4, 6: no adult to the police without consent, imminent violence, or the third-party rule, minimised."""
    algebra = view.algebra
    adult = algebra.both(
        view.is_one("age", AgeBand.ADULT), view.is_one("recipient_kind", RecipientKind.LAW_ENFORCEMENT)
    )
    third = algebra.negated(view.is_one("reporter", Relationship.SELF))
    for question in _CATEGORIES:
        unasked = algebra.both(third, view.consent(question, ConsentState.NOT_ASKED))
        reasons = [view.consent(question, _GRANTED), view.accused()]
        reasons += [view.imminent(), unasked] if minimum(question) else []
        bare = algebra.without(algebra.both(adult, view.unguarded(question)), algebra.either(*reasons))
        yield Breach(question, bare, "the police are told of an adult without a reason")


def unknown_age(view: View[B]) -> Iterator[Breach[B]]:
    """Rule 2: of somebody of unknown age only the police learn, in imminent danger, the minimum."""
    algebra = view.algebra
    unknown = algebra.without(view.is_one("age", AgeBand.UNKNOWN), view.accused())
    for question in _CATEGORIES:
        told = algebra.both(unknown, view.unguarded(question))
        reason = view.imminent() if minimum(question) else algebra.false
        yield Breach(question, algebra.without(told, reason), "it leaves though nobody knows the age")


def providers(view: View[B]) -> Iterator[Breach[B]]:
    """Rule 8: a provider learns what was consented to, and what an accused person did, by the victim's consent."""
    algebra = view.algebra
    provider = view.is_one("recipient_kind", RecipientKind.SERVICE_PROVIDER)
    chosen = algebra.both(view.accused(), view.is_one("basis", Basis.CONSENT))
    for question in _CATEGORIES:
        told = algebra.both(provider, view.unguarded(question))
        reason = chosen if question == Category.INCIDENT else algebra.false
        granted = view.consent(question, _GRANTED)
        yield Breach(question, algebra.without(told, algebra.either(granted, reason)), "a provider is told unasked")


def duties_speak(view: View[B]) -> Iterator[Breach[B]]:
    """Rules 5, 6: no duty ends in silence: it is reported (or blocked, which calls a human), or a human looks."""
    algebra = view.algebra
    minor = algebra.both(view.victim(), view.is_one("age", AgeBand.MINOR))
    owed = algebra.either(
        algebra.both(minor, view.is_one("duty", DutyState.REQUIRED)), algebra.both(view.victim(), view.imminent())
    )
    perhaps = algebra.either(
        algebra.both(minor, view.is_one("duty", DutyState.UNKNOWN)),
        algebra.both(
            view.victim(),
            view.is_one("age", AgeBand.UNKNOWN),
            view.is_one("duty", DutyState.REQUIRED, DutyState.UNKNOWN),
        ),
    )
    yield Breach(REPORT, algebra.without(owed, view.allowed(REPORT)), "a duty is not reported")
    answered = algebra.either(view.allowed(REPORT), view.allowed(REVIEW))
    yield Breach(REVIEW, algebra.without(perhaps, answered), "what may be a duty is neither reported nor reviewed")


def duties_arrive(view: View[B]) -> Iterator[Breach[B]]:
    """Rules 5, 6: an authority that may be told and has a report coming learns what happened and where."""
    algebra = view.algebra
    child = algebra.without(
        algebra.both(view.victim(), view.is_one("age", AgeBand.MINOR), view.is_one("duty", DutyState.REQUIRED)),
        view.is_one("recipient_kind", RecipientKind.SERVICE_PROVIDER),
    )
    owed = algebra.either(child, algebra.both(view.victim(), view.imminent()))
    for question in filter(minimum, _CATEGORIES):
        silent = algebra.without(algebra.both(owed, view.open()), view.allowed(question))
        yield Breach(question, silent, "a report would arrive without it")


def removing_consent(view: View[B]) -> Iterator[Breach[B]]:
    """Rule 11: removing a consent never releases more, of its own category or, by lifting a review, of another."""
    for question in _CATEGORIES:
        if question != _INCIDENT:
            gained = view.algebra.without(view.allowed(question), view.allowed(question, _GRANTED))
            yield Breach(question, gained, "it leaves without consent and would not with it")
    for state in view.told_apart:
        for besides in (False, True):
            yield from _incident_lost(view, state, besides=besides)
        yield from _last_grant_lost(view, state)


def _incident_lost(view: View[B], lost: ConsentState, *, besides: bool) -> Iterator[Breach[B]]:
    """The incident was granted and is in this state now; `besides` it another category stays granted, or none does."""
    algebra, before, after = view.algebra, view.held(_GRANTED), view.held(lost, besides=besides)
    lifted = algebra.without(before, after)
    for question in _CATEGORIES:
        if question != _INCIDENT:
            released = algebra.both(lifted, view.allowed(question) if besides else _ungranted(view, question))
            yield Breach(question, released, "it leaves once the incident's consent is gone", lost)
    without = algebra.without(view.allowed(_INCIDENT, lost), after)
    gained = algebra.without(without, algebra.without(view.allowed(_INCIDENT, _GRANTED), before))
    yield Breach(_INCIDENT, gained, "it leaves once its own consent is gone", lost)


def _last_grant_lost(view: View[B], incident: ConsentState) -> Iterator[Breach[B]]:
    """The incident is in this state, and of the other categories the last that was granted no longer is."""
    algebra = view.algebra
    lifted = algebra.without(view.held(incident, besides=True), view.held(incident, besides=False))
    for question in _CATEGORIES:
        left = view.allowed(question, incident) if question == _INCIDENT else _ungranted(view, question)
        yield Breach(question, algebra.both(lifted, left), "it leaves once the last consent is gone", incident)


def _ungranted(view: View[B], question: str) -> B:
    """It leaves, and not by its own consent."""
    return view.algebra.without(view.allowed(question), view.consent(question, _GRANTED))


def below_ceiling(view: View[B]) -> Iterator[Breach[B]]:
    """The ceiling: nothing more than it leaves, whatever any permit says, for what the bundle forbids."""
    yield from _above(view, view.unforbidden)


def guards_below_ceiling(view: View[B]) -> Iterator[Breach[B]]:
    """The ceiling, held by the guards alone."""
    yield from _above(view, view.unguarded)


def above_floor(view: View[B]) -> Iterator[Breach[B]]:
    """The floor: nothing less than it leaves, is reported and is reviewed."""
    algebra = view.algebra
    for question in (REPORT, REVIEW):
        missing = algebra.without(view.floor(question), view.allowed(question))
        yield Breach(question, missing, f"there is no {question}")
    for question in _CATEGORIES:
        missing = algebra.without(view.floor(question), view.allowed(question))
        yield Breach(question, missing, "it does not leave")
        for state in (_GRANTED, *view.told_apart):
            surplus = algebra.without(view.held(state), view.floor(REVIEW, state))
            same = question == _INCIDENT
            promised = view.floor(question, state) if same else view.floor(question)
            yield Breach(question, algebra.both(promised, surplus), "a review nobody promised holds it back", state)


BY_GUARDS: Final[tuple[Law, ...]] = (
    implicated,
    suspended,
    elsewhere,
    immigration,
    signaler_identity,
    adults,
    unknown_age,
    providers,
)
BY_BUNDLE: Final[tuple[Law, ...]] = (duties_speak, duties_arrive, removing_consent)


def title(law: Law) -> str:
    """A law in words."""
    return (law.__doc__ or law.__name__).strip().removesuffix(".")


def _never(view: View[B], situation: B, says: str) -> Iterator[Breach[B]]:
    for question in _CATEGORIES:
        yield Breach(question, view.algebra.both(situation, view.unguarded(question)), says)


def _above(view: View[B], most: Callable[[str], B]) -> Iterator[Breach[B]]:
    for question in _CATEGORIES:
        yield Breach(question, view.algebra.without(most(question), view.ceiling(question)), "it is above the ceiling")
