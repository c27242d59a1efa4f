"""From what is a record decided about at this moment?

1. The record as it stands, its persons' consents, the reviewers' findings about it, the tables of the bundle in force,
   and this moment: together a `Situation`, from which pure code derives the facts.
2. Beside it the reviewers' answers to holds. One counts only for the very facts, revision and bundle it was given for.
3. Consents that cannot be read make everything about the record a hold (`Seen.unreadable`): a tip is never lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tiprouter.domain.consent import Consent
from tiprouter.domain.established import Established
from tiprouter.domain.facts import Facts, Situation
from tiprouter.domain.review import Review, about
from tiprouter.domain.states import ReviewState
from tiprouter.domain.vocabulary import Category
from tiprouter.storage import consents, reviews
from tiprouter.storage.records import Stored
from tiprouter.storage.reviews import Held
from tiprouter.storage.vault import SealError
from tiprouter.workflow.happening import Happening


@dataclass(frozen=True, slots=True)
class Seen:
    """A situation, the reviews of it that stand, and why its consents could not be read, if they could not."""

    situation: Situation
    bundle: str
    revision: int
    persons: Mapping[str, str]
    answers: Mapping[tuple[str, str], tuple[Held, ...]]
    unreadable: SealError | None

    def answer(self, ref: str, recipient_id: str, facts: Facts) -> Review | None:
        """The reviewer's answer about a person and a recipient, if it was given about these very facts (rule 2)."""
        given = self.answers.get((self.persons[ref], recipient_id), ())
        today = about(self.revision, facts.plain(), self.bundle) if given else ""
        for held in given:
            if held.about == today and held.answer is not None:
                return Review(held.answer, frozenset(map(Category, held.categories)))
        return None


def situation_of(it: Happening, stored: Stored) -> Seen:
    """What there is to decide from (rules 1-3)."""
    by_ref, unreadable = _consents(it, stored)
    refs = {person_id: person.ref for person, person_id in zip(stored.record.persons, stored.persons, strict=True)}
    found = tuple(
        Established(refs[one.person_id], one.fact, one.value, one.recipient_id)
        for one in (() if stored.id == it.new else reviews.findings(it.tx, stored.id))
        if one.person_id in refs
    )
    answers: dict[tuple[str, str], tuple[Held, ...]] = {}
    for held in () if stored.id == it.new else reviews.standing(it.tx, stored.id):
        if held.state is ReviewState.DECIDED:
            whom = (held.person_id, held.recipient_id)
            answers[whom] = (*answers.get(whom, ()), held)
    return Seen(
        situation=Situation(stored.record, by_ref, it.engine.bundle.protocol, it.now, found),
        bundle=it.engine.bundle.digest,
        revision=stored.revision,
        persons={ref: person_id for person_id, ref in refs.items()},
        answers=answers,
        unreadable=unreadable,
    )


def _consents(it: Happening, stored: Stored) -> tuple[dict[str, tuple[Consent, ...]], SealError | None]:
    """Each person's consents by `ref`; or none at all, and why they cannot be read (rule 3)."""
    try:
        found = consents.of_persons(it.tx, it.vault, stored.persons)
    except SealError as error:
        return {}, error
    named = zip(stored.record.persons, stored.persons, strict=True)
    return {person.ref: tuple(consent for consent, _ in found[person_id]) for person, person_id in named}, None
