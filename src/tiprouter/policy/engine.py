"""What does a bundle answer about one person and one recipient?

1. The answer depends on the facts and the bundle alone, so answers are remembered, a bounded number of them. So is what
   Cedar said of each policy (`memory`): it is not asked again what it has said of every policy in question for facts
   that are the same to that policy. Failures are not remembered.
2. Cedar skips a policy that errs, so a guard that errs would open the door. Any error, no decision, a policy nobody
   knows, an answer its own policies do not explain, or any failure to ask: nothing is permitted, and `errors` says of
   which class it was, never in the engine's words.
3. The determining policies are the permits of what is allowed. When nothing at all is, they are the forbids that
   matched; none means that nothing permitted it. A duty with nothing permitted names the forbids that blocked it too.
4. On facts that are asked for the first time, every answer, put together or Cedar's of this moment, is compared with a
   second opinion on these very facts, which reads the same policies without Cedar: the decision and its determining
   policies. Any difference, or a policy it cannot read, is an error like those of rule 2, and ends all remembering so
   far.
5. Obligations are those of the determining permits: all spans (the earliest wins later), a call where one demands it,
   the most protective notice.
6. The slices of the duty rows that the facts name are asked beside the bundle; a row that it does not have is an error.

Not promised: an answer when the engine itself dies (a Rust panic is no `Exception`). It then rises through the
caller, and no transaction commits.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cedarpy

from tiprouter.domain.facts import Facts
from tiprouter.domain.outcome import Notice, Ruling
from tiprouter.domain.vocabulary import Category
from tiprouter.policy.annotations import Effect, PolicyNote
from tiprouter.policy.bundle import Bundle, policy_set
from tiprouter.policy.gate.opinion import SecondOpinion
from tiprouter.policy.layers import Policy
from tiprouter.policy.memory import SAYINGS_MAX, Answer, Memory, Question, Seen, in_question, seen_in
from tiprouter.policy.questions import QUESTIONS, REPORT, REVIEW, entities_for, request_for
from tiprouter.policy.refusal import BundleError
from tiprouter.policy.spans import spelled

NO_DECISION: Final = "no-decision"
POLICY_ERROR: Final = "policy-error"
UNKNOWN_POLICY: Final = "unknown-policy"
UNEXPLAINED: Final = "unexplained"
ENGINE_FAILURE: Final = "engine-failure"
SECOND_OPINION: Final = "second-opinion"

_ERRING = re.compile(r"error while evaluating policy `([^`]+)`")
_NOTICES = tuple(Notice)
ASKED_MAX: Final = 512
"""So many combinations of slices are kept ready."""


@dataclass(frozen=True, slots=True)
class Stats:
    """How often a ruling was remembered; `size` of at most `limit` rulings are.

    `sayings` are what is remembered of what Cedar said about single policies.
    """

    hits: int
    misses: int
    size: int
    limit: int
    sayings: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """A bundle with the slices of some duty rows: what Cedar is asked, and what its policies say of themselves.

    `policies` are by the place of the question.
    """

    policies: Sequence[cedarpy.PolicySet]
    notes: Mapping[str, PolicyNote]
    questions: Sequence[Question]
    second: SecondOpinion | None


class _RefusedError(Exception):
    """Cedar answered, but not in a way that may be acted on; the arguments are error classes."""


class Engine:
    """Asks one bundle. Safe to share between threads."""

    def __init__(
        self, bundle: Bundle, cache_size: int = 65536, *, second_opinion: bool = True, sayings: int = SAYINGS_MAX
    ) -> None:
        """Room for `cache_size` rulings, and for so many `sayings` of Cedar about each policy; 0 remembers none."""
        self._bundle = bundle
        self._memory = Memory(sayings)
        self._questions = self._memory.questions(bundle.policies)
        self._second = _second(bundle.policies) if second_opinion else None
        self._doubting = second_opinion
        self._earlier = bundle.parsed.earlier
        self._asked = lru_cache(maxsize=ASKED_MAX)(self._prepare)
        self._remembered = lru_cache(maxsize=cache_size)(self._ask)

    @property
    def bundle(self) -> Bundle:
        """The bundle that is asked."""
        return self._bundle

    def rule(self, facts: Facts) -> Ruling:
        """The ruling on these facts; never raises (rules 1-5)."""
        try:
            return self._remembered(facts)
        except _RefusedError as refused:
            return _failed(refused.args)
        except Exception:  # noqa: BLE001 - whatever failed, the answer is that nothing leaves and a human is told
            return _failed((ENGINE_FAILURE,))

    def suppose(self, facts: Facts) -> Ruling:
        """The ruling on facts that are only supposed, by the second opinion alone: for explaining, never for deciding.

        A fraction of the cost of `rule`, and nothing of it is remembered.
        """
        try:
            asked = self._asked(facts.rows)
        except _RefusedError as refused:
            return _failed(refused.args)
        if asked.second is None:
            return self.rule(facts)
        opinions = asked.second.answers(facts)
        erring = {policy for opinion in opinions for policy in opinion.errors}
        if erring:
            return _failed([f"{POLICY_ERROR}:{policy}" for policy in sorted(erring)])
        answers = [Answer(opinion.allowed, tuple(opinion.policies)) for opinion in opinions]
        return ruling_of(dict(zip(QUESTIONS, answers, strict=True)), asked.notes)

    def stats(self) -> Stats:
        """What the memory did so far."""
        info = self._remembered.cache_info()
        return Stats(info.hits, info.misses, info.currsize, info.maxsize or 0, self._memory.size())

    def forget(self) -> None:
        """Nothing that was answered is remembered any more."""
        self._remembered.cache_clear()
        self._memory.forget()

    def _prepare(self, rows: tuple[str, ...]) -> _Asked:
        """Rule 6."""
        bundle = self._bundle
        if not bundle.slices.keys() >= set(rows):
            raise _RefusedError(UNKNOWN_POLICY)
        slices = [bundle.slices[row] for row in dict.fromkeys(rows)]
        more = self._memory.questions(slices)
        return _Asked(
            policies=[self._set(question, slices) for question in QUESTIONS],
            notes={**bundle.notes, **{policy.note.id: policy.note for policy in slices}},
            questions=[ours.beside(theirs) for ours, theirs in zip(self._questions, more, strict=True)],
            second=self._second.beside(slices) if self._second is not None else None,
        )

    def _set(self, question: str, slices: Sequence[Policy]) -> cedarpy.PolicySet:
        """What Cedar is asked: the bundle as it was read, or with the slices that are in question all that are.

        A policy that is not in question is never satisfied and never errs, and reading a whole bundle takes a while.
        """
        if not any(in_question(policy.tree, question) for policy in slices):
            return self._bundle.parsed.policies
        policies = (*self._bundle.policies, *slices)
        return policy_set([policy for policy in policies if in_question(policy.tree, question)])

    def _ask(self, facts: Facts) -> Ruling:
        asked, seen = self._asked(facts.rows), seen_in(facts)
        recalled = [question.recalled(each) for question, each in zip(asked.questions, seen, strict=True)]
        missing = [place for place, answer in enumerate(recalled) if answer is None]
        results = self._put(asked, facts, seen, missing) if missing else {}
        faults = {fault for result in results.values() for fault in _faults(result, asked.notes)}
        if faults:
            raise _RefusedError(*sorted(faults))
        told = {place: Answer(one.allowed, tuple(one.diagnostics.reasons)) for place, one in results.items()}
        answers = [answer or told[place] for place, answer in enumerate(recalled)]
        if self._doubting and not _agreed(asked.second, facts, answers):
            self._memory.forget()
            raise _RefusedError(SECOND_OPINION)
        for place, answer in told.items():
            asked.questions[place].remember(seen[place], answer)
        return ruling_of(dict(zip(QUESTIONS, answers, strict=True)), asked.notes)

    def _put(
        self, asked: _Asked, facts: Facts, seen: Sequence[Seen], places: Iterable[int]
    ) -> Mapping[int, cedarpy.AuthzResult]:
        """Cedar's results of the questions at these places, asked together where they are about the same policies."""
        schema = self._bundle.parsed.schema
        entities = cedarpy.Entities.from_json_str(entities_for(facts), schema)
        told = None if self._earlier else facts.any_granted
        together: dict[int, list[int]] = {}
        for place in places:
            together.setdefault(id(asked.policies[place]), []).append(place)
        found: dict[int, cedarpy.AuthzResult] = {}
        for some in together.values():
            requests = [request_for(QUESTIONS[place], seen[place].consent, any_granted=told) for place in some]
            results = cedarpy.is_authorized_batch(requests, asked.policies[some[0]], entities, schema)
            found.update(zip(some, results, strict=True))
        return found


