"""Which defects must the machine find? Each breaks one promise of the product, as a plausible mistake would.

The mistakes in deciding, redacting, logging and finishing; those in what leaves when are in `faults_leaving.py`. The
product's own files are not touched (`planting.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from tests.machine.patching import inside, put, room
from tiprouter.audit.entry import Alike
from tiprouter.audit.kinds import Kind
from tiprouter.domain.consent import Consent, Question
from tiprouter.domain.discharge import EvidenceKind
from tiprouter.domain.record import Record
from tiprouter.domain.states import WAITING, DeliveryState
from tiprouter.domain.vocabulary import Category, ConsentState
from tiprouter.storage.deliveries import Delivery
from tiprouter.workflow.duties import prove
from tiprouter.workflow.happening import ROUTER, Happening, happening

consent, facts, redaction, widening = map(
    room, ("domain.consent", "domain.facts", "domain.redaction", "domain.widening")
)
deliveries, outbox, records, inbox_rows, duties = map(
    room, ("storage.deliveries", "storage.outbox", "storage.records", "storage.inbox", "storage.duties")
)
acknowledging, assess, consenting, disclose, dispatch = (
    room(f"workflow.{name}") for name in ("acknowledging", "assess", "consenting", "disclose", "dispatch")
)
gathering, inbox, intake, leaving = (room(f"workflow.{name}") for name in ("gathering", "inbox", "intake", "leaving"))

Patches = Callable[[], list[Any]]


def sent_after_withdrawal() -> list[Any]:
    """A withdrawal is stored, and nothing that waits is looked at again; a claim believes it."""
    again = inside(consenting, "_decide_again")

    def unless_it_was_a_no(it: Happening, record_ids: Any, cause: str) -> Any:  # noqa: ANN401 - as the product's
        return () if cause in disclose.TAKEN_BACK else again(it, record_ids, cause)

    return [
        put(consenting, "_decide_again", unless_it_was_a_no),
        put(leaving, "rests_on", lambda *_: True),
        put(gathering, "rests_on", lambda *_: True),
    ]


def cancelling(spared: Callable[[Any, str], bool]) -> list[Any]:
    """Cancelling leaves alone what is `spared`, by its delivery and the cause."""
    cancel_all = disclose.cancel_all

    def sparing(it: Happening, under_way: Iterable[Any], cause: str) -> None:
        cancel_all(it, [one for one in under_way if not spared(one, cause)], cause)

    return [put(disclose, "cancel_all", sparing)]


def recall_forgotten() -> list[Any]:
    """A withdrawal cancels, and tells nobody who has it already."""
    return [put(disclose, "TAKEN_BACK", frozenset())]


def not_fenced() -> list[Any]:
    """A worker that lost its lease writes its answer over whatever is so now."""
    finish = dispatch.finish

    def believing(tx: Any, desk: Any, ready: Any, attempted: Any) -> Any:  # noqa: ANN401 - as the story's
        now_is = deliveries.load(tx, ready.delivery_id)
        if now_is is not None and now_is.lease != ready.lease:
            deliveries.change(tx, ready.delivery_id, state=DeliveryState.CLAIMED, lease=ready.lease)
        return finish(tx, desk, ready, attempted)

    return [put(dispatch, "finish", believing), put(inbox, "finish", believing)]


def late_answer_over_cancellation() -> list[Any]:
    """A success that comes after a cancellation makes it delivered."""
    finish = dispatch.finish

    def delivered(tx: Any, desk: Any, ready: Any, attempted: Any) -> Any:  # noqa: ANN401 - as the story's
        state = finish(tx, desk, ready, attempted)
        if state is DeliveryState.CANCELLED and attempted.status == 200:
            deliveries.change(tx, ready.delivery_id, state=DeliveryState.DELIVERED)
            return DeliveryState.DELIVERED
        return state

    return [put(dispatch, "finish", delivered)]


def consent_does_not_count_up() -> list[Any]:
    """A consent leaves the records' epochs and decisions as they are, until something else happens."""

    def untouched(tx: Any, person_id: str) -> list[str]:  # noqa: ANN401 - as the product's
        records.hold_person(tx, person_id)
        return []

    return [put(consenting.records, "touch", untouched)]


