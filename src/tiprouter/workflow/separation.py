"""Is this another person than the one whose word stands already?

1. `Act` is the whole list of what one person alone cannot do, `SECOND_WORDS` says which entries of the log the first
   and the second word leave. Whoever adds such an act adds a row, and an error that names it.
2. Persons are compared, not credentials. Somebody who signed in is their account, in every session. A credential or a
   client is its holder's account where it names one, otherwise itself, under every key and token of its own.
3. All that one agency holds is one person.
4. What a signed-in person makes for their own role is their own, unless they name another holder (`credentials.py`).

Not promised: that nobody has two accounts, or a credential that names no holder beside their account. Who invites and
who hands out credentials sees to that, and the log says who did.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import ClassVar, Final

from tiprouter.audit.kinds import Kind
from tiprouter.errors import ConflictError
from tiprouter.storage import callers
from tiprouter.storage.database import Transaction
from tiprouter.workflow.happening import Happening


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
    }
)
"""The entry of the first word, and those of the second; each names its own actor (rule 1)."""


class OnePersonError(ConflictError):
    """Another person must say this. Every act has a subclass of its own."""

    act: ClassVar[Act]


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
    """The person behind an actor's id, ended or not: an account, an agency, or what has nobody behind it."""
    caller = callers.load(tx, actor_id)
    if caller is None:
        return actor_id
    return caller.recipient_id or caller.holder_id or caller.id
