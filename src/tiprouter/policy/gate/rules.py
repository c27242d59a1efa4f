"""What do the decision rules say, read by somebody who never saw a line of Cedar?

1. docs/decision-rules.md is written down a second time, by reason: why something may leave, and what is in the way of
   every reason. The bundles are written as permits and forbids. Where the two differ, one of them is wrong.
2. One text, read of one situation and of every point of the space (`claims`).
3. Of the disputed choice, third-party tips, the two shipped answers are known: withheld (a professional's is reviewed)
   and forwarded (minimised). A tenant's own choice is not: then only the platform's part is said.
4. A reason to tell says by when, and whether the person is told of it. How soon a child's duty is due is the duty
   table's to say, not these rules'.

Nothing here reads a bundle or the gate's compiler (tested). Numbers in words are those of the decision rules.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique
from typing import Final, Generic, TypeAlias, TypeVar

from tiprouter.domain.outcome import Notice
from tiprouter.domain.vocabulary import Category
from tiprouter.policy.gate.claims import Claim, Claims
from tiprouter.policy.questions import REPORT, REVIEW

B = TypeVar("B")
Obligation: TypeAlias = tuple[str, object]

MINIMUM: Final = (Category.INCIDENT, Category.LOCATION)
WHO_AND_WHERE: Final = (*MINIMUM, Category.IDENTITY, Category.CONTACT)

AT_ONCE: Final[Obligation] = ("deadline", timedelta(minutes=15))
WITHIN_A_DAY: Final[Obligation] = ("deadline", timedelta(hours=24))
WHEN_SAFE: Final[Obligation] = ("notify_subject", Notice.WHEN_SAFE)


@unique
class ThirdParty(StrEnum):
    """What a bundle does with third-party tips about adults."""

    WITHHELD = "withheld"
    FORWARDED = "forwarded"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class Reason(Generic[B]):
    """Why something is so, in words, where it is so, and to what it obliges (rule 4)."""

    says: str
    when: Claim[B]
    obliges: tuple[Obligation, ...] = ()


def reasons(claims: Claims[B], question: str, choice: ThirdParty) -> Iterator[Reason[B]]:
    """Every reason to say yes to a question."""
    if question == REPORT:
        yield from _to_report(claims)
    elif question == REVIEW:
        yield from _to_review(claims, choice)
    else:
        yield from _to_tell(claims, Category(question))
        if choice is ThirdParty.FORWARDED:
            yield from _to_forward(claims, Category(question))


def hindrances(claims: Claims[B], question: str) -> Iterator[Reason[B]]:
    """What no reason overcomes. Nothing hinders a report or a review."""
    if question in (REPORT, REVIEW):
        return
    category = Category(question)
    consented, immigration = claims.consented(category), claims.among(category, (Category.IMMIGRATION,))
    yield Reason("9: the recipient is implicated", claims.implicated)
    yield Reason("1: the recipient is suspended", ~claims.usable)
    elsewhere = claims.local & ~claims.serves_the_place
    yield Reason("2: police and child protection are told of places they serve", elsewhere)
    owed = child_is_owed(claims) | (claims.accused & claims.by_duty) | in_danger(claims, category)
    yield Reason("1: no agreement, and neither a duty nor danger", ~claims.agreement & ~owed)
    yield Reason("5: an accused child is a child first", claims.accused & claims.minor)
    chosen = claims.accused & claims.by_consent & claims.among(category, (Category.INCIDENT,))
    yield Reason("8: a provider learns what was consented to", claims.provider & ~(consented | chosen))
    yield Reason("7: immigration data is for no authority", immigration & ~claims.provider)
    signaler = claims.among(category, (Category.SIGNALER_IDENTITY,))
    yield Reason("7: who signaled leaves with their consent", signaler & ~consented)


def answer(claims: Claims[B], question: str, choice: ThirdParty) -> Claim[B]:
    """Yes: there is a reason and nothing hinders."""
    return some(claims, reasons(claims, question, choice)) & ~some(claims, hindrances(claims, question))


def utmost(claims: Claims[B], category: Category) -> Claim[B]:
    """What the guards may at most let through, whatever a tenant permits: some rule must at least speak of it."""
    third_party = claims.police & ~claims.told_by_themselves & claims.among(category, MINIMUM)
    of_anybody = (
        (claims.consented(category) & ~claims.of_unknown_age)
        | in_danger(claims, category)
        | child_is_owed(claims)
        | (third_party & claims.adult & claims.not_asked(category))
    )
    of_accused = claims.by_consent | claims.by_duty | (claims.by_danger & claims.police) | third_party
    thinkable = (of_anybody & ~claims.accused) | (of_accused & claims.accused)
    return thinkable & ~some(claims, hindrances(claims, category.value))


def some(claims: Claims[B], given: Iterable[Reason[B]]) -> Claim[B]:
    """One of the reasons holds."""
    found = claims.never
    for reason in given:
        found |= reason.when
    return found


def child_is_owed(claims: Claims[B]) -> Claim[B]:
    """The protocol of a child's jurisdiction names this recipient (5)."""
    return claims.minor & claims.owed


