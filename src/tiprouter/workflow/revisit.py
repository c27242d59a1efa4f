"""Which records must be decided again by themselves, and when?

1. Time alone changes facts: a consent begins or runs out, somebody comes of age, violence is no longer fresh, a duty
   row goes stale. The record says when (`records.due_at`), and is decided again then, not at the next change.
2. A recipient that comes or changes touches what it may concern (`domain/routing.py`): what waits, open cases, what it
   was withheld, and records that were never decided toward it; but a report that was made, about somebody who did not
   ask that more be told, is not made again to whoever comes later. A bundle touches what waits, open cases, and
   whatever is withheld. All of it is looked through in slices, what presses first (`storage/sweeps.py`), and decided
   again for that cause. The change itself costs the same, however many records there are.
3. Each record is decided again in one transaction, a few at a time, so that nothing else waits for it.
4. One that cannot be decided is told to a human and looked at again later; the others go on.

Not promised: that what was decided, delivered and done is decided again because its agency lost something, or because a
bundle changed. What it was told it was told; nothing more leaves without being decided at that moment.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from tiprouter.domain.consent import Choice
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.routing import Directory, Reach, candidates, reaches
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.storage import consents, disclosures, records, registry, sweeps
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.storage.sweeps import Sweep
from tiprouter.storage.vault import ErasedError
from tiprouter.workflow.assess import assess
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening

log = structlog.get_logger()

AT_ONCE: Final = 20
AGAIN_AFTER: Final = timedelta(minutes=1)
BY_TIME: Final = "time.passed"

SLICE: Final = 100
"""So many records of a sweep are looked at together."""

LOOKED_AT_MOST: Final = 200
"""About so many are looked at in one transaction, touched or not: each may have to be opened, and others wait."""


def revisit(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """Decide again what is due (rules 1, 3); how many."""
    with happening(tx, desk, ROUTER, deciding=True) as it:
        found = records.due(tx, it.now, limit)
        for record_id in found:
            decide_again(it, record_id, BY_TIME)
        return len(found)


def look_through(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """Decide again what a change touched (rules 2, 3); how many, and at least 1 while more is to be looked through.

    Of one slice only: whoever locks records locks them in one order.
    """
    with happening(tx, desk, ROUTER, deciding=True) as it:
        done, looked = set[str](), 0
        while not done and looked < LOOKED_AT_MOST and (sweep := sweeps.next_one(tx)) is not None:
            looked += 1 + _look(it, sweep, done, limit)
        return max(len(done), int(looked >= LOOKED_AT_MOST))


def everything_open(it: Happening, cause: str, limit: int) -> tuple[int, int]:
    """Let a bundle touch what it may (rule 2): at most `limit` of what is open now, the rest by `look_through`.

    Nobody else decides meanwhile: they hold the bundle that is replaced. Returns how many were decided, and how many
    open ones will be.
    """
    wanted, done, looked = sweeps.count_open(it.tx), set[str](), 0
    for reach in (Reach.PRESSING, Reach.OPEN, Reach.EVERYTHING):
        _begin(it, reach, None, cause)
    # What is withheld is left to the workers: there is more of it than of anything else.
    while len(done) < limit and looked < LOOKED_AT_MOST and (sweep := sweeps.next_one(it.tx)) is not None:
        if sweep.reach is Reach.EVERYTHING:
            break
        looked += _look(it, sweep, done, limit)
    return len(done), max(0, wanted - len(done))


def agency_changed(it: Happening, old: Recipient | None, new: Recipient, cause: str) -> None:
    """Let a recipient that came (`old` None) or is another now touch what it may (rule 2)."""
    for reach in reaches(old, new):
        _begin(it, reach, new.id, cause)


def decide_again(it: Happening, record_id: str, cause: str) -> None:
    """Rule 4."""
    try:
        with it.forgiving():
            stored = records.load(it.tx, it.vault, record_id)
            if stored is not None:
                assess(it, stored, cause)
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - promise 1: whatever goes wrong, nothing leaves and a human is told
        if isinstance(error, ErasedError) and not it.vault.known(it.tx, record_id):
            # By a story that was told while this one waited for the record.
            records.look_again(it.tx, record_id, None)
            return
        log.warning("record.undecided", record=record_id, error=type(error).__name__)
        it.tell("record.undecided", record_id, record_id, None)
        records.look_again(it.tx, record_id, it.now + AGAIN_AFTER)


def _begin(it: Happening, reach: Reach, recipient_id: str | None, cause: str) -> None:
    sweeps.begin(it.tx, Sweep(it.id("swp"), reach, recipient_id, cause, "", it.now))


def _look(it: Happening, sweep: Sweep, done: set[str], limit: int) -> int:
    """The next slice of a sweep; how many records were looked at.

    What was decided in this transaction already was decided on all that is so now.
    """
    found = sweeps.look(it.tx, sweep, it.engine.bundle.digest, SLICE)
    recipient = None if sweep.recipient_id is None else registry.load(it.tx, sweep.recipient_id)
    touched, last = list[str](), sweep.after
    for record_id in found.ids:
        if len(done) + len(touched) >= limit:
            break
        last = record_id
        unsure = record_id in found.unsure
        if record_id not in done and (
            record_id in found.touched or (unsure and _concerns(it, record_id, recipient, sweep.reach))
        ):
            touched.append(record_id)
    # Locked in one order everywhere, so that two such stories never wait for each other in a circle.
    records.epochs(it.tx, touched)
    for record_id in touched:
        decide_again(it, record_id, sweep.cause)
    done.update(touched)
    if len(found.ids) < SLICE and found.ids[-1:] in ((), (last,)):
        sweeps.end(it.tx, sweep)
    else:
        sweeps.move_on(it.tx, sweep, last)
    return len(found.ids)


def _concerns(it: Happening, record_id: str, recipient: Recipient | None, reach: Reach) -> bool:
    """Whether a record that was never decided toward this recipient would be now: by its places, which are sealed.

    A tip about which nothing presses, that reached somebody, and that nobody consents to have told further, is
    history (rule 2).
    """
    try:
        stored = records.load(it.tx, it.vault, record_id)
        if stored is None or recipient is None or not candidates(stored.record, (), Directory((recipient,))):
            return False
        at_rest = reach is Reach.EVERYTHING and stored.record.kind is RecordKind.TIP
        reached = at_rest and disclosures.sent(it.tx, [record_id])
        return not reached or _somebody_grants(it, stored.persons)
    except DatabaseError:
        raise
    except Exception:  # noqa: BLE001 - whoever decides about it meets the same, and a human is told (rule 4)
        return True


def _somebody_grants(it: Happening, person_ids: Sequence[str]) -> bool:
    said = consents.of_persons(it.tx, it.vault, person_ids).values()
    return any(
        one.choice is Choice.GRANT and one.withdrawn_at is None and (one.expires_at is None or one.expires_at > it.now)
        for some in said
        for one, _ in some
    )
