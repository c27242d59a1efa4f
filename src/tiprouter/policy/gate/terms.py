"""What can an expression be, under which conditions, and when does it err?

1. A truth is true under one condition and in error under another; otherwise it is false. The two exclude each other.
2. Anything else is a choice: each constant it can be under its condition, and a condition of error; all exclude each
   other. Facts are of closed vocabularies, so that every choice is finite.
3. `&&`, `||` and `if` look no further than they must; every other operator errs when a side of it does. This is Cedar's
   order, and it matters: a policy that errs is skipped.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from tiprouter.policy.gate.algebra import Algebra
from tiprouter.policy.gate.constants import Constant, ErringError, UnmodelledError

B = TypeVar("B")

MIXED: Final = "a value that is sometimes a truth and sometimes not"


@dataclass(frozen=True, slots=True)
class Truth(Generic[B]):
    """Rule 1."""

    value: B
    error: B


@dataclass(frozen=True, slots=True)
class Choice(Generic[B]):
    """Rule 2."""

    options: tuple[tuple[Constant, B], ...]
    error: B


Value: TypeAlias = Truth[B] | Choice[B]


class Terms(Generic[B]):
    """Combines values in one algebra. Raises `UnmodelledError` where types are mixed in a way Cedar would not pass."""

    def __init__(self, algebra: Algebra[B]) -> None:
        self._algebra = algebra
        self.yes = Truth(algebra.true, algebra.false)
        self.no = Truth(algebra.false, algebra.false)

    def only(self, constant: Constant) -> Choice[B]:
        """This constant, always."""
        return Choice(((constant, self._algebra.true),), self._algebra.false)

    def single(self, value: Value[B]) -> Constant:
        """The one constant that a value always is. Raises `UnmodelledError`."""
        match value:
            case Choice(((constant, condition),), error) if condition is self._algebra.true:
                if error is self._algebra.false:
                    return constant
        raise UnmodelledError("a set with a fact in it")

    def truth(self, value: Value[B]) -> Truth[B]:
        """The value as a truth; what can only err is one."""
        if isinstance(value, Choice):
            if value.options:
                raise UnmodelledError("a condition that is no truth")
            return Truth(self._algebra.false, value.error)
        return value

    def negated(self, term: Truth[B]) -> Truth[B]:
        """`!`."""
        return Truth(self._algebra.negated(self._algebra.either(term.value, term.error)), term.error)

    def both(self, left: Truth[B], right: Truth[B]) -> Truth[B]:
        """`&&` (rule 3)."""
        algebra = self._algebra
        error = algebra.either(left.error, algebra.both(left.value, right.error))
        return Truth(algebra.both(left.value, right.value), error)

    def either(self, left: Truth[B], right: Truth[B]) -> Truth[B]:
        """`||` (rule 3)."""
        further = self.negated(left).value
        both, either = self._algebra.both, self._algebra.either
        error = either(left.error, both(further, right.error))
        return Truth(either(left.value, both(further, right.value)), error)

    def chosen(self, test: Truth[B], then: Value[B], otherwise: Value[B]) -> Value[B]:
        """`if` (rule 3)."""
        branches = [self.under(then, test.value), self.under(otherwise, self.negated(test).value)]
        return self.joined([*branches, Choice((), test.error)])

    def applied(
        self, operator: Callable[[Constant, Constant], Constant | bool], left: Value[B], right: Value[B]
    ) -> Value[B]:
        """An operator on every pair of what its two sides can be."""
        left, right = self._choice(left), self._choice(right)
        errors, truths, options = [left.error, right.error], list[tuple[bool, B]](), list[tuple[Constant, B]]()
        for one, under_one in left.options:
            for other, under_other in right.options:
                under = self._algebra.both(under_one, under_other)
                if under is self._algebra.false:
                    continue
                try:
                    result = operator(one, other)
                except ErringError:
                    errors.append(under)
                else:
                    if isinstance(result, bool):
                        truths.append((result, under))
                    else:
                        options.append((result, under))
        error = self._algebra.either(*errors)
        if not truths:
            return Choice(tuple(options), error)
        if options:
            raise UnmodelledError(MIXED)
        return Truth(self._algebra.either(*(under for holds, under in truths if holds)), error)

    def compared(self, left: Truth[B], right: Truth[B]) -> Truth[B]:
        """`==` of two truths."""
        algebra = self._algebra
        error = algebra.either(left.error, right.error)
        neither = algebra.both(algebra.negated(left.value), algebra.negated(right.value))
        same = algebra.either(algebra.both(left.value, right.value), neither)
        return Truth(algebra.without(same, error), error)

    def under(self, value: Value[B], condition: B) -> Value[B]:
        """The value where the condition holds, and nothing elsewhere."""
        both = self._algebra.both
        if isinstance(value, Truth):
            return Truth(both(value.value, condition), both(value.error, condition))
        options = tuple((constant, both(under, condition)) for constant, under in value.options)
        return Choice(options, both(value.error, condition))

    def joined(self, values: Iterable[Value[B]]) -> Value[B]:
        """Values whose conditions exclude each other, as one. What can only err fits to either type."""
        truths: list[Truth[B]] = []
        choices: list[Choice[B]] = []
        for value in values:
            if isinstance(value, Truth):
                truths.append(value)
            else:
                choices.append(value)
        error = self._algebra.either(*(truth.error for truth in truths), *(choice.error for choice in choices))
        options = tuple(option for choice in choices for option in choice.options)
        if not truths:
            return Choice(options, error)
        if options:
            raise UnmodelledError(MIXED)
        return Truth(self._algebra.either(*(truth.value for truth in truths)), error)

    @staticmethod
    def _choice(value: Value[B]) -> Choice[B]:
        if isinstance(value, Truth):
            raise UnmodelledError("a truth where a word is meant")
        return value
