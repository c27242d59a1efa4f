"""What happens when a reviewer takes, answers or confirms the review of a held decision?

1. A claim is one reviewer's for fifteen minutes; then another may take it. Only who holds the claim may answer.
2. A release lets leave what the hold withheld, the policy permits on the facts of this moment and the person did not
   refuse. Asking for more is
   refused, names what nobody permits, and changes nothing. What comes of a release is decided by the same code as
   everything (`domain/outcome.py`), in the transaction of the answer.
3. What no fact of the record says may be established: the policy then decides again, about everybody. What a record
   knows is not contradicted here; who revises the record does that. One person's word is enough, for what leaves then
   rests on the law's duty, whose clock has run since receipt, on danger, or on the person's own consent, and a second
   word would be waited for out of a statute's hour. Where it opens to police who somebody is, how to reach them or
   their health, another human is told at once to look at it.
4. An error is withheld or asked again. A report is leaving already: seen, it stays as it is.
5. Who a person is, how to reach them and their health go to police by release only when another reviewer confirms it;
   so does what a policy that had a part in the hold names (`@second_person`), whoever is told. Whoever does not agree
   claims the review instead, and what was proposed is forgotten.
6. An answer about facts, a revision or a bundle that are no longer so is refused; the queue shows what is held now.

Who is another reviewer is `workflow/separation.py`'s. Not promised: that what was established is true. Its rationale is
kept, sealed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from tiprouter.audit.entry import commit
from tiprouter.audit.kinds import Kind
from tiprouter.domain.established import UNKNOWN, VALUES
from tiprouter.domain.explain import facts_from
from tiprouter.domain.outcome import narrowed, reviewed
from tiprouter.domain.review import Review, releasable, second_person, twice
from tiprouter.domain.states import UNANSWERED, ReviewEvent, ReviewState, next_review_state
from tiprouter.domain.vocabulary import Category, Establishable, Outcome, RecipientKind, ReviewAnswer
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import decisions, records, reviews
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.records import Stored
from tiprouter.storage.reviews import Finding, Held, Rationale
from tiprouter.storage.vault import SealError
from tiprouter.workflow.alarm import let_another_tell
from tiprouter.workflow.assess import assess
from tiprouter.workflow.happening import Actor, Desk, Happening, happening, moment
from tiprouter.workflow.separation import Act, OnePersonError, require_another
from tiprouter.workflow.standing import require_fresh

CLAIM_FOR: Final = timedelta(minutes=15)
OPENED: Final = "fact.opened-identity"

_CAUSES: Final = {
    ReviewAnswer.RELEASE: "review.released",
    ReviewAnswer.WITHHOLD: "review.withheld",
    ReviewAnswer.ESTABLISH: "fact.established",
    ReviewAnswer.RETRY: "review.retried",
}


class TakenError(ConflictError):
    """Another reviewer has this review; it can be taken over when their claim has run out."""


class UnclaimedError(ConflictError):
    """Claim the review first: who answers it holds a claim that has not run out."""


class SettledError(ConflictError):
    """This review does not wait for that; look at it again."""


class MovedOnError(ConflictError):
    """What is held has changed since; the queue shows what is held now."""


class UnfitAnswerError(ConflictError):
    """This answer does not fit what is held."""


class SamePersonError(OnePersonError):
    """A second reviewer confirms this; you proposed it."""

    act = Act.RELEASE


@dataclass(frozen=True, slots=True)
class Said:
    """What a reviewer answers: a release has categories, what is established a fact and its value."""

    answer: ReviewAnswer
    rationale: str
    categories: tuple[Category, ...] = ()
    fact: Establishable | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A review after an answer, and the decisions that stand about its record."""

    held: Held
    decisions: tuple[Decision, ...]


