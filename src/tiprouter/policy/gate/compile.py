"""What does a Cedar policy say, in any boolean algebra?

1. Cedar's JSON tree is evaluated symbolically (`terms`): its value and the condition under which it errs.
2. A policy that errs is skipped by Cedar: it is not satisfied, and that it erred is told.
3. The action of a question is known, so its groups are constants. Attributes are those of the one recipient, the one
   person and the consent that `questions` gives; those of any other entity err, because it is in no request.
4. What is not modelled is refused with file, line and reason, never passed over: records, templates, `like`, tags,
   extension functions, sets of facts.
5. `any_granted` holds where the consent that is asked with is granted, or a fact of its own says that another is: so
   no point speaks of a consent that is granted by nobody.

Source: Cedar's JSON policy format (docs.cedarpolicy.com/policies/json-format.html).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from tiprouter.domain.vocabulary import ConsentState
from tiprouter.policy.annotations import Effect
from tiprouter.policy.gate.algebra import Algebra
from tiprouter.policy.gate.constants import OPERATORS, SIGNED, UnmodelledError, constant_of, entity
from tiprouter.policy.gate.terms import Choice, Terms, Truth, Value
from tiprouter.policy.layers import Policy
from tiprouter.policy.questions import ANY_GRANTED, CONSENT, FACT_TYPES, FIELDS, PERSON, RECIPIENT, REVIEW, WORDS
from tiprouter.policy.refusal import BundleError

B = TypeVar("B")
Tree: TypeAlias = Mapping[str, Any]

_ENTITIES = {entity(*RECIPIENT): "principal", entity(*PERSON): "resource"}
_DIRECT = ({"Var": "resource"}, {"Var": "principal"}, {"Var": "context"})
_ANYTHING = {"op": "All"}
_VARIABLES = {variable: constant for constant, variable in _ENTITIES.items()}


@dataclass(frozen=True, slots=True)
class Compiled(Generic[B]):
    """One policy for one question: satisfied under `value`, skipped in error under `error`."""

    id: str
    effect: Effect
    value: B
    error: B


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and which fact its consent is: a name for `Algebra.fact`, or a state that is given.

    `any_granted` says whether another category is granted, where that is given (rule 5).
    """

    question: str
    consent: str = CONSENT
    given: object = None
    any_granted: bool | None = None


def allowed(algebra: Algebra[B], compiled: Iterable[Compiled[B]]) -> B:
    """Cedar's decision: some permit and no forbid is satisfied; what errs is skipped."""
    policies = list(compiled)
    permits = algebra.either(*(policy.value for policy in policies if policy.effect is Effect.PERMIT))
    return algebra.without(permits, forbidden(algebra, policies))


def forbidden(algebra: Algebra[B], compiled: Iterable[Compiled[B]]) -> B:
    """Some forbid is satisfied."""
    return algebra.either(*(policy.value for policy in compiled if policy.effect is Effect.FORBID))


class Compiler(Generic[B]):
    """Compiles policies into one algebra, and remembers what it compiled: questions share most of it."""

    def __init__(self, algebra: Algebra[B]) -> None:
        self.algebra = algebra
        self.terms = Terms(algebra)
        self._values: dict[tuple[object, ...], Value[B]] = {}
        # With each node itself: what is remembered by identity must stay alive.
        self._reads: dict[int, tuple[Tree, frozenset[str]]] = {}

    def question(self, policies: Iterable[Policy], asked: Asked) -> list[Compiled[B]]:
        """Every policy, asked this question. Raises `BundleError` for what is not modelled (rule 4)."""
        return [self._policy(policy, asked) for policy in policies]

    def remembered(self, node: Tree, asked: Asked, make: Callable[[Tree], Value[B]]) -> Value[B]:
        """The value of an expression, made once for all questions that cannot tell it apart."""
        variables = self._variables(node)
        action = asked.question if "action" in variables else None
        context = (asked.consent, asked.given, asked.any_granted, asked.question == REVIEW)
        key = (id(node), action, context if "context" in variables else None)
        if key not in self._values:
            self._values[key] = make(node)
        return self._values[key]

    def _variables(self, node: Tree) -> frozenset[str]:
        """The Cedar variables that an expression reads."""
        known = self._reads.get(id(node))
        if known is not None:
            return known[1]
        found = frozenset({node["Var"]}) if isinstance(node.get("Var"), str) else frozenset()
        for child in node.values():
            children = child if isinstance(child, list) else [child]
            found = found.union(*[self._variables(one) for one in children if isinstance(one, dict)])
        self._reads[id(node)] = (node, found)
        return found

    def _policy(self, policy: Policy, asked: Asked) -> Compiled[B]:
        try:
            truth = _Asking(self, asked).policy(policy.tree)
        except (UnmodelledError, RecursionError) as error:
            reason = str(error) if isinstance(error, UnmodelledError) else "so deep a nesting"
            raise BundleError(
                policy.file, policy.line, f"{policy.note.id}: the gate does not model {reason}, so it proves nothing"
            ) from error
        return Compiled(policy.note.id, policy.note.effect, truth.value, truth.error)


