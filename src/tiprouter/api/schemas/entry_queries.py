"""What may the log's entries be asked for?

1. An id is of its filter's own kind of thing: a recipient's where a record's belongs is an error, not an empty list.
2. `after` goes on to older entries, `before` to newer ones; a page goes one way.
"""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from tiprouter.api.schemas.queries import INDEX_MAX, Query
from tiprouter.api.schemas.words import Digest, Message, Moment, Place, Some
from tiprouter.audit.kinds import Kind
from tiprouter.domain.accounts import AccountRole
from tiprouter.domain.lateness import Lateness
from tiprouter.domain.vocabulary import Basis, Outcome, RecipientKind
from tiprouter.errors import InvalidError
from tiprouter.storage.log_mentions import Sought
from tiprouter.storage.log_reasons import Besides
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import ROUTER

_ROLES: Final = "|".join(sorted({*CallerRole, *AccountRole, ROUTER.role}))
_IDS: Final = ("record_id", "decision_id", "disclosure_id", "delivery_id", "recipient_id")


def _id(prefix: str) -> object:
    return Field(pattern=f"^{prefix}_[0-9A-Z]{{26}}$", description="entries that name it, in whatever member")


class ProofQuery(Message):
    """Against which checkpoint an entry is proved; the newest when nothing is said."""

    model_config = ConfigDict(strict=False)

    size: Annotated[
        int | None, Field(ge=1, le=INDEX_MAX, description="the size of the log at the checkpoint you hold")
    ] = None


class EntryQuery(Query):
    """A page of the log's entries that match; it may be short and still have a next one."""

    after: Annotated[int | None, Field(ge=0, le=INDEX_MAX, description="older than the entry of this index")] = None
    before: Annotated[
        int | None, Field(ge=0, le=INDEX_MAX, description="newer than the entry of this index, oldest first")
    ] = None
    kind: Annotated[Some[Kind], Field(description="of one of these kinds")] = ()
    since: Annotated[Moment | None, Field(description="of this moment or later")] = None
    until: Annotated[Moment | None, Field(description="of before this moment")] = None
    record_id: Annotated[str | None, _id("(tip|case)")] = None
    recipient_id: Annotated[str | None, _id("rcp")] = None
    decision_id: Annotated[str | None, _id("dec")] = None
    disclosure_id: Annotated[str | None, _id("dis")] = None
    delivery_id: Annotated[str | None, _id("msg")] = None
    actor_class: Annotated[
        str | None, Field(pattern=f"^({_ROLES})$", description="the role of whoever made it happen")
    ] = None
    bundle: Annotated[Digest | None, Field(description="the policy bundle that it tells of")] = None
    outcome: Annotated[Outcome | None, Field(description="of those that have one")] = None
    actor: Annotated[
        str | None,
        Field(pattern="^[a-z]{2,12}(_[0-9A-Z]{26})?$", description="the id of whose doing it was, as entries have it"),
    ] = None
    jurisdiction: Annotated[Place | None, Field(description="naming an agency of this place, or of a place in it")] = (
        None
    )
    recipient_kind: Annotated[RecipientKind | None, Field(description="naming an agency of this kind")] = None
    policy: Annotated[
        str | None,
        Field(pattern=r"^[a-z0-9_.-]{1,100}$", description="naming a decision that a policy of this id determined"),
    ] = None
    basis: Annotated[Basis | None, Field(description="naming a decision whose facts give this reason")] = None
    lateness: Annotated[
        Lateness | None, Field(description="naming a disclosure or recall that stands so to its deadline")
    ] = None

    def limit_named(self) -> int | None:
        """The limit, when the caller named one."""
        return self.limit if "limit" in self.model_fields_set else None

    def sought(self) -> Sought:
        """The question in the words of the story. Raises `InvalidError` (rule 2)."""
        if self.after is not None and self.before is not None:
            raise InvalidError("A page goes one way: after, or before.", "/before")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise InvalidError("A period ends after it begins.", "/until")
        members = {"actor_class": self.actor_class, "bundle": self.bundle, "outcome": self.outcome}
        return Sought(
            kinds=tuple(dict.fromkeys(self.kind)),
            ids=tuple(value for name in _IDS if (value := getattr(self, name)) is not None),
            members=tuple((name, str(value)) for name, value in members.items() if value is not None),
            since=self.since,
            until=self.until,
            upward=self.before is not None,
            actor=self.actor,
            besides=Besides(self.recipient_kind, self.jurisdiction, self.policy, self.basis, self.lateness),
        )