def claim(tx: Transaction, desk: Desk, actor: Actor, review_id: str) -> Held:
    """Take a review (rules 1, 5). Raises `NotFoundError`, `TakenError`, `SettledError`."""
    with happening(tx, desk, actor) as it:
        held, _ = _hold(it, review_id)
        if held.state not in UNANSWERED:
            raise SettledError
        if held.state is ReviewState.CLAIMED and held.claimed_by != actor.id and _claimed(it, held):
            raise TakenError
        until = it.now + CLAIM_FOR
        state = next_review_state(held.state, ReviewEvent.CLAIM)
        forgotten: dict[str, Any] = {
            "answer": None,
            "categories": [],
            "decided_by": None,
            "decided_at": None,
            "sealed": None,
        }
        reviews.change(tx, held.id, state=state, claimed_by=actor.id, claimed_until=until, **forgotten)
        it.log(Kind.REVIEW_CLAIMED, {"review": held.id, "record": held.record_id, "until": moment(until)})
        return _again(it, held)


def decide(tx: Transaction, desk: Desk, actor: Actor, review_id: str, said: Said) -> Settled:
    """Answer a review (rules 1-6).

    Raises `NotFoundError`; `UnclaimedError`, `SettledError`, `MovedOnError` or `UnfitAnswerError`; `InvalidError` for
    what no policy permits or no vocabulary has.
    """
    with happening(tx, desk, actor, deciding=True) as it:
        held, stored = _hold(it, review_id)
        if held.state not in UNANSWERED:
            raise SettledError
        if held.state is not ReviewState.CLAIMED or held.claimed_by != actor.id or not _claimed(it, held):
            raise UnclaimedError
        decision = _decision(it, held)
        _refuse_unfit(it, decision, said)
        event = _event(decision, said, it.engine.bundle.second_person(decision.policies))
        held = _answered(it, held, event, said)
        if event is ReviewEvent.PROPOSE:
            return Settled(held, tuple(decisions.current(tx, stored.id)))
        return _settle(it, stored, held, decision)


def confirm(tx: Transaction, desk: Desk, actor: Actor, review_id: str) -> Settled:
    """Confirm what another reviewer proposed to release (rules 2, 5, 6).

    Raises `NotFoundError`; `SettledError`, `SamePersonError` or `MovedOnError`; `InvalidError`.
    """
    with happening(tx, desk, actor, deciding=True) as it:
        require_fresh(actor, it.now)
        held, stored = _hold(it, review_id)
        if held.state is not ReviewState.PROPOSED or held.answer is None:
            raise SettledError
        require_another(it, SamePersonError, held.decided_by)
        decision = _decision(it, held)
        _refuse_release(it, decision, tuple(map(Category, held.categories)))
        state = next_review_state(held.state, ReviewEvent.CONFIRM)
        reviews.change(tx, held.id, state=state, confirmed_by=actor.id, confirmed_at=it.now, warn_at=None)
        said = _about(held) | {"answer": held.answer.value, "categories": list(held.categories)}
        it.log(Kind.REVIEW_CONFIRMED, said | {"proposer": held.decided_by})
        return _settle(it, stored, _again(it, held), decision)


def _hold(it: Happening, review_id: str) -> tuple[Held, Stored]:
    """A review and its record, held: nobody else decides about the record meanwhile."""
    known = reviews.load(it.tx, review_id)
    if known is None:
        raise NotFoundError
    try:
        stored = records.load(it.tx, it.vault, known.record_id, lock=True)
    except SealError as error:
        raise MovedOnError("The record of this review cannot be read any more.") from error
    if stored is None:
        raise NotFoundError
    return _again(it, known), stored


def _again(it: Happening, held: Held) -> Held:
    """The same review as it is now."""
    found = reviews.load(it.tx, held.id)
    if found is None:
        raise NotFoundError
    return found


def _claimed(it: Happening, held: Held) -> bool:
    return held.claimed_until is not None and it.now < held.claimed_until


