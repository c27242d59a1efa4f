"""What was seen while the service was killed and went on?

1. All of it was seen from outside: what callers were answered, what agencies were sent, when a process was killed, and
   the log as it was published. The service's own word is believed nowhere else.
2. Moments are seconds since 1970 by the one clock of the machine that everything runs on.
3. A tip is known by its number: the caller names it so, and its one statement carries the number to the agencies.
"""

from dataclasses import dataclass

from tiprouter.audit.entry import Entry


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered in the end: the id in the answer, by which edge, and when."""

    id: str
    edge: str
    sent: float
    at: float


@dataclass(frozen=True, slots=True)
class Tip:
    """A tip that was offered until it was answered; an adult's is nobody's before the consent, nor after its end."""

    number: int
    child: bool
    accepted: Answered
    consent_sent: float | None = None
    consented: Answered | None = None
    withdrawal_sent: float | None = None
    withdrawn: Answered | None = None

    @property
    def owed(self) -> bool:
        """Whether every agency must have been told of it."""
        return self.child or (self.consented is not None and self.withdrawal_sent is None)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that an agency has read whole; `tip` is None for what carries no statement, a recall."""

    agency: str
    webhook_id: str
    disclosure_id: str
    tip: int | None
    at: float


@dataclass(frozen=True, slots=True)
class Kill:
    """A part was killed: which kind, which of them, when, and when its process was back."""

    kind: str
    name: str
    at: float
    back_at: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was seen of one run.

    `agencies` are all to whom an allowed tip goes. `stored` are the ids of tips that the service has at the end.
    `growths` are moments at which a longer log was seen. `unanswered` is what no edge answered as it should.
    `ended` are parts that ended by themselves, with their last words; they were started again.
    `log_faults` is what a verifier said of the log, and of it as the continuation of each checkpoint that was seen.
    """

    agencies: tuple[str, ...]
    tips: tuple[Tip, ...]
    arrivals: tuple[Arrival, ...]
    entries: tuple[Entry, ...]
    stored: frozenset[str]
    kills: tuple[Kill, ...] = ()
    growths: tuple[float, ...] = ()
    unanswered: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    log_faults: tuple[str, ...] = ()
