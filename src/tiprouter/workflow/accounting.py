"""What is a person told about who was told of them?

In the shape of 45 CFR 164.528, for everybody: whether the rule binds a service is for its counsel to say.

1. For six years back, or from a later moment: each disclosure that was attempted or delivered, and each recall, with
   its date, the recipient's name, its purpose, and a brief description: the categories about this person and the basis
   in words. An attempt that failed may have arrived, so it is told. So is each call that reached somebody and each
   letter that was recorded for a duty; one to an agency that is not registered has its kind and place.
2. It survives erasure: it is read off what erasure keeps.
3. An agency of law enforcement or oversight may ask that the subject's copy leaves it out until a date: in writing, or
   orally for at most 30 days, with who asked (164.528(a)(2)). The subject's copy then says nothing of it, not even that
   something is left out; the staff's copy shows it with the date.
4. Asking and suspending are in the log.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.vocabulary import RecipientKind, StatementForm
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.policy.annotations import PolicyNote
from tiprouter.storage import accounting, records, registry
from tiprouter.storage.accounting import Because, Event, Suspension, Told
from tiprouter.storage.database import Transaction
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.happening import Actor, Desk, engine_of, happening, moment

SIX_YEARS: Final = timedelta(days=6 * 365 + 2)
ORALLY_AT_MOST: Final = timedelta(days=30)
MAY_ASK: Final = (RecipientKind.LAW_ENFORCEMENT, RecipientKind.FEDERAL_AUTHORITY)
BY_WORD: Final = (Event.CALL, Event.LETTER)


@dataclass(frozen=True, slots=True)
class Item:
    """One disclosure, recall, call or letter as the person is told of it; `kind` is of whom it went to.

    `recipient` is None where it went to an agency that is not registered. Nobody wrote down which categories a call or
    letter told; `categories` are what the decision let leave, and none where the law alone says what is reported.
    """

    told: Told
    recipient: Recipient | None
    kind: RecipientKind
    categories: tuple[str, ...]
    basis: tuple[PolicyNote, ...]
    suspended_until: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    """An accounting from `since` to `until`."""

    person_id: str
    since: datetime
    until: datetime
    items: tuple[Item, ...]


def account(
    tx: Transaction, desk: Desk, actor: Actor, person_id: str, since: datetime | None, *, for_staff: bool
) -> Account:
    """Who was told what about a person (rules 1-4). Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        if not records.person_known(tx, person_id):
            raise NotFoundError
        begins = max(since or it.now - SIX_YEARS, it.now - SIX_YEARS)
        mine = accounting.because(tx, person_id)
        left_out = accounting.suspended(tx, person_id, it.now)
        found = [*accounting.told(tx, person_id, begins), *accounting.spoken(tx, person_id, begins)]
        rested_on = _rested_on(tx, sorted(found, key=lambda one: (one.at, one.id)))
        note = _notes(tx, desk)
        items = [
            _item(tx, told, [mine[one] for one in because if one in mine], left_out, note)
            for told, because in rested_on
            if _about(told, because, mine) and (for_staff or told.recipient_id not in left_out)
        ]
        seen(it, "accounting", len(items), person_id)
        return Account(person_id, begins, it.now, tuple(items))


def suspend(tx: Transaction, desk: Desk, actor: Actor, suspension: Suspension, asked_by: str) -> Suspension:
    """Leave a recipient out of a person's copy for a time (rule 3). Raises `NotFoundError`, `InvalidError`."""
    with happening(tx, desk, actor) as it:
        if not records.person_known(tx, suspension.person_id):
            raise NotFoundError
        recipient = registry.load(tx, suspension.recipient_id)
        if recipient is None or recipient.kind not in MAY_ASK:
            raise InvalidError("This field names no agency that may ask for it.", "/recipient")
        if suspension.until <= it.now:
            raise InvalidError("This field lies in the past.", "/until")
        if suspension.form is StatementForm.ORAL and suspension.until > it.now + ORALLY_AT_MOST:
            raise InvalidError("An oral statement suspends for 30 days at most.", "/until")
        made = Suspension(
            it.id("sus"),
            suspension.person_id,
            suspension.recipient_id,
            suspension.form,
            suspension.until,
            actor.id,
            it.now,
        )
        accounting.suspend(tx, desk.vault, made, asked_by)
        it.log(
            Kind.ACCOUNTING_SUSPENDED,
            {
                "suspension": made.id,
                "person": made.person_id,
                "recipient": made.recipient_id,
                "until": moment(made.until),
                "form": made.form.value,
            },
        )
        return made


def _rested_on(tx: Transaction, found: list[Told]) -> list[tuple[Told, tuple[str, ...]]]:
    """Each beside the decisions that it, or what it recalls, rested on."""
    recalled = accounting.decisions_of(tx, [told.recalls for told in found if told.recalls is not None])
    return [(told, told.decisions if told.recalls is None else recalled.get(told.recalls, ())) for told in found]


def _about(told: Told, because: tuple[str, ...], mine: Mapping[str, Because]) -> bool:
    """Whether something was told of this person: a call or letter is for their own duty."""
    return told.event in BY_WORD or any(one in mine and mine[one].categories for one in because)


def _item(
    tx: Transaction,
    told: Told,
    because: list[Because],
    left_out: Mapping[str, datetime],
    note: Callable[[str, str], PolicyNote | None],
) -> Item:
    recipient = None if told.recipient_id is None else registry.load(tx, told.recipient_id)
    kind = told.kind if recipient is None else recipient.kind
    if kind is None:
        raise NotFoundError
    named = dict.fromkeys((one.bundle, policy) for one in because for policy in one.policies)
    notes = (note(*one) for one in named)
    return Item(
        told=told,
        recipient=recipient,
        kind=kind,
        categories=tuple(dict.fromkeys(category for one in because for category in one.categories)),
        basis=tuple(one for one in notes if one is not None),
        suspended_until=None if told.recipient_id is None else left_out.get(told.recipient_id),
    )


def _notes(tx: Transaction, desk: Desk) -> Callable[[str, str], PolicyNote | None]:
    """What a policy of a bundle says of itself; each bundle is opened once."""
    opened = {}

    def note(bundle: str, policy: str) -> PolicyNote | None:
        if bundle not in opened:
            opened[bundle] = engine_of(tx, desk, bundle).bundle
        return opened[bundle].note(policy)

    return note
