"""How long after each kill did the work of the killed part go on?

1. Tips: until one is accepted by any edge, asked after the kill.
2. Sending: until an attempt that began after the kill has arrived.
3. What was in a dead worker's hands: until each attempt whose end nobody knows was made again; a delivery that was
   cancelled meanwhile is not.
4. The log: until a longer one was seen.
5. An edge's work is the first, a worker's the second and third, the sequencer's the last; PostgreSQL's, and that of a
   service in one process, is all of these. How long the process itself took to be back is told beside it.
6. What had not gone on when the next thing was killed is still counted from its own kill.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from types import MappingProxyType

from tests.kills.evidence import Evidence
from tiprouter.audit.kinds import Kind

TARGET_SECONDS = 5.0
UNKNOWN = "unknown"


TIPS, SENDING, HANDS, LOG = "tips accepted", "sending", "what was in hand", "log"
WORK: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "edge": (TIPS,),
        "worker": (SENDING, HANDS),
        "sequencer": (LOG,),
        "postgresql": (TIPS, SENDING, HANDS, LOG),
        "service": (TIPS, SENDING, HANDS, LOG),
    }
)
"""Which work is whose (rule 5)."""


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of part and a work of its: how many kills, seconds until it went on, how many late, and never.

    `back_seconds` is the median until the process itself was back (rule 5).
    """

    kind: str
    work: str
    kills: int
    median_seconds: float
    max_seconds: float
    late: int
    never: int
    back_seconds: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """Moments, two and two: tips offered and accepted, attempts begun and arrived, attempts lost and made again."""

    accepted: list[tuple[float, float]]
    arrived: list[tuple[float, float]]
    taken_over: list[tuple[float, float]]
    growths: list[float]


def rows(seen: Evidence) -> list[Row]:
    """One row for each kind of part that was killed, and each work of its."""
    moments = _moments(seen)
    made = []
    for kind in sorted({kill.kind for kill in seen.kills}):
        kills = [kill for kill in seen.kills if kill.kind == kind]
        back = median(kill.back_at - kill.at for kill in kills)
        for work in WORK[kind]:
            ends = [(kill, _went_on(kill.at, work, moments)) for kill in kills]
            known = [end - kill.at for kill, end in ends if end is not None]
            late, never = sum(wait > TARGET_SECONDS for wait in known), len(ends) - len(known)
            made.append(Row(kind, work, len(ends), median(known or [0]), max(known, default=0), late, never, back))
    return made


def _went_on(killed: float, work: str, seen: _Seen) -> float | None:
    """When it went on, or None where nothing of the kind was seen any more; at once, where nothing was in hand."""
    match work:
        case "tips accepted":
            return _accepted(seen.accepted, killed)
        case "sending":
            return next((there for begun, there in seen.arrived if begun > killed), None)
        case "log":
            return next((moment for moment in seen.growths if moment > killed), None)
        case _:
            return max((again for begun, again in seen.taken_over if begun <= killed < again), default=killed)


def _accepted(pairs: list[tuple[float, float]], after: float) -> float | None:
    return min((answered for sent, answered in pairs if sent > after), default=None)


def _moments(seen: Evidence) -> _Seen:
    accepted = [(tip.accepted.sent, tip.accepted.at) for tip in seen.tips]
    begun: dict[str, list[tuple[float, str]]] = defaultdict(list)
    ends: dict[str, str] = {}
    for entry in seen.entries:
        if entry.kind is Kind.ATTEMPT_STARTED:
            begun[str(entry.body["delivery"])].append((entry.at.timestamp(), str(entry.body["attempt"])))
        elif entry.kind is Kind.ATTEMPT_FINISHED:
            ends[str(entry.body["attempt"])] = str(entry.body["result"])
    arrived, taken_over = [], []
    for one in seen.arrivals:
        last = max((at for at, _ in begun.get(one.webhook_id, ()) if at <= one.at), default=None)
        if last is not None:
            arrived.append((last, one.at))
    for attempts in begun.values():
        for (at, attempt), (again, _) in pairwise(attempts):
            if ends.get(attempt) == UNKNOWN:
                taken_over.append((at, again))
    # By arrival, so that the first that is found is the first that arrived.
    return _Seen(accepted, sorted(arrived, key=lambda pair: pair[1]), taken_over, sorted(seen.growths))
