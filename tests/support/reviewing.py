"""Reviewers at work, by name, on a real service."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tests.support.fictional import BLAMELESS, grant, person, tip
from tests.support.service import Service
from tiprouter.domain.record import Record
from tiprouter.domain.states import ReviewState
from tiprouter.domain.vocabulary import Category, Establishable, Grantor, RecipientKind, ReviewAnswer, Role
from tiprouter.storage.reviews import Filter, Held
from tiprouter.workflow import review_reading, reviewing
from tiprouter.workflow.consenting import Given, Whose
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.review_queue import tell_of_late_reviews
from tiprouter.workflow.review_reading import Item
from tiprouter.workflow.reviewing import Said, Settled

ANNA: Final = Actor("cal_reviewer_one", "reviewer")
BERT: Final = Actor("cal_reviewer_two", "reviewer")
WHY: Final = "Zyxwv-Marker-Secret: a fictional reason"
LE: Final = RecipientKind.LAW_ENFORCEMENT
WITNESS: Final = tip(person("p1", years=15, role=Role.WITNESS, guardians=BLAMELESS))
"""A child who only saw it: whatever anybody consented to, a human looks first."""


def release(*categories: Category) -> Said:
    """The release of these."""
    return Said(ReviewAnswer.RELEASE, WHY, categories)


def establish(fact: Establishable, value: str) -> Said:
    """A fact established."""
    return Said(ReviewAnswer.ESTABLISH, WHY, fact=fact, value=value)


WITHHOLD: Final = Said(ReviewAnswer.WITHHOLD, WHY)
RETRY: Final = Said(ReviewAnswer.RETRY, WHY)


@dataclass
class Reviewers:
    """What reviewers do, on one service."""

    service: Service

    async def queue(self, state: ReviewState | None = None, due: datetime | None = None) -> list[Held]:
        """What waits, in its order."""
        desk, wanted = self.service.desk, Filter(state, due)
        page = await self.service.database.write(
            lambda tx: review_reading.list_reviews(tx, desk, ANNA, wanted, None, 200)
        )
        return [held for held, _ in page.items]

    async def only(self) -> Held:
        """The one review that waits."""
        (held,) = await self.queue()
        return held

    async def read(self, review_id: str, actor: Actor = ANNA) -> Item:
        """One review."""
        return await self.service.database.write(
            lambda tx: review_reading.review(tx, self.service.desk, actor, review_id)
        )

    async def claim(self, review_id: str, actor: Actor = ANNA) -> Held:
        """Take a review."""
        return await self.service.database.write(lambda tx: reviewing.claim(tx, self.service.desk, actor, review_id))

    async def decide(self, review_id: str, said: Said, actor: Actor = ANNA) -> Settled:
        """Answer a review."""
        return await self.service.database.write(
            lambda tx: reviewing.decide(tx, self.service.desk, actor, review_id, said)
        )

    async def answer(self, said: Said, actor: Actor = ANNA) -> Settled:
        """Take and answer the one review that waits."""
        held = await self.only()
        await self.claim(held.id, actor)
        return await self.decide(held.id, said, actor)

    async def confirm(self, review_id: str, actor: Actor = BERT) -> Settled:
        """Confirm a proposal."""
        return await self.service.database.write(lambda tx: reviewing.confirm(tx, self.service.desk, actor, review_id))

    async def tell(self) -> int:
        """The chore that tells of late reviews."""
        return await self.service.database.write(lambda tx: tell_of_late_reviews(tx, self.service.desk))

    async def outcomes(self) -> list[str]:
        """The outcomes that stand."""
        rows = await self.service.rows("select outcome from decisions where current order by outcome")
        return [row.outcome for row in rows]

    async def told(self) -> list[set[str]]:
        """The categories of each disclosure that was ever made, oldest first."""
        rows = await self.service.rows("select categories from disclosures where recalls is null order by id")
        return [set(row.categories if isinstance(row.categories, list) else _read(row.categories)) for row in rows]


def _read(categories: str) -> list[str]:
    return [] if categories == "[]" else [one.strip(' "') for one in categories.strip("[]").split(",")]


async def witness(service: Service, record: Record = WITNESS) -> Given:
    """The witness's record, with her and her guardian's consent to the police."""
    accepted = await service.accept(record)
    whose = Whose(person_id=accepted.stored.persons[0])
    return await service.consent(whose, grant(LE, grantor=Grantor.BOTH))
