"""Who read what, about whom, by which question, and why: what does the log say of a look?

1. A look leaves an `access` entry before its answer leaves: in the transaction that reads (`seen`), or in one of its
   own after a snapshot was read (`note`). Looks that are folded do so too (`workflow/tally.py`).
2. The entry says why, by a word of a closed list: it follows from who asks for what, since roles are told apart by what
   they are for (`api/access.py`). Whoever reads a matter under a grant reads because of that grant: its id is the why.
3. Of a question it says by which filters it was asked: `name=value` where the values are a closed vocabulary, the name
   alone for moments, ids, policies and bundles, whose values somebody chooses. The first id of a record, person or
   recipient that is asked about is the entry's `subject`, as it is of a look at one thing.

Not promised: that the why was in anybody's mind. It is what the role is there for, and an auditor asks the person.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum, StrEnum, unique
from typing import Any, Final

from tiprouter.audit.kinds import Kind
from tiprouter.storage.database import Database, Transaction
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import ROUTER, Actor, Desk, Happening, happening

_ABOUT: Final = ("record_id", "person_id", "recipient_id", "disclosure_id")
_PLACE: Final = re.compile(r"US(-[A-Z]{2}(-[0-9]{3,5})?)?", re.ASCII)


@unique
class Why(StrEnum):
    """What a look is for (rule 2). Grow only."""

    CASEWORK = "casework"
    REVIEW = "review"
    OVERSIGHT = "oversight"
    OPERATION = "operation"
    POLICY = "policy"
    OWN_DISCLOSURES = "own-disclosures"
    KEEPING = "keeping"
    PUBLICATION = "publication"
    SUBJECT = "subject"
    OWN_ACCOUNT = "own-account"


_OF_ROLE: Final[Mapping[str, Why]] = {
    CallerRole.INTAKE: Why.CASEWORK,
    CallerRole.REVIEWER: Why.REVIEW,
    CallerRole.AUDITOR: Why.OVERSIGHT,
    CallerRole.OPERATOR: Why.OPERATION,
    CallerRole.COUNSEL: Why.POLICY,
    CallerRole.AGENCY: Why.OWN_DISCLOSURES,
    CallerRole.CUSTODIAN: Why.KEEPING,
    ROUTER.role: Why.PUBLICATION,
}
_OF_WHAT: Final[Mapping[str, Why]] = {
    **dict.fromkeys(("accounting", "receipt", "subject-notices"), Why.SUBJECT),
    **dict.fromkeys(("session", "sessions"), Why.OWN_ACCOUNT),
}
"""What is read for the person whom it is about, or about oneself, whoever reads it."""


def why(role: str, what: str) -> Why:
    """What a look of this role at this is for (rule 2). Raises `KeyError` for a role that nobody gave a reason."""
    return _OF_WHAT.get(what) or _OF_ROLE[role]


def seen(
    it: Happening,
    what: str,
    count: int | None = None,
    subject: str | None = None,
    *,
    asked: object = None,
    under: str | None = None,
) -> None:
    """Somebody is about to be told of `count` of these (rule 1).

    `asked` is the question, a dataclass or a list of filters (rule 3); `under` is the grant that it is read under.
    """
    it.log(
        Kind.ACCESS,
        {
            "role": it.actor.role,
            "what": what,
            "why": under or why(it.actor.role, what),
            "count": count,
            "subject": subject or about(asked),
            "filters": filters(asked) or None,
        },
    )


async def note(
    database: Database, desk: Desk, actor: Actor, what: str, count: int = 1, subject: str | None = None
) -> None:
    """The same of what a snapshot told already, and the answer did not yet (rule 1)."""

    def story(tx: Transaction) -> None:
        with happening(tx, desk, actor) as it:
            seen(it, what, count, subject)

    await database.write(story, quietly=True)


def about(asked: object) -> str | None:
    """The first id of a record, person or recipient that a question names (rule 3)."""
    return next((found for name in _ABOUT if (found := getattr(asked, name, None)) is not None), None)


def filters(asked: object) -> list[str]:
    """By what a question was asked (rule 3)."""
    if isinstance(asked, list):
        return asked
    if asked is None:
        return []
    named: Any = asked
    given = {one.name: getattr(asked, one.name) for one in fields(named) if getattr(asked, one.name) != one.default}
    return [one for name, value in sorted(given.items()) for one in told(name, value)]


def told(name: str, value: object) -> list[str]:
    """One filter, in words that the log may have (rule 3)."""
    match value:
        case bool():
            return [f"{name}={'true' if value else 'false'}"]
        case Enum():
            return [f"{name}={value.value}"]
        case tuple():
            return [word for one in value for word in told(name, one)]
        case str() if name == "jurisdiction" and _PLACE.fullmatch(value):
            return [f"{name}={value}"]
        case _:
            return [name]
