"""How can one text speak of one situation and of all of them?

1. A claim holds or does not; `&`, `|` and `~` make further claims of it. What it holds of is the algebra's: a plain
   truth of one situation, or the set of points of the whole space.
2. `Claims` are those that the decision rules speak of, in their words; nothing else of the facts is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from tiprouter.domain.explain import VOCABULARY
from tiprouter.domain.facts import Facts
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    Perceived,
    RecipientKind,
    Relationship,
    Role,
)
from tiprouter.policy.gate.algebra import Algebra
from tiprouter.policy.questions import ANY_GRANTED

B = TypeVar("B")

KNOWN_THIRD_PARTIES: Final = (
    Relationship.FAMILY_FRIEND,
    Relationship.COMMUNITY_MEMBER,
    Relationship.SERVICE_PROVIDER,
    Relationship.AUTHORITY,
)


@dataclass(frozen=True, slots=True)
class Claim(Generic[B]):
    """Rule 1. `holds` is a truth, or where it is true."""

    algebra: Algebra[B]
    holds: B

    def __and__(self, other: "Claim[B]") -> "Claim[B]":
        """Both hold."""
        return Claim(self.algebra, self.algebra.both(self.holds, other.holds))

    def __or__(self, other: "Claim[B]") -> "Claim[B]":
        """One of them holds."""
        return Claim(self.algebra, self.algebra.either(self.holds, other.holds))

    def __invert__(self) -> "Claim[B]":
        """It does not hold."""
        return Claim(self.algebra, self.algebra.negated(self.holds))


class Claims(Generic[B]):
    """Facts, as the rules speak of them (rule 2)."""

    def __init__(self, algebra: Algebra[B]) -> None:
        self._algebra = algebra
        self.never = Claim(algebra, algebra.false)

        self.police = self._is("recipient_kind", RecipientKind.LAW_ENFORCEMENT)
        self.local = self.police | self._is("recipient_kind", RecipientKind.CHILD_PROTECTION)
        self.provider = self._is("recipient_kind", RecipientKind.SERVICE_PROVIDER)
        self.usable = self._so("usable")
        self.agreement = self._so("agreement")
        self.implicated = self._so("implicated")
        self.serves_the_place = self._is("in_jurisdiction", Answer.YES)

        self.victim = self._is("role", Role.POTENTIAL_VICTIM, Role.DEPENDANT)
        self.potential_victim = self._is("role", Role.POTENTIAL_VICTIM)
        self.accused = self._is("role", Role.ALLEGED_TRAFFICKER)
        self.adult = self._is("age", AgeBand.ADULT)
        self.minor = self._is("age", AgeBand.MINOR)
        self.of_unknown_age = self._is("age", AgeBand.UNKNOWN)

        self.owed = self._is("duty", DutyState.REQUIRED)
        self.perhaps_owed = self._is("duty", DutyState.UNKNOWN)
        self.told_by_themselves = self._is("reporter", Relationship.SELF)
        self.told_by_a_third_party = self._is("reporter", *KNOWN_THIRD_PARTIES)
        self.told_by_a_professional = self._is("reporter", Relationship.SERVICE_PROVIDER, Relationship.AUTHORITY)
        self.told_by_nobody_knows_whom = self._is("reporter", Relationship.UNKNOWN)

        immediate, escalating = self._is("immediate", Answer.YES), self._is("escalating", Answer.YES)
        first_hand = self._is("perceived", Perceived.FIRST_HAND)
        self.violent = immediate | escalating
        self.imminent = immediate & escalating & first_hand & self._so("fresh")
        self.by_consent = self._is("basis", Basis.CONSENT)
        self.by_duty = self._is("basis", Basis.DUTY)
        self.by_danger = self._is("basis", Basis.DANGER)

    def consented(self, category: Category) -> Claim[B]:
        """The person granted this category."""
        return self._is(self._algebra.consent_for(category), ConsentState.GRANTED)

    def consented_to_anything(self) -> Claim[B]:
        """The person granted some category: the incident, or another one."""
        return self.consented(Category.INCIDENT) | self._so(ANY_GRANTED)

    def not_asked(self, category: Category) -> Claim[B]:
        """Nobody asked the person about this category."""
        return self._is(self._algebra.consent_for(category), ConsentState.NOT_ASKED)

    def among(self, category: Category, some: tuple[Category, ...]) -> Claim[B]:
        """The category is one of these: always so, or never."""
        return ~self.never if category in some else self.never

    def _so(self, name: str) -> Claim[B]:
        return Claim(self._algebra, self._algebra.fact(name, value=True))

    def _is(self, name: str, *values: object) -> Claim[B]:
        return Claim(self._algebra, self._algebra.is_one(name, *values))


class Truths(Algebra[bool]):
    """Plain truths of one situation: the value of every fact, and of the consent for each category.

    A truth is `true` or `false` itself, so the algebra folds every claim before `_and`, `_or` or `_not` is asked.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(true=True, false=False)
        self._values = values

    def fact(self, name: str, value: object) -> bool:
        """Whether a fact is so."""
        return bool(self._values[name] == value)

    def _and(self, *terms: bool) -> bool:
        return all(terms)

    def _or(self, *terms: bool) -> bool:
        return any(terms)

    def _not(self, term: bool) -> bool:  # noqa: FBT001 - the algebra's truths
        return not term


def claims_of(facts: Facts) -> Claims[bool]:
    """One person's facts toward one recipient, as the rules speak of them."""
    truths = Truths(values := {name: getattr(facts, name) for name in (*VOCABULARY, ANY_GRANTED)})
    values |= {truths.consent_for(category): facts.consent(category) for category in Category}
    return Claims(truths)