def _decision(it: Happening, held: Held) -> Decision:
    """What the review is about, if it still stands under the bundle in force (rule 6)."""
    decision = decisions.load(it.tx, held.decision_id)
    if decision is None or not decision.current or decision.bundle != it.engine.bundle.digest:
        raise MovedOnError
    return decision


def _refuse_unfit(it: Happening, decision: Decision, said: Said) -> None:
    match said.answer:
        case ReviewAnswer.RELEASE:
            if said.fact is not None or said.value is not None:
                raise InvalidError("A release establishes no fact.", "/fact")
            _refuse_release(it, decision, said.categories)
        case ReviewAnswer.ESTABLISH:
            if said.categories:
                raise InvalidError("Who establishes a fact releases nothing: the policy decides.", "/categories")
            _refuse_fact(decision, said)
        case ReviewAnswer.WITHHOLD | ReviewAnswer.RETRY:
            if said.categories or said.fact is not None or said.value is not None:
                raise InvalidError("This answer has neither categories nor a fact.", "/answer")
            if said.answer is ReviewAnswer.RETRY and decision.outcome is not Outcome.HOLD_ERROR:
                raise UnfitAnswerError("Only an error is asked again.")


def _refuse_release(it: Happening, decision: Decision, categories: Sequence[Category]) -> None:
    """Rule 2, on the facts of the decision; that they are still so is seen when it is decided again (`_settle`)."""
    if decision.outcome is Outcome.HOLD_ERROR:
        raise UnfitAnswerError("An error is withheld or asked again, never released.")
    if decision.outcome is not Outcome.HOLD_REVIEW or decision.facts is None:
        raise UnfitAnswerError("Everything that is permitted here is leaving already.")
    if not categories:
        raise InvalidError("A release names what it releases.", "/categories")
    facts = facts_from(decision.facts)
    held = narrowed(facts, it.engine.rule(facts))
    may = releasable(facts, held.permitted)
    for position, category in enumerate(categories):
        if category not in may:
            refused = f"The person refused {category.value}, so nobody can release it."
            nobody = f"No policy permits {category.value} here, so nobody can release it."
            why = refused if category in held.permitted else nobody
            raise InvalidError(why, f"/categories/{position}")
    outcome, _ = reviewed(facts, held, Review(ReviewAnswer.RELEASE, frozenset(categories)))
    if outcome is not Outcome.DISCLOSE:
        why = "Somebody who only signaled appears by name: signaler_identity is released too, or nothing."
        raise InvalidError(why, "/categories")


def _refuse_fact(decision: Decision, said: Said) -> None:
    """Rule 3."""
    if decision.facts is None:
        raise UnfitAnswerError("This error has no facts; it is withheld or asked again.")
    if said.fact is None:
        raise InvalidError("What is established is a fact.", "/fact")
    if decision.facts[said.fact.value] != UNKNOWN:
        raise InvalidError("This fact is known; what a record knows is changed by revising the record.", "/fact")
    if said.value not in {value.value for value in VALUES[said.fact]}:
        raise InvalidError("This is no value of that fact.", "/value")


def _event(decision: Decision, said: Said, also: frozenset[Category]) -> ReviewEvent:
    if said.answer is ReviewAnswer.RETRY:
        return ReviewEvent.RETRY
    kind = None if decision.facts is None else RecipientKind(decision.facts["recipient_kind"])
    review = Review(said.answer, frozenset(said.categories))
    return ReviewEvent.PROPOSE if kind is not None and second_person(kind, review, also) else ReviewEvent.DECIDE


