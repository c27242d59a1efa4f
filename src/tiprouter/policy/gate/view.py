"""What does a bundle answer, as conditions over all facts?

1. One algebra, one compilation: the same statements are made about bit sets and about z3's terms.
2. `released` is what really leaves: permitted, and not held back by a review without a report (`domain.outcome`).
3. A statement speaks of the consent for one question's category; where another's matters (the review's), it is given,
   and so may be whether any category beside the incident is granted (`besides`).
"""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Generic, TypeAlias, TypeVar

from tiprouter.domain.vocabulary import Answer, Category, ConsentState, Perceived, RecipientKind, Role
from tiprouter.policy.annotations import Layer
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate.algebra import Algebra
from tiprouter.policy.gate.compile import Asked, Compiled, Compiler, allowed, forbidden
from tiprouter.policy.layers import Policy
from tiprouter.policy.questions import REPORT, REVIEW, asked_with

B = TypeVar("B")
Given: TypeAlias = tuple[Layer | None, str, ConsentState | None, bool | None]


class View(Generic[B]):
    """A bundle's answers in one algebra. Raises `BundleError` for what the gate does not model."""

    def __init__(self, bundle: Bundle, algebra: Algebra[B]) -> None:
        self.bundle = bundle
        self.algebra = algebra
        self._compiler = Compiler(algebra)
        self._known: dict[Given, tuple[Sequence[Compiled[B]], B]] = {}
        self._guards = frozenset(policy.note.id for policy in bundle.policies if policy.note.layer is Layer.GUARDS)

    def compiled(
        self, question: str, given: ConsentState | None = None, *, besides: bool | None = None
    ) -> Sequence[Compiled[B]]:
        """Every deciding policy, asked this question; `besides` says whether another category is granted (rule 3)."""
        return self._ask(None, question, given, besides=besides)[0]

    def further(self, policies: Sequence[Policy], question: str) -> Sequence[Compiled[B]]:
        """Policies that are none of the bundle's, asked this question in the same terms."""
        return self._compiler.question(policies, Asked(question, self.algebra.consent_for(asked_with(question))))

    def allowed(self, question: str, given: ConsentState | None = None, *, besides: bool | None = None) -> B:
        """The bundle says yes."""
        return self._ask(None, question, given, besides=besides)[1]

    def ceiling(self, question: str) -> B:
        """The ceiling says yes: this much may leave."""
        return self._ask(Layer.CEILING, question)[1]

    def floor(self, question: str, given: ConsentState | None = None) -> B:
        """The floor says yes: this much must be."""
        return self._ask(Layer.FLOOR, question, given)[1]

    def unguarded(self, question: str) -> B:
        """No guard forbids it: what could leave if everything were permitted."""
        guards = (policy for policy in self.compiled(question) if policy.id in self._guards)
        return self.algebra.negated(forbidden(self.algebra, guards))

    def unforbidden(self, question: str) -> B:
        """Nothing of any layer forbids it."""
        return self.algebra.negated(forbidden(self.algebra, self.compiled(question)))

    def held(self, given: ConsentState, *, besides: bool | None = None) -> B:
        """A review without a report holds everything back, with these consents (rules 2, 3)."""
        return self.algebra.without(self.allowed(REVIEW, given, besides=besides), self.allowed(REPORT, given))

    def consent(self, question: str, *states: ConsentState) -> B:
        """The consent that the question sees is one of these."""
        return self.algebra.is_one(self.algebra.consent_for(asked_with(question)), *states)

    @cached_property
    def told_apart(self) -> tuple[ConsentState, ...]:
        """The states other than granted that the policies can tell apart: those they name, and one they do not.

        A policy knows a state only by comparing it with one that it names, so all unnamed states are decided alike.
        """
        bundle = self.bundle
        text = json.dumps([policy.tree for policy in (*bundle.policies, *bundle.ceiling, *bundle.floor)])
        entity = '{{"type": "Consent", "id": "{}"}}'
        states = [state for state in ConsentState if state is not ConsentState.GRANTED]
        named = [state for state in states if entity.format(state.value) in text]
        return (*named, *[state for state in states if state not in named][:1])

    def is_one(self, fact: str, *values: object) -> B:
        """A fact is one of these values."""
        return self.algebra.is_one(fact, *values)

    def victim(self) -> B:
        """The person is somebody whose childhood makes a duty."""
        return self.is_one("role", Role.POTENTIAL_VICTIM, Role.DEPENDANT)

    def accused(self) -> B:
        """The person is an alleged trafficker."""
        return self.is_one("role", Role.ALLEGED_TRAFFICKER)

    def imminent(self) -> B:
        """Rule 6 of the decision, toward the police."""
        return self.algebra.both(
            self.is_one("recipient_kind", RecipientKind.LAW_ENFORCEMENT),
            self.is_one("immediate", Answer.YES),
            self.is_one("escalating", Answer.YES),
            self.is_one("perceived", Perceived.FIRST_HAND),
            self.is_one("fresh", True),  # noqa: FBT003 - a fact's value
        )

    def open(self) -> B:
        """The recipient may be told at all."""
        local = self.is_one("recipient_kind", RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION)
        elsewhere = self.algebra.without(local, self.is_one("in_jurisdiction", Answer.YES))
        told = (self.is_one("usable", True), self.is_one("implicated", False))  # noqa: FBT003 - facts' values
        return self.algebra.without(self.algebra.both(*told), elsewhere)

    def _ask(
        self, promise: Layer | None, question: str, given: ConsentState | None = None, *, besides: bool | None = None
    ) -> tuple[Sequence[Compiled[B]], B]:
        key = (promise, question, given, besides)
        if key not in self._known:
            promises = {Layer.CEILING: self.bundle.ceiling, Layer.FLOOR: self.bundle.floor}
            policies = self.bundle.policies if promise is None else promises[promise]
            asked = Asked(question, self.algebra.consent_for(asked_with(question)), given, besides)
            compiled = self._compiler.question(policies, asked)
            self._known[key] = (compiled, allowed(self.algebra, compiled))
        return self._known[key]


def minimum(question: str) -> bool:
    """Whether a category is of the minimum: incident and location."""
    return question in (Category.INCIDENT, Category.LOCATION)