def _agreed(second: SecondOpinion | None, facts: Facts, answers: Sequence[Answer]) -> bool:
    """Rule 4."""
    if second is None:
        return False
    return all(
        (answer.allowed, frozenset(answer.policies), frozenset()) == (other.allowed, other.policies, other.errors)
        for answer, other in zip(answers, second.answers(facts), strict=True)
    )


def _second(policies: Iterable[Policy]) -> SecondOpinion | None:
    """The second opinion; None when it cannot read a policy, so that nothing is decided at all."""
    try:
        return SecondOpinion(policies)
    except BundleError:
        return None


def _failed(errors: Sequence[str]) -> Ruling:
    return Ruling(permitted=frozenset(), report=False, review=False, policies=(), errors=tuple(errors))


def _faults(result: cedarpy.AuthzResult, notes: Mapping[str, PolicyNote]) -> Iterable[str]:
    """The classes of everything that forbids acting on one answer (rule 2)."""
    if result.decision is cedarpy.Decision.NoDecision:
        yield NO_DECISION
        return
    for error in result.diagnostics.errors:
        found = _ERRING.match(error)
        named = found is not None and found.group(1) in notes
        yield f"{POLICY_ERROR}:{found.group(1)}" if found is not None and named else POLICY_ERROR
    reasons = result.diagnostics.reasons
    if not notes.keys() >= set(reasons):
        yield UNKNOWN_POLICY
        return
    effect = Effect.PERMIT if result.allowed else Effect.FORBID
    if any(notes[reason].effect is not effect for reason in reasons) or (result.allowed and not reasons):
        yield UNEXPLAINED