def expired_consent_believed() -> list[Any]:
    """A consent that ran out is believed as if it had not."""
    standing = inside(consent, "_standing")

    def forever(one: Consent, question: Question, now: datetime) -> ConsentState:
        state = standing(one, question, now)
        return ConsentState.GRANTED if state is ConsentState.EXPIRED else state

    return [put(consent, "_standing", forever)]


def accused_agency_served() -> list[Any]:
    """An accused agency is one like any other."""
    return [put(facts, "_names", lambda *_: False)]


def suspension_ignored() -> list[Any]:
    """A suspended agency is usable."""
    made = inside(facts, "_facts")
    return [put(facts, "_facts", lambda *given: replace(made(*given), usable=True))]


def agreement_forever() -> list[Any]:
    """An agreement that ended is in force."""
    made = inside(facts, "_facts")
    return [put(facts, "_facts", lambda *given: replace(made(*given), agreement=True))]


def withheld_person_named() -> list[Any]:
    """Who appears is shown with their name, whatever was permitted."""
    shown = inside(redaction, "_person")

    def named(person: Any, verdict: Any, label: str) -> Any:  # noqa: ANN401 - as the product's
        told: Any = shown(person, verdict, label)
        if person.identity is not None:
            told["identity"] = {"first_name": person.identity.first_name}
        return told

    return [put(redaction, "_person", named)]


def one_is_enough() -> list[Any]:
    """A statement about several leaves when one of them allows it."""

    def loosely(record: Record, refs: tuple[str, ...], category: Category | None, permitted: Mapping[str, Any]) -> bool:
        wanted = frozenset(Category) if category is None else frozenset((category,))
        return any(wanted <= permitted.get(ref, frozenset()) for ref in record.labelled(refs))

    return [
        put(redaction, "_may_leave", loosely),
        put(redaction, "_statement", lambda record, statement, labels: {"text": statement.text}),
        put(redaction, "_location", lambda location, labels: {"city": location.city}),
    ]


def unlabelled_is_incident() -> list[Any]:
    """An unlabelled narrative counts as what happened, and nothing more."""
    may_leave = inside(redaction, "_may_leave")

    def labelled(
        record: Record, refs: tuple[str, ...], category: Category | None, permitted: Mapping[str, Any]
    ) -> bool:
        return bool(may_leave(record, refs, category or Category.INCIDENT, permitted))

    return [put(redaction, "_may_leave", labelled)]


def _without(kind: Kind) -> list[Any]:
    log, log_as = Happening.log, Happening.log_as

    def silent(it: Happening, what: Kind, body: dict[str, Any]) -> None:
        if what is not kind:
            log(it, what, body)

    def silent_too(it: Happening, alike: Alike, own: dict[str, Any]) -> None:
        if alike.kind is not kind:
            log_as(it, alike, own)

    return [put(Happening, "log", silent), put(Happening, "log_as", silent_too)]


def attempts_unlogged() -> list[Any]:
    """An attempt leaves no entry."""
    return _without(Kind.ATTEMPT_STARTED)


def cancellations_unlogged() -> list[Any]:
    """A cancellation leaves no entry."""
    return _without(Kind.DISCLOSURE_CANCELLED)


def another_webhook_id() -> list[Any]:
    """A retry goes out under an id of its own."""
    prepare = inside(dispatch, "_prepare")

    def renamed(it: Happening, delivery: Delivery) -> Any:  # noqa: ANN401 - as the product's
        ready = prepare(it, delivery)
        if ready is None or delivery.attempts == 0:
            return ready
        return replace(ready, envelope=replace(ready.envelope, webhook_id=f"{delivery.id}-again"))

    return [put(dispatch, "_prepare", renamed)]


