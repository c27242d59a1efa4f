"""How is a determining policy told: in words, with its source, its layer and what it obliges to?

The router's own rules stand beside policies in a decision; they have neither an effect nor a layer.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import WithJsonSchema

from tiprouter.api.schemas.words import Message
from tiprouter.domain.outcome import Notice
from tiprouter.domain.vocabulary import Category, ReportChannel
from tiprouter.policy.annotations import Effect, Layer, PolicyNote
from tiprouter.policy.spans import spelled

Duration = Annotated[
    timedelta, WithJsonSchema({"type": "string", "format": "duration", "examples": ["PT1H"]}, mode="serialization")
]


class PolicyObligations(Message):
    """What a policy asks of whoever tells; null where it asks nothing.

    `deadline` is a span after receipt (ISO 8601), `written` one as a statute counts it: `48h`, `5d`, `3bd` (business
    days). `second_person` are the categories that a release tells only on a second reviewer's word.
    """

    deadline: Duration | None = None
    notify_subject: Notice | None = None
    channel: ReportChannel | None = None
    written: str | None = None
    second_person: tuple[Category, ...] = ()


class PolicyBody(Message):
    """A determining policy; `effect` and `layer` are null for the router's own rules."""

    id: str
    effect: Effect | None = None
    layer: Layer | None = None
    basis: str
    cite: str
    obligations: PolicyObligations = PolicyObligations()

    @classmethod
    def of(cls, note: PolicyNote) -> Self:
        """A policy as it speaks of itself."""
        return cls(
            id=note.id,
            effect=note.effect,
            layer=note.layer,
            basis=note.basis,
            cite=note.cite,
            obligations=PolicyObligations(
                deadline=note.deadline,
                notify_subject=note.notify_subject,
                channel=note.channel,
                written=None if note.written is None else spelled(note.written),
                second_person=tuple(category for category in Category if category in note.second_person),
            ),
        )


_OWN: Final[Mapping[str, PolicyBody]] = {
    rule.id: rule
    for rule in (
        PolicyBody(
            id="default-deny",
            basis="Nothing permits it, and what is not permitted stays here.",
            cite="Decision rule 1",
        ),
        PolicyBody(
            id="duty.no-recipient",
            basis="A child's duty found no recipient that could take it; a human must act.",
            cite="Decision rule 5",
        ),
        PolicyBody(
            id="policy.error",
            basis="A policy failed while it was asked, so nothing leaves and a human is told.",
            cite="Decision rule 1",
        ),
        PolicyBody(
            id="reviewer.released",
            basis="A reviewer released what the policy permits and would have held.",
            cite="Decision rules 1, 2",
        ),
        PolicyBody(
            id="reviewer.withheld",
            basis="A reviewer looked and withheld what was held.",
            cite="Decision rules 1, 2",
        ),
        PolicyBody(
            id="router.error",
            basis="Something failed while it was decided, so nothing leaves and a human is told.",
            cite="Decision rule 1",
        ),
        PolicyBody(
            id="signaler.unnamed",
            basis="Somebody who only signaled would be named by appearing; without leave to say who signaled nothing "
            "of them leaves.",
            cite="Decision rule 7",
        ),
    )
}


def told(policy_id: str, note: PolicyNote | None) -> PolicyBody:
    """A determining policy by its id: what it says of itself, or what the router's own rule says."""
    if note is not None:
        return PolicyBody.of(note)
    unknown = PolicyBody(id=policy_id, basis="A policy of an earlier bundle.", cite="bundle")
    return _OWN.get(policy_id, unknown)