def ruling_of(answers: Mapping[str, Answer], notes: Mapping[str, PolicyNote]) -> Ruling:
    """The ruling that the answers to all questions make (rules 3, 5)."""
    permitted = frozenset(category for category in Category if answers[category.value].allowed)
    permits = {policy for answer in answers.values() if answer.allowed for policy in answer.policies}
    determining = set(permits)
    if not permits:
        determining = {policy for answer in answers.values() for policy in answer.policies}
    elif answers[REPORT].allowed and not permitted:
        determining |= {policy for category in Category for policy in answers[category.value].policies}
    deadlines = {notes[policy].deadline for policy in permits}
    spans = {notes[policy].written for policy in permits}
    notices = [notes[policy].notify_subject or Notice.NOT_REQUIRED for policy in permits]
    return Ruling(
        permitted=permitted,
        report=answers[REPORT].allowed,
        review=answers[REVIEW].allowed,
        policies=tuple(sorted(determining)),
        within=tuple(sorted(span for span in deadlines if span is not None)),
        written=tuple(sorted((span for span in spans if span is not None), key=spelled)),
        call=any(channel.spoken for policy in permits if (channel := notes[policy].channel)),
        notice=max(notices, key=_NOTICES.index, default=Notice.NOT_REQUIRED),
    )
