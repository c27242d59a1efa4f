"""Which mistakes about what leaves when, to whom, and what is told of it, must the machine find?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tests.machine.faults import Patches, cancelling
from tests.machine.patching import inside, put, room
from tiprouter.domain.routing import Reach
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import RecordKind

assess, answering, consenting, disclose, dispatch, endpoint_changes, enrolment = (
    room(f"workflow.{name}")
    for name in ("assess", "answering", "consenting", "disclose", "dispatch", "endpoint_changes", "enrolment")
)
gathering, leaving, passing_on, recovery, replaying = (
    room(f"workflow.{name}") for name in ("gathering", "leaving", "passing_on", "recovery", "replaying")
)
deliveries, inbox_rows, registry, sweeps = map(
    room, ("storage.deliveries", "storage.inbox", "storage.registry", "storage.sweeps")
)


def claim_believes() -> list[Any]:
    """Whatever changed since, what leaves is not decided again."""
    return [put(leaving, "rests_on", lambda *_: True), put(gathering, "rests_on", lambda *_: True)]


def cancel_forgets_retries() -> list[Any]:
    """Cancelling stops what is queued, not what waits for its next try."""
    found: list[Any] = cancelling(lambda one, _: one.state is DeliveryState.RETRYING)
    return found


def exhausted_in_silence() -> list[Any]:
    """A delivery that is given up is told to nobody."""
    return [put(where, "tell_of_end", lambda *_: None) for where in (leaving, dispatch)]


def exhausted_is_the_end() -> list[Any]:
    """The duties of a delivery that is given up go on to nobody."""
    return [put(passing_on.lanes, "stranded", lambda *_: [])]


def anothers_inbox_listed() -> list[Any]:
    """An inbox shows everybody's."""
    page = inbox_rows.page

    def everybodys(tx: Any, recipient_id: str, *rest: Any) -> list[Any]:  # noqa: ANN401 - as the product's
        mine: list[Any] = page(tx, recipient_id, *rest)
        return mine + [
            item for one in registry.everyone(tx) if one.id != recipient_id for item in page(tx, one.id, *rest)
        ]

    def anyones(tx: Any, _: str, delivery_id: str) -> Any:  # noqa: ANN401 - as the product's
        return item(tx, deliveries.load(tx, delivery_id).recipient_id, delivery_id)

    item = inbox_rows.item
    return [put(inbox_rows, "page", everybodys), put(inbox_rows, "item", anyones)]


def anothers_payload_fetched() -> list[Any]:
    """Whoever knows a delivery's id gets it."""
    item, record_of = inbox_rows.item, inbox_rows.record_of

    def whose(tx: Any, delivery_id: str) -> str:  # noqa: ANN401 - as the product's
        return str(deliveries.load(tx, delivery_id).recipient_id)

    return [
        put(inbox_rows, "record_of", lambda tx, _, delivery_id: record_of(tx, whose(tx, delivery_id), delivery_id)),
        put(inbox_rows, "item", lambda tx, _, delivery_id: item(tx, whose(tx, delivery_id), delivery_id)),
    ]


def permitted_for_good() -> list[Any]:
    """A delivery does not know until when it may leave."""
    draft = disclose.Draft
    return [put(assess, "Draft", lambda **given: draft(**given | {"valid_until": None}))]


def whoever_the_agency_is_now() -> list[Any]:
    """What a delivery rests on leaves out what its agency is."""
    basis = disclose.basis
    return [
        put(where, "basis", lambda epoch, _, bundle: basis(epoch, 0, bundle))
        for where in (disclose, leaving, answering)
    ]