def lost_with_its_worker() -> list[Any]:
    """What a dead worker held is nobody's."""
    return [put(deliveries, "expired", lambda *_: [])]


def delivered_is_discharged() -> list[Any]:
    """A duty is closed when its webhook was answered."""
    finish = dispatch.finish

    def closing(tx: Any, desk: Any, ready: Any, attempted: Any) -> Any:  # noqa: ANN401 - as the story's
        state = finish(tx, desk, ready, attempted)
        if state is DeliveryState.DELIVERED:
            with happening(tx, desk, ROUTER) as it:
                for duty in duties.of_record(tx, ready.record_id):
                    if duty.owing and duty.recipient_id == ready.recipient_id:
                        prove(it, duty, EvidenceKind.ACKNOWLEDGED, ready.delivery_id)
        return state

    return [put(dispatch, "finish", closing)]


def duty_lost_on_revision() -> list[Any]:
    """What a revised record owes is nobody's to see to."""
    owe = assess.owe

    def of_the_first_alone(it: Happening, stored: Any, *rest: Any) -> Any:  # noqa: ANN401 - as the product's
        return owe(it, stored, *rest) if stored.revision == 1 else None

    return [put(assess, "owe", of_the_first_alone)]


def dropped_entry() -> list[Any]:
    """The sequencer signs a log without one of the entries it took."""
    drain = outbox.drain

    def losing(tx: Any, limit: int) -> list[bytes]:  # noqa: ANN401 - as the product's
        found: list[bytes] = drain(tx, limit)
        return found[:-1] if len(found) > 3 else found

    return [put(outbox, "drain", losing)]


def second_disclosure() -> list[Any]:
    """What stands already is not seen, and made and sent again."""
    return [put(disclose.disclosures, "under_way", lambda *_: {})]


def notice_that_quotes() -> list[Any]:
    """What a human is told quotes the record."""
    told = intake.problems_of
    tell = Happening.tell

    def quoting(it: Happening, reason: str, subject: str, record_id: str | None, deadline: datetime | None) -> None:
        said = quoting_of.get("ref", subject) if reason in ("review.wanted", "duty.blocked") else subject
        tell(it, reason, said, record_id, deadline)

    quoting_of: dict[str, str] = {}

    def noted(record: Record) -> Iterator[tuple[str, str]]:
        quoting_of["ref"] = record.persons[0].ref
        yield from told(record)

    return [put(Happening, "tell", quoting), put(intake, "problems_of", noted)]


def widening_counts_at_once() -> list[Any]:
    """A grant that adds something stands without being said again."""
    return [put(widening, "_repeats", lambda *_: True)]


def fetched_is_not_an_attempt() -> list[Any]:
    """A late acknowledgement speaks of what never left."""
    return [put(acknowledging, "visible", lambda listed, actor: listed)]


def superseded_still_waits() -> list[Any]:
    """What another disclosure took the place of stays in the queue."""
    return cancelling(lambda one, cause: one.state in WAITING and cause == "record.revised")


FAULTS: Final[Mapping[str, Patches]] = {
    one.__name__: one
    for one in (
        sent_after_withdrawal,
        recall_forgotten,
        not_fenced,
        late_answer_over_cancellation,
        consent_does_not_count_up,
        expired_consent_believed,
        accused_agency_served,
        suspension_ignored,
        agreement_forever,
        withheld_person_named,
        one_is_enough,
        unlabelled_is_incident,
        attempts_unlogged,
        cancellations_unlogged,
        another_webhook_id,
        lost_with_its_worker,
        delivered_is_discharged,
        duty_lost_on_revision,
        dropped_entry,
        second_disclosure,
        notice_that_quotes,
        widening_counts_at_once,
        fetched_is_not_an_attempt,
        superseded_still_waits,
    )
}
