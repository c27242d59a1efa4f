"""A second opinion on the shipped bundles, in plain Python: written from the design's rules, not from the Cedar text.

Where a bundle forwards third-party tips, `forwards` says so; that is all in which the two differ.

It says what may leave by giving each reason there can be, and then what forbids it; the bundle is written the other
way round. Where the two differ, one of them is wrong.
"""

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

MINIMUM = (Category.INCIDENT, Category.LOCATION)
WHO_AND_WHERE = (*MINIMUM, Category.IDENTITY, Category.CONTACT)
VICTIMS = (Role.POTENTIAL_VICTIM, Role.DEPENDANT)
THIRD_PARTIES = (
    Relationship.FAMILY_FRIEND,
    Relationship.COMMUNITY_MEMBER,
    Relationship.SERVICE_PROVIDER,
    Relationship.AUTHORITY,
)
LOCAL_AUTHORITIES = (RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION)


def permitted(facts: Facts, *, forwards: bool = False) -> frozenset[Category]:
    """What may leave."""
    return frozenset(
        category
        for category in Category
        if _may_leave(facts, category) or (forwards and _forwarded(facts) and _minimised(facts, category))
    )


def reports(facts: Facts) -> bool:
    """Whether there is a duty to tell: a child's, or imminent danger's toward the police (4.5, 4.6)."""
    return facts.role in VICTIMS and (_child_duty(facts) or (_police(facts) and _imminent(facts)))


def reviews(facts: Facts, *, forwards: bool = False) -> bool:
    """Whether a human must look (4.2, 4.5, 4.6, and the tenant's professionals)."""
    granted = facts.consent(Category.INCIDENT) is ConsentState.GRANTED
    victim = facts.role in VICTIMS
    bystander = facts.role not in VICTIMS
    if facts.age is AgeBand.UNKNOWN and facts.role is not Role.ALLEGED_TRAFFICKER:
        may_be_a_duty = victim and facts.duty is not DutyState.NOT_REQUIRED
        if granted or may_be_a_duty:
            return True
    if facts.age is AgeBand.MINOR:
        if victim and facts.duty is DutyState.UNKNOWN:
            return True
        if bystander and facts.recipient_kind in LOCAL_AUTHORITIES:
            return True
    if not _police(facts) or granted:
        return False
    violent = Answer.YES in (facts.immediate, facts.escalating)
    return (victim and violent and not _imminent(facts)) or _unasked_adult(facts, forwards=forwards)


def _unasked_adult(facts: Facts, *, forwards: bool) -> bool:
    """An adult victim who was not asked: by whose word a human looks, is what the two bundles dispute."""
    unasked = facts.age is AgeBand.ADULT and facts.consent(Category.INCIDENT) is ConsentState.NOT_ASKED
    if forwards:
        return facts.role in VICTIMS and unasked and facts.reporter is Relationship.UNKNOWN
    professional = facts.reporter in (Relationship.SERVICE_PROVIDER, Relationship.AUTHORITY)
    return facts.role is Role.POTENTIAL_VICTIM and unasked and professional


def _forwarded(facts: Facts) -> bool:
    """A known third party's tip that police of the place, in agreement and not accused, may have (4.4)."""
    told = facts.usable and not facts.implicated and facts.in_jurisdiction is Answer.YES
    return told and _police(facts) and facts.reporter in THIRD_PARTIES and facts.age is AgeBand.ADULT


def _minimised(facts: Facts, category: Category) -> bool:
    """What is forwarded: the minimum, of an accused adult or of a victim who was not asked."""
    agreed = facts.agreement or _without_agreement(facts, category)
    unasked = facts.role in VICTIMS and facts.consent(category) is ConsentState.NOT_ASKED
    return agreed and category in MINIMUM and (unasked or facts.role is Role.ALLEGED_TRAFFICKER)


def _may_leave(facts: Facts, category: Category) -> bool:
    if facts.implicated or not facts.usable:
        return False
    if facts.recipient_kind in LOCAL_AUTHORITIES and facts.in_jurisdiction is not Answer.YES:
        return False
    if not facts.agreement and not _without_agreement(facts, category):
        return False
    if facts.role is Role.ALLEGED_TRAFFICKER:
        return _accused(facts, category)
    return _reason(facts, category)


def _reason(facts: Facts, category: Category) -> bool:
    """A reason to tell something of anybody who is not accused."""
    provider = facts.recipient_kind is RecipientKind.SERVICE_PROVIDER
    consented = facts.consent(category) is ConsentState.GRANTED and facts.age is not AgeBand.UNKNOWN
    if consented and (provider or category is not Category.IMMIGRATION):
        return True
    if facts.role not in VICTIMS:
        return False
    danger = _police(facts) and _imminent(facts) and category in MINIMUM
    child = _child_duty(facts) and not provider and category in WHO_AND_WHERE
    return danger or child


def _accused(facts: Facts, category: Category) -> bool:
    """What follows a victim's consent, a child's duty or danger (4.7)."""
    if facts.age is AgeBand.MINOR:
        return False
    if facts.recipient_kind is RecipientKind.SERVICE_PROVIDER:
        return category is Category.INCIDENT and facts.basis is Basis.CONSENT
    if facts.basis is Basis.DANGER:
        return _police(facts) and category in MINIMUM
    return facts.basis is not Basis.NONE and category in WHO_AND_WHERE


def _without_agreement(facts: Facts, category: Category) -> bool:
    accused_by_duty = facts.role is Role.ALLEGED_TRAFFICKER and facts.basis is Basis.DUTY
    danger = _police(facts) and _imminent(facts) and category in MINIMUM
    return _child_duty(facts) or accused_by_duty or danger


def _child_duty(facts: Facts) -> bool:
    return facts.age is AgeBand.MINOR and facts.duty is DutyState.REQUIRED


def _police(facts: Facts) -> bool:
    return facts.recipient_kind is RecipientKind.LAW_ENFORCEMENT


def _imminent(facts: Facts) -> bool:
    stated = facts.immediate is Answer.YES and facts.escalating is Answer.YES
    return stated and facts.perceived is Perceived.FIRST_HAND and facts.fresh