def newcomer_never_considered() -> list[Any]:
    """An agency that comes is decided about when something else happens."""
    register = enrolment.register

    def quietly(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the story's
        with put(enrolment, "agency_changed", lambda *_: None):
            return register(*given, **named)

    return [put(enrolment, "register", quietly)]


def withheld_for_good() -> list[Any]:
    """What an agency or a bundle change may touch leaves out tips about which nothing waits any more."""
    touched = inside(sweeps, "_touched")

    def open_ones_alone(sweep: Any, row: Any) -> Any:  # noqa: ANN401 - as the product's
        busy = sweep.reach is Reach.PRESSING or row.kind == RecordKind.CASE
        return touched(sweep, row) if busy else False

    return [put(sweeps, "_touched", open_ones_alone)]


def only_the_live_counted() -> list[Any]:
    """A withdrawal says that nothing was out when what was sent is an older version."""
    return [put(consenting.disclosures, "recalled", lambda *_: set())]


def only_the_live_recalled() -> list[Any]:
    """A recall is of what stood until now, not of what its agency holds besides."""
    under_way, told_of = disclose.disclosures.under_way, disclose.disclosures.told_of
    stood: dict[str, set[str]] = {}

    def noted(tx: Any, record_id: str) -> Mapping[str, Any]:  # noqa: ANN401 - as the product's
        found: Mapping[str, Any] = under_way(tx, record_id)
        stood[record_id] = {one.disclosure_id for one in found.values()}
        return found

    def of_those(tx: Any, record_id: str) -> dict[str, list[Any]]:  # noqa: ANN401 - as the product's
        told = told_of(tx, record_id)
        return {matter: [one for one in some if one.id in stood[record_id]] for matter, some in told.items()}

    return [put(disclose.disclosures, "under_way", noted), put(disclose.disclosures, "told_of", of_those)]


def answer_ungated() -> list[Any]:
    """An answer to an agency's question leaves whatever it says."""
    redaction = room("domain.redaction")
    answer = redaction.answer

    def freely(*given: Any) -> Any:  # noqa: ANN401 - as the product's
        with put(redaction, "_may_leave", lambda *_: True):
            try:
                return answer(*given)
            except KeyError:
                return None

    return [put(redaction, "answer", freely)]


def answer_never_looked_at_again() -> list[Any]:
    """An answer that was given waits, whatever the persons say since."""
    settle = inside(answering, "_follow")

    def new_ones_alone(it: Any, stored: Any, found: Any, *rest: Any) -> None:  # noqa: ANN401 - as the product's
        if found.carrier is None:
            settle(it, stored, found, *rest)

    return [put(answering, "_follow", new_ones_alone)]


def retried_as_it_was() -> list[Any]:
    """What is sent anew is what was sent, undecided."""

    def revived(it: Any, found: Any, _: str) -> Any:  # noqa: ANN401 - as the product's
        deliveries.change(it.tx, found.delivery.id, state=DeliveryState.QUEUED, next_at=it.now, finished_at=None)
        return recovery.Again(recovery.Became.SENT, found.delivery.id)

    return [put(recovery, "_anew", revived)]


def one_person_replays() -> list[Any]:
    """Who proposed a replay confirms it."""

    class Nobody(str):
        """An id that is nobody's."""

        __slots__ = ()

        def __eq__(self, _: object) -> bool:
            return False

        __hash__ = str.__hash__

    held = inside(replaying, "_held")

    def anonymous(tx: Any, replay_id: str) -> Any:  # noqa: ANN401 - as the product's
        replay = held(tx, replay_id)
        return replace(replay, proposed_by=Nobody(replay.proposed_by))

    return [put(replaying, "_held", anonymous)]


def one_person_moves_an_endpoint() -> list[Any]:
    """A change of where an agency is reached counts when it is proposed."""
    propose = endpoint_changes.propose

    def at_once(tx: Any, desk: Any, actor: Any, wish: Any) -> Any:  # noqa: ANN401 - as the story's
        change = propose(tx, desk, actor, wish)
        registry.put(tx, replace(change.wanted, revision=change.revision + 1), desk.now(), change.id)
        return change

    return [put(endpoint_changes, "propose", at_once)]


FAULTS: Final[Mapping[str, Patches]] = {
    one.__name__: one
    for one in (
        claim_believes,
        cancel_forgets_retries,
        exhausted_in_silence,
        exhausted_is_the_end,
        anothers_inbox_listed,
        anothers_payload_fetched,
        permitted_for_good,
        whoever_the_agency_is_now,
        newcomer_never_considered,
        withheld_for_good,
        only_the_live_counted,
        only_the_live_recalled,
        answer_ungated,
        answer_never_looked_at_again,
        retried_as_it_was,
        one_person_replays,
        one_person_moves_an_endpoint,
    )
}
