"""Is this another person than the one whose word stands already?

1. `Act` is the whole list of what one person alone cannot do, `SECOND_WORDS` says which entries of the log the first
   and the second word leave. Whoever adds such an act adds a row, and an error that names it.
2. Persons are compared, not credentials. Somebody who signed in is their account, in every session. A credential or a
   client is its holder's account where it names one, otherwise the person's who made it and saw its secret.
3. All that one agency holds is one person. So is the house: what its first start made, what was made on its machine,
   and what nobody knows the maker of, are the person's whose operator account was the first to be redeemed.
4. Who gives somebody a credential, a client, its keys, an account or an agency's entry gives what they could use
   themselves: it waits until another operator confirms it. What is of the giver's own role and person does not.
5. Only where there never was another operator does one give it alone, and the log says `alone`. Who ends the other
   operator's account stays one of two: then the machine's own command line gives, and waits for nobody.
6. Another key that signs, a matter exported, a roll-back: one asks, another says yes within a time, and whoever asked
   does it (`workflow/second_words.py`). Alone as in rule 5, and only if nobody else ever had a role that may say it.
7. A word that waits to be acted on ends with whoever said it: a credential that was revoked, or a person who may not
   sign in any more, approves nothing. Whoever stole one was perhaps that person (`ended`).

`Act.GRANT` and `Act.RELEASE` are the two that break the glass: a grant opens one whole matter to one named auditor for
some days, a release tells police who somebody is. Both are named, logged and undone by time or by a new fact.

Not promised: that nobody has two accounts. Two operators see to that, and the log says who they were.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from types import MappingProxyType
from typing import ClassVar, Final

import structlog

from tiprouter.audit.kinds import Kind
from tiprouter.domain.accounts import AccountRole, AccountState
from tiprouter.domain.endpoint import CONFIRM_WITHIN
from tiprouter.domain.second_word_states import ByTwo
from tiprouter.errors import ConflictError
from tiprouter.storage import accounts, callers
from tiprouter.storage.callers import Caller
from tiprouter.storage.database import Transaction
from tiprouter.workflow.happening import ROUTER, Happening

log = structlog.get_logger()

THE_HOUSE: Final = frozenset({ROUTER.id, "command-line", "benchmark"})
"""The ids of the actors that are the service's own machine: whoever is there has its keys and its database."""


@unique
class Act(StrEnum):
    """What takes another person's word."""

    BUNDLE = "bundle"
    ENDPOINT = "endpoint"
    REPLAY = "replay"
    RELEASE = "release"
    GRANT = "grant"
    ERASURE = "erasure"
    ACCOUNT = "account"
    CALLER = "caller"
    KEY = ByTwo.KEY.value
    EXPORT = ByTwo.EXPORT.value
    ROLL_BACK = ByTwo.ROLL_BACK.value


SECOND_WORDS: Final[Mapping[Act, tuple[Kind, frozenset[Kind]]]] = MappingProxyType(
    {
        Act.BUNDLE: (Kind.BUNDLE_APPROVED, frozenset({Kind.BUNDLE_APPROVED})),
        Act.ENDPOINT: (Kind.ENDPOINT_CHANGE, frozenset({Kind.ENDPOINT_CHANGE})),
        Act.REPLAY: (Kind.REPLAY_PROPOSED, frozenset({Kind.REPLAY_CONFIRMED})),
        Act.RELEASE: (Kind.REVIEW_DECIDED, frozenset({Kind.REVIEW_CONFIRMED})),
        Act.GRANT: (Kind.GRANT_ASKED, frozenset({Kind.GRANT_APPROVED, Kind.GRANT_OPENED})),
        Act.ERASURE: (Kind.ERASURE_REQUESTED, frozenset({Kind.RECORD_ERASED, Kind.SUBJECT_ERASED})),
        Act.ACCOUNT: (
            Kind.ACCOUNT_INVITED,
            frozenset({Kind.ACCOUNT_SUSPENDED, Kind.ACCOUNT_RESTORED, Kind.ACCOUNT_ENDED}),
        ),
        Act.CALLER: (Kind.KEY_CREATED, frozenset({Kind.CALLER_CONFIRMED})),
        **dict.fromkeys((Act.KEY, Act.EXPORT, Act.ROLL_BACK), (Kind.WORD_ASKED, frozenset({Kind.WORD_SAID}))),
    }
)
"""The entry of the first word, and those of the second; each names its own actor (rule 1)."""