def in_danger(claims: Claims[B], category: Category) -> Claim[B]:
    """The police may know the minimum of imminent danger (6)."""
    return claims.police & claims.imminent & claims.among(category, MINIMUM)


def _to_report(claims: Claims[B]) -> Iterator[Reason[B]]:
    child, danger = child_is_owed(claims), claims.police & claims.imminent
    yield Reason("5: a child's duty", claims.victim & child, (WHEN_SAFE,))
    yield Reason("6: imminent danger", claims.victim & danger, (AT_ONCE, WHEN_SAFE))


def _to_tell(claims: Claims[B], category: Category) -> Iterator[Reason[B]]:
    able = ~claims.of_unknown_age & ~claims.accused
    yield Reason("4, 8: the person consented", claims.consented(category) & able, (WITHIN_A_DAY,))
    child = claims.victim & child_is_owed(claims) & claims.among(category, WHO_AND_WHERE)
    yield Reason("5: a child's duty", child)
    yield Reason("6: imminent danger", claims.victim & in_danger(claims, category), (AT_ONCE,))
    follows = (claims.by_consent | claims.by_duty) & claims.among(category, WHO_AND_WHERE) & ~claims.provider
    chosen = claims.provider & claims.by_consent & claims.among(category, (Category.INCIDENT,))
    yield Reason("7: the accused, where consent or a duty goes", claims.accused & (follows | chosen), (WITHIN_A_DAY,))
    danger = claims.accused & claims.by_danger & claims.police & claims.among(category, MINIMUM)
    yield Reason("6: the accused, in imminent danger", danger, (AT_ONCE,))


def _to_forward(claims: Claims[B], category: Category) -> Iterator[Reason[B]]:
    told = claims.police & claims.adult & claims.told_by_a_third_party & claims.among(category, MINIMUM)
    unasked = claims.victim & claims.not_asked(category)
    yield Reason("4: a third party tells of a victim who was not asked", told & unasked, (WITHIN_A_DAY, WHEN_SAFE))
    yield Reason("4: a third party tells of the accused", told & claims.accused, (WITHIN_A_DAY,))


def _to_review(claims: Claims[B], choice: ThirdParty) -> Iterator[Reason[B]]:
    consented = claims.consented(Category.INCIDENT)
    perhaps_a_duty = claims.victim & (claims.owed | claims.perhaps_owed)
    yield Reason("2: perhaps a child, perhaps a duty", claims.of_unknown_age & perhaps_a_duty)
    willing = claims.consented_to_anything() & ~claims.accused
    yield Reason("2, 8: perhaps a child consented", claims.of_unknown_age & willing)
    yield Reason("5: a child whose duty nobody knows", claims.minor & claims.victim & claims.perhaps_owed)
    yield Reason("5: a child who stands beside", claims.minor & ~claims.victim & claims.local)
    partial = claims.victim & claims.violent & ~claims.imminent
    yield Reason("6: violence that is not all it takes", claims.police & partial & ~consented)
    unasked = claims.police & claims.adult & claims.not_asked(Category.INCIDENT)
    if choice is ThirdParty.WITHHELD:
        told = claims.told_by_a_professional & claims.potential_victim
        yield Reason("4: a professional tells of an adult who was not asked", unasked & told)
    elif choice is ThirdParty.FORWARDED:
        told = claims.told_by_nobody_knows_whom & claims.victim
        yield Reason("4: nobody knows who tells of an adult who was not asked", unasked & told)
