"""What are conditions made of, and how do they combine?

1. A back end says what "always", "never", "and", "or", "not" and "this fact has this value" are: bit sets, z3 terms,
   Python functions. Nothing else of it is known here.
2. What is always or never so is folded away by identity before the back end sees it, so that a question's constants
   cost nothing.
"""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from tiprouter.domain.vocabulary import Category
from tiprouter.policy.questions import CONSENT

B = TypeVar("B")


class Algebra(ABC, Generic[B]):
    """A boolean algebra over the facts. `true` and `false` are made once: they are known by identity."""

    def __init__(self, true: B, false: B) -> None:
        self.true = true
        self.false = false

    @abstractmethod
    def fact(self, name: str, value: object) -> B:
        """A field of `Facts`, or a consent by the name of `consent_for`, has this value."""

    def consent_for(self, category: Category) -> str:
        """The name of the fact that is the consent for one category."""
        return f"{CONSENT}.{category.value}"

    @abstractmethod
    def _and(self, *terms: B) -> B: ...

    @abstractmethod
    def _or(self, *terms: B) -> B: ...

    @abstractmethod
    def _not(self, term: B) -> B: ...

    def both(self, *terms: B) -> B:
        """Every term holds; `true` of none."""
        kept = []
        for term in terms:
            if term is self.false:
                return self.false
            if term is not self.true:
                kept.append(term)
        return self._and(*kept) if len(kept) > 1 else kept[0] if kept else self.true

    def either(self, *terms: B) -> B:
        """Some term holds; `false` of none."""
        kept = []
        for term in terms:
            if term is self.true:
                return self.true
            if term is not self.false:
                kept.append(term)
        return self._or(*kept) if len(kept) > 1 else kept[0] if kept else self.false

    def negated(self, term: B) -> B:
        """The term does not hold."""
        if term is self.true:
            return self.false
        return self.true if term is self.false else self._not(term)

    def without(self, term: B, other: B) -> B:
        """The first term holds and the second does not."""
        return self.both(term, self.negated(other))

    def is_one(self, name: str, *values: object) -> B:
        """A fact has one of the values."""
        return self.either(*(self.fact(name, value) for value in values))