class OnePersonError(ConflictError):
    """Another person must say this. Every act has a subclass of its own."""

    act: ClassVar[Act]


class GivenByYouError(OnePersonError):
    """Another operator confirms this; you gave it."""

    act = Act.CALLER


class NothingWaitsError(ConflictError):
    """Nothing here waits for another person's word, or what waited has ended after a week."""


class GivenBeforeError(ConflictError):
    """What was given before waits for another person's word; they confirm it, or it is ended."""


@dataclass(frozen=True, slots=True)
class Word:
    """Whether what somebody gives waits for another person's word, or was given by one who had nobody to ask."""

    waits: bool
    alone: bool

    @property
    def said(self) -> dict[str, bool | None]:
        """The same, for an entry of the log."""
        return {"waits": self.waits or None, "alone": self.alone or None}


def require_another(it: Happening, refusal: type[OnePersonError], *earlier: str | None) -> None:
    """Let the actor through who is none of the persons whose word stands already (rules 2 and 3).

    `earlier` are the ids of actors, None for a word that nobody gave. Raises `refusal`.
    """
    said = persons(it.tx, (one for one in earlier if one is not None))
    if person(it.tx, it.actor.id) in said:
        raise refusal


def persons(tx: Transaction, actor_ids: Iterable[str]) -> frozenset[str]:
    """The different persons behind these actors."""
    return frozenset(person(tx, one) for one in actor_ids)


def person(tx: Transaction, actor_id: str) -> str:
    """The person behind an actor's id, ended or not: an account, an agency, the house, or what has nobody behind it."""
    if actor_id in THE_HOUSE:
        return _house(tx)
    caller = callers.load(tx, actor_id)
    return actor_id if caller is None else behind(tx, caller)


def behind(tx: Transaction, caller: Caller) -> str:
    """The person behind a caller (rules 2 and 3)."""
    whose = caller.recipient_id or caller.holder_id or caller.made_by
    return _house(tx) if whose is None or whose in THE_HOUSE else whose


def ended(tx: Transaction, actor_id: str) -> bool:
    """Whether this actor was ended, or the person in whose hands it is may not sign in (rule 7)."""
    caller = callers.load(tx, actor_id)
    if caller is not None and caller.revoked_at is not None:
        return True
    account = accounts.load(tx, actor_id if caller is None else caller.holder_id or caller.made_by or "")
    return account is not None and account.state in (AccountState.SUSPENDED, AccountState.ENDED)


def operators(tx: Transaction, *, live: bool = False) -> frozenset[str]:
    """The persons who are or ever were operators; `live` are those who can call now."""
    return _of_role(tx, AccountRole.OPERATOR, live=live)


def word_for(it: Happening, caller: Caller) -> Word:
    """What a credential or a client that the actor gives waits for (rules 4 and 5)."""
    if caller.role == it.actor.role and behind(it.tx, caller) == person(it.tx, it.actor.id):
        return Word(waits=False, alone=False)
    return word(it)


def word(it: Happening, roles: Iterable[str] = ()) -> Word:
    """What anything else waits for that the actor gives or does (rules 4-6); `roles` may say it beside operators."""
    if it.actor.id in THE_HOUSE:
        return Word(waits=False, alone=True)
    others = operators(it.tx).union(*(_of_role(it.tx, role) for role in roles))
    if others - {person(it.tx, it.actor.id)}:
        return Word(waits=True, alone=False)
    log.warning("separation.alone", id=it.actor.id, role=it.actor.role)
    return Word(waits=False, alone=True)


def still_waits(since: datetime | None, now: datetime) -> bool:
    """Whether what was given then may still be confirmed."""
    return since is not None and now < since + CONFIRM_WITHIN


def _of_role(tx: Transaction, role: str, *, live: bool = False) -> frozenset[str]:
    known = accounts.active(tx, role) if live else accounts.ever(tx, role)
    return frozenset(person(tx, one) for one in callers.of_role(tx, role, live=live)) | frozenset(known)


def _house(tx: Transaction) -> str:
    """Rule 3: one person, whose account may be made later."""
    return next(iter(accounts.ever(tx, AccountRole.OPERATOR)), ROUTER.id)