class _Asking(Generic[B]):
    """Compiles for one question."""

    def __init__(self, compiler: Compiler[B], asked: Asked) -> None:
        self._compiler = compiler
        self._asked = asked
        self._algebra = compiler.algebra
        self._terms = compiler.terms

    def policy(self, tree: Tree) -> Truth[B]:
        """Scope and conditions, in Cedar's order (rule 2)."""
        found = self._terms.yes
        for variable in ("principal", "action", "resource"):
            if tree[variable] != _ANYTHING:
                found = self._terms.both(found, self._scope(variable, tree[variable]))
        if found.value is self._algebra.false:
            return found  # the question is none of this policy's, and no scope can err
        for condition in tree["conditions"]:
            truth = self._truth(condition["body"])
            match condition["kind"]:
                case "when":
                    found = self._terms.both(found, truth)
                case "unless":
                    found = self._terms.both(found, self._terms.negated(truth))
                case kind:
                    raise UnmodelledError(f"the clause {kind}")
        return found

    def _scope(self, variable: str, scope: Tree) -> Truth[B]:
        here = self._variable(variable)
        match scope:
            case {"op": "==" | "in" as operator, "entity": one}:
                return self._tested(operator, here, self._terms.only(entity(one["type"], one["id"])))
            case {"op": "in", "entities": several}:
                members = frozenset(entity(one["type"], one["id"]) for one in several)
                return self._tested("in", here, self._terms.only(("set", members)))
            case {"op": "is", "entity_type": kind, **rest}:
                found = self._tested("is", here, self._terms.only(("type", kind)))
                return self._terms.both(found, self._scope(variable, {"op": "in", **rest["in"]})) if rest else found
            case _:
                raise UnmodelledError(f"the scope of {variable}")

    def _value(self, node: Tree) -> Value[B]:
        return self._compiler.remembered(node, self._asked, self._made)

    def _made(self, node: Tree) -> Value[B]:
        ((operator, body),) = node.items()
        for kind in (self._leaf, self._logic, self._operated):
            found = kind(operator, body)
            if found is not None:
                return found
        raise UnmodelledError(f"the operator {operator}")

    def _leaf(self, operator: str, body: Any) -> Value[B] | None:  # noqa: ANN401 - JSON of any shape
        """A literal, a variable, a set or an attribute."""
        match operator:
            case "Value":
                truth = self._terms.yes if body else self._terms.no
                return truth if isinstance(body, bool) else self._terms.only(constant_of(body))
            case "Var":
                return self._variable(body)
            case "Set":
                members = frozenset(self._terms.single(self._value(member)) for member in body)
                return self._terms.only(("set", members))
            case "." | "has":
                return self._attribute(body["left"], body["attr"], asked=operator == "has")
        return None

    def _logic(self, operator: str, body: Tree) -> Value[B] | None:
        """What looks no further than it must, and negation."""
        terms = self._terms
        match operator:
            case "!":
                return terms.negated(self._truth(body["arg"]))
            case "&&":
                return terms.both(self._truth(body["left"]), self._truth(body["right"]))
            case "||":
                return terms.either(self._truth(body["left"]), self._truth(body["right"]))
            case "if-then-else":
                return terms.chosen(self._truth(body["if"]), self._value(body["then"]), self._value(body["else"]))
        return None

    def _operated(self, operator: str, body: Tree) -> Value[B] | None:
        """Everything that looks at all its sides."""
        terms = self._terms
        if operator == "is":
            return self._is(body)
        if operator in SIGNED:
            return terms.applied(lambda one, _: SIGNED[operator](one), self._value(body["arg"]), terms.only(()))
        if operator not in OPERATORS:
            return None
        left, right = self._value(body["left"]), self._value(body["right"])
        if operator in ("==", "!=") and isinstance(left, Truth):
            same = terms.compared(left, terms.truth(right))
            return same if operator == "==" else terms.negated(same)
        return terms.applied(OPERATORS[operator], left, right)

    def _variable(self, variable: str) -> Choice[B]:
        if variable == "action":
            return self._terms.only(entity("Action", self._asked.question))
        if variable not in _VARIABLES:
            raise UnmodelledError(f"{variable} as a whole")
        return self._terms.only(_VARIABLES[variable])

    def _attribute(self, left: Tree, attribute: str, *, asked: bool) -> Value[B]:
        """An attribute's value, or whether there is one (rule 3)."""
        if left in _DIRECT:
            return self._fact(left["Var"], attribute, asked=asked)
        found = self._value(left)
        if isinstance(found, Truth):
            raise UnmodelledError("an attribute of a truth")
        parts: list[Value[B]] = [Choice((), found.error)]
        for constant, condition in found.options:
            if constant[0] != "entity":
                raise UnmodelledError("an attribute of what is no entity")
            if constant in _ENTITIES:
                parts.append(self._terms.under(self._fact(_ENTITIES[constant], attribute, asked=asked), condition))
            else:
                parts.append(self._terms.no if asked else Choice((), condition))
        return self._terms.joined(parts)

    def _fact(self, variable: str, attribute: str, *, asked: bool) -> Value[B]:
        known = (variable, attribute) in FIELDS and (attribute != ANY_GRANTED or self._asked.question == REVIEW)
        if asked:
            return self._terms.yes if known else self._terms.no
        if (variable, attribute) not in FIELDS:
            raise UnmodelledError(f"{variable}.{attribute}, which is no fact")
        field, kind = FIELDS[variable, attribute], FACT_TYPES[variable, attribute]
        never = self._algebra.false
        if field == ANY_GRANTED:
            return Truth(self._any_granted(), never)
        if kind == "Bool":
            return Truth(self._algebra.fact(field, value=True), never)
        if field == CONSENT and self._asked.given is not None:
            return self._terms.only(entity(kind, str(self._asked.given)))
        name = self._asked.consent if field == CONSENT else field
        return Choice(tuple((entity(kind, word.value), self._algebra.fact(name, word)) for word in WORDS[kind]), never)

    def _any_granted(self) -> B:
        """Rule 5."""
        asked, algebra, granted = self._asked, self._algebra, ConsentState.GRANTED
        if asked.any_granted or asked.given is granted:
            return algebra.true
        own = algebra.false if asked.given is not None else algebra.fact(asked.consent, granted)
        return own if asked.any_granted is False else algebra.either(own, algebra.fact(ANY_GRANTED, value=True))

    def _is(self, body: Tree) -> Truth[B]:
        found = self._tested("is", self._value(body["left"]), self._terms.only(("type", body["entity_type"])))
        if "in" not in body:
            return found
        return self._terms.both(found, self._tested("in", self._value(body["left"]), self._value(body["in"])))

    def _truth(self, node: Tree) -> Truth[B]:
        return self._terms.truth(self._value(node))

    def _tested(self, operator: str, left: Value[B], right: Value[B]) -> Truth[B]:
        return self._terms.truth(self._terms.applied(OPERATORS[operator], left, right))
