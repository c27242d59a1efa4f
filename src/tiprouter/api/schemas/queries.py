"""What may a list be asked for?

A query is closed like a body: a misspelt filter is an error, not a longer list. Its values are texts, so they are read
leniently: `10` is a number, `true` is true.
"""

from typing import Annotated

from pydantic import ConfigDict, Field

from tiprouter.api.schemas.words import Digest, Id, Message, Moment, Place
from tiprouter.domain.lateness import Lateness
from tiprouter.domain.question import QuestionState
from tiprouter.domain.states import DeliveryState, DutyPhase, ReviewState
from tiprouter.domain.vocabulary import Basis, Outcome, RecipientKind, RecordKind
from tiprouter.storage.inbox import PLACE_PATTERN
from tiprouter.storage.searches import Search
from tiprouter.workflow.polling import WAIT_SECONDS_MAX

LIMIT_MAX = 200
INDEX_MAX = 2**53


class Query(Message):
    """A query."""

    model_config = ConfigDict(strict=False)

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX, description="how many items at most")] = 50


class Paging(Query):
    """A page: the items after an id, newest first."""

    after: Annotated[Id | None, Field(description="the id the last page ended with")] = None


class WordQuery(Paging):
    """A page of what was asked another person's word for."""

    waiting: Annotated[bool, Field(description="only what another person may still say yes to")] = False


class SearchQuery(Paging):
    """What may be asked of decisions and of disclosures alike."""

    since: Annotated[Moment | None, Field(description="made at this moment or later")] = None
    until: Annotated[Moment | None, Field(description="made before this moment")] = None
    record_id: Id | None = None
    recipient_id: Id | None = None
    jurisdiction: Annotated[Place | None, Field(description="toward recipients of this place, or of a place in it")] = (
        None
    )
    recipient_kind: RecipientKind | None = None
    record_kind: RecordKind | None = None
    policy: Annotated[
        str | None, Field(pattern=r"^[a-z0-9_.-]{1,100}$", description="the id of a policy that determined it")
    ] = None
    basis: Annotated[Basis | None, Field(description="the strongest reason that the record gives for telling")] = None
    outcome: Outcome | None = None
    bundle: Annotated[Digest | None, Field(description="the policy bundle that decided")] = None
    lateness: Annotated[
        Lateness | None,
        Field(description="against the disclosure's deadline; cancelled and waiting ones are none of these"),
    ] = None

    def limit_named(self) -> int | None:
        """The limit, when the caller named one."""
        return self.limit if "limit" in self.model_fields_set else None

    def search(self) -> Search:
        """The question in the words of the story."""
        names = type(self).model_fields.keys() - {"after", "limit"}
        return Search(**{name: getattr(self, name) for name in names})


class DecisionQuery(SearchQuery):
    """A page of the decisions that match; it may be short and still have a next one.

    Lateness is that of any disclosure that rests on it; none rests on a withheld one.
    """

    person_id: Id | None = None
    current: bool | None = None


class DisclosureQuery(SearchQuery):
    """A page of the disclosures that match; it may be short and still have a next one.

    Outcome, policy, basis and bundle are those of any of its decisions. Agencies may ask by record alone.
    """

    state: DeliveryState | None = None


class PeriodQuery(Message):
    """A period: at most 366 days, the last 90 when nothing is said."""

    model_config = ConfigDict(strict=False)

    since: Moment | None = None
    until: Annotated[Moment | None, Field(description="now when it is left out")] = None


class ReviewQuery(Query):
    """A page of the reviews that match; those that wait when no state is named."""

    after: Annotated[Id | None, Field(description="the id the last page ended with")] = None
    state: ReviewState | None = None
    due: Annotated[Moment | None, Field(description="those whose deadline is not later than this")] = None


class InboxQuery(Query):
    """A page of an agency's inbox, and how long to wait for something to be in it."""

    after: Annotated[
        str | None, Field(pattern=PLACE_PATTERN, description="where the last page ended; it is in `Link`")
    ] = None
    wait: Annotated[
        int, Field(ge=0, le=WAIT_SECONDS_MAX, description="seconds to wait at most while nothing waits in the inbox")
    ] = 0


class DutyQuery(Paging):
    """A page of the duties that match."""

    state: DutyPhase | None = None
    record_id: Id | None = None
    recipient_id: Id | None = None
    overdue: Annotated[
        bool | None, Field(description="past its deadline, or its report in writing past its own, and wanted still")
    ] = None


class QuestionQuery(Paging):
    """A page of the questions that match."""

    state: QuestionState | None = None


class BundleQuery(Query):
    """A page of the policy bundles, by digest."""

    after: Annotated[Digest | None, Field(description="the digest the last page ended with")] = None


class DifferenceQuery(Message):
    """Against which bundle; the active one when none is named."""

    model_config = ConfigDict(strict=False)

    against: Digest | None = None


class SinceQuery(Message):
    """From when on; everything when no moment is given."""

    model_config = ConfigDict(strict=False)

    since: Moment | None = None


class PastQuery(SinceQuery):
    """A period of the past; the decisions that stood at its end."""

    until: Annotated[Moment | None, Field(description="made before this moment; now when it is left out")] = None
