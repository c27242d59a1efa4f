"""What does each attempt say of the line to its recipient, and who is told?

1. Every answer to an attempt of ours is heard, in the transaction that finishes it; what an agency fetched says nothing
   of its endpoint, and what a worker says that lost its lease is not heard (`domain/breaker.py` says what follows).
2. A breaker that opens, one that closes, and an endpoint that is gone leave an entry, and a human is told: of an
   endpoint that is gone each time, of the others once an hour at most.
3. What was parked is let go when a breaker closes, when an endpoint is gone (its deliveries are then parked again, and
   their duties go on), and when the recipient's entry changes: from then on nothing that was learnt before counts.
4. A probe whose worker died, or that was ended because nothing may leave, is lost, and another may go at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.breaker import Breaker, BreakerState, Heard, hear, lose, renew
from tiprouter.domain.vocabulary import AttemptKind
from tiprouter.storage import endpoints, lanes, lines
from tiprouter.storage.database import Transaction
from tiprouter.storage.lines import Line
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening

FAILING, RECOVERED, GONE = "endpoint.failing", "endpoint.recovered", "endpoint.gone"
TOLD_AGAIN_AFTER: Final = timedelta(hours=1)
RELEASED_AT_ONCE: Final = 500
LINES_AT_ONCE: Final = 50

_HEARD: Final[Mapping[AttemptResult, Heard]] = {
    AttemptResult.SUCCESS: Heard.ARRIVED,
    AttemptResult.GONE: Heard.GONE,
    AttemptResult.ABORTED: Heard.NOTHING,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt of ours: to whom, and under which lease."""

    recipient_id: str
    lease: str
    heard: Heard


def said(kind: AttemptKind, recipient_id: str, lease: str, result: AttemptResult) -> Answer | None:
    """What an attempt's result says of its endpoint; None for what an agency did by itself (rule 1)."""
    heard = _HEARD.get(result, Heard.FAILED)
    return None if kind is AttemptKind.FETCH else Answer(recipient_id, lease, heard)


def listen(it: Happening, held: Mapping[str, Line], answers: Iterable[Answer]) -> None:
    """Hear what attempts said of their lines, which this story holds (rules 1-3)."""
    known = dict(held)
    for one in answers:
        line = known.get(one.recipient_id)
        if line is not None:
            jitter = int.from_bytes(it.desk.entropy(4), "big") / 2**32
            known[one.recipient_id] = _moved(it, line, hear(line.breaker, one.heard, one.lease, it.now, jitter))
    lines.save(it.tx, [line for recipient_id, line in known.items() if line != held[recipient_id]])


def lose_probes(it: Happening, leases: Iterable[str]) -> None:
    """Leases ran out: probes among them are lost (rule 4)."""
    lost = lines.probed(it.tx, list(leases))
    lines.save(it.tx, [replace(line, breaker=lose(line.breaker, it.now)) for line in lost])


def tend_lines(tx: Transaction, desk: Desk) -> int:
    """A chore: forget what was learnt of entries that changed, and let go of what is parked (rule 3); how much."""
    with happening(tx, desk, ROUTER) as it:
        changed = [_renewed(it, line) for line in lines.outdated(tx, LINES_AT_ONCE)]
        lines.save(tx, changed)
        released = 0
        for line in lines.releasing(tx, LINES_AT_ONCE):
            some = lanes.release(tx, line.recipient_id, RELEASED_AT_ONCE)
            released += some
            if some < RELEASED_AT_ONCE:
                lines.save(tx, [replace(line, release=False)])
        return len(changed) + released


def _renewed(it: Happening, line: Line) -> Line:
    revision = lines.revision_of(it.tx, line.recipient_id)
    moved = _moved(it, line, renew(line.breaker, it.now), cause="changed")
    return replace(moved, revision=revision, release=True)


def _moved(it: Happening, line: Line, after: Breaker, cause: str = "succeeded") -> Line:
    """The line with its breaker as it is now (rule 2)."""
    before = line.breaker
    moved = replace(line, breaker=after)
    about = {"recipient": line.recipient_id, "revision": line.revision, "failures": after.failures}
    if before.shut_out is after.shut_out and (before.state is BreakerState.GONE) is (after.state is BreakerState.GONE):
        return moved
    if after.state is BreakerState.GONE:
        it.log(Kind.ENDPOINT_GONE, about)
        it.tell(GONE, line.recipient_id, None, None, again_after=timedelta())
        return replace(moved, release=True)
    if after.shut_out:
        it.log(Kind.BREAKER_OPENED, about)
        endpoints.note_opening(it.tx, line.recipient_id, it.now)
        it.tell(FAILING, line.recipient_id, None, None, again_after=TOLD_AGAIN_AFTER)
        return moved
    it.log(Kind.BREAKER_CLOSED, about | {"cause": cause})
    it.tell(RECOVERED, line.recipient_id, None, None, again_after=TOLD_AGAIN_AFTER)
    return replace(moved, release=True)