def _answered(it: Happening, held: Held, event: ReviewEvent, said: Said) -> Held:
    """Store and log an answer."""
    state = next_review_state(held.state, event)
    salt, commitment = it.salted(said.rationale.encode())
    categories = [category.value for category in Category if category in said.categories]
    values: dict[str, Any] = {"answer": said.answer, "categories": categories, "decided_at": it.now}
    if event is ReviewEvent.RETRY:
        values |= {"claimed_by": None, "claimed_until": None}
    if event is ReviewEvent.DECIDE:
        values |= {"warn_at": None}
    reviews.change(it.tx, held.id, state=state, decided_by=it.actor.id, **values)
    reviews.explain(it.tx, it.vault, held, Rationale(said.rationale, salt.hex()))
    told = {"answer": said.answer.value, "categories": categories, "state": state.value, "commitment": commitment}
    it.log(Kind.REVIEW_DECIDED, _about(held) | told)
    if said.fact is not None and said.value is not None:
        _establish(it, held, said.fact, said.value, salt)
    return _again(it, held)


def _establish(it: Happening, held: Held, fact: Establishable, value: str, salt: bytes) -> None:
    """Rule 3; the log's commitment to the value opens with the rationale's salt."""
    finding = Finding(
        id=it.id("fnd"),
        record_id=held.record_id,
        person_id=held.person_id,
        recipient_id=held.recipient_id if fact is Establishable.DUTY else None,
        fact=fact,
        value=value,
        review_id=held.id,
        established_by=it.actor.id,
        established_at=it.now,
    )
    reviews.establish(it.tx, finding)
    it.log(
        Kind.FACT_ESTABLISHED,
        {
            "finding": finding.id,
            "review": held.id,
            "record": held.record_id,
            "person": held.person_id,
            "recipient": finding.recipient_id,
            "fact": fact.value,
            "commitment": commit(salt, f"{fact.value}={value}".encode()),
        },
    )


def _settle(it: Happening, stored: Stored, held: Held, was: Decision) -> Settled:
    """Decide again with the answer, and see that it is what stands (rules 2, 6)."""
    answer = held.answer
    if answer is None:
        raise SettledError
    before = decisions.current(it.tx, stored.id) if answer is ReviewAnswer.ESTABLISH else []
    assessed = assess(it, stored, _CAUSES[answer]).decisions
    let_another_tell(it, held)
    now = next(
        (one for one in assessed if (one.person_id, one.recipient_id) == (was.person_id, was.recipient_id)), None
    )
    held = _again(it, held)
    if now is None or not _took(it, held, was, now):
        # Raising undoes the answer; what was found to have changed is decided again by itself.
        raise MovedOnError
    if answer is ReviewAnswer.ESTABLISH and _named_to_police(assessed) - _named_to_police(before):
        it.tell(OPENED, held.id, held.record_id, None)
    return Settled(held, assessed)


def _named_to_police(standing: Iterable[Decision]) -> set[tuple[str, str | None]]:
    """Of whom which police are told what takes two to release (rule 5)."""
    return {
        (one.person_id, one.recipient_id)
        for one in standing
        if one.facts is not None
        and twice(RecipientKind(one.facts["recipient_kind"]), frozenset()).intersection(one.categories)
    }


def _took(it: Happening, held: Held, was: Decision, now: Decision) -> bool:
    match held.answer:
        case ReviewAnswer.RELEASE:
            return held.state is ReviewState.DECIDED and now.outcome is Outcome.DISCLOSE
        case ReviewAnswer.WITHHOLD:
            # An error stays one, and a report a report: withheld is what the one hid, seen what the other told.
            stands = (Outcome.WITHHOLD,) if was.outcome is Outcome.HOLD_REVIEW else (was.outcome,)
            return held.state is ReviewState.DECIDED and now.outcome in stands
        case ReviewAnswer.ESTABLISH:
            mine = [one for one in reviews.findings(it.tx, held.record_id) if one.review_id == held.id]
            facts = now.facts
            return facts is None or all(facts[one.fact.value] == one.value for one in mine)
        case _:
            return True


def _about(held: Held) -> dict[str, Any]:
    return {
        "review": held.id,
        "decision": held.decision_id,
        "record": held.record_id,
        "person": held.person_id,
        "recipient": held.recipient_id,
    }
