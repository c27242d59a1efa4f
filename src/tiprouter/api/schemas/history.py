"""How is it told what another bundle would have decided, and whether every decision can be made again?

Nobody is named: decisions are ids, their facts are told in words.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Self

from tiprouter.api.schemas.words import Message
from tiprouter.domain.vocabulary import Outcome
from tiprouter.workflow.history import Replayed
from tiprouter.workflow.simulation import Shift, Simulated


class OutcomeShift(Message):
    """How many decisions were of one outcome and would be of another, or the same."""

    before: Outcome
    after: Outcome
    decisions: int


class ShiftExample(Message):
    """One decision that the bundle would make otherwise: its facts in words, the categories it would change."""

    decision: str
    situation: str
    before: Outcome
    after: Outcome
    gained: tuple[str, ...]
    lost: tuple[str, ...]


class ShiftBody(Message):
    """One kind of change: how many decisions, by kind of recipient, and the newest different situations."""

    kind: str
    decisions: int
    recipients: Mapping[str, int]
    examples: tuple[ShiftExample, ...]

    @classmethod
    def of(cls, shift: Shift) -> Self:
        """A shift."""
        return cls(
            kind=shift.kind,
            decisions=shift.decisions,
            recipients=dict(shift.recipients),
            examples=tuple(ShiftExample(**asdict(one)) for one in shift.examples),
        )


class ElsewhereBody(Message):
    """Which tables and numbers differ from those the facts were derived with, and how many decisions rest on them."""

    parts: tuple[str, ...]
    decisions: int
    unknown: int
    rows_left_out: int


class SimulatedBody(Message):
    """What a bundle would have decided; `discloses` says whether anything would newly leave."""

    digest: str
    discloses: bool
    simulated: int
    without_facts: int
    outcomes: tuple[OutcomeShift, ...]
    shifts: tuple[ShiftBody, ...]
    elsewhere: ElsewhereBody

    @classmethod
    def of(cls, found: Simulated) -> Self:
        """A simulation."""
        return cls(
            digest=found.bundle,
            discloses=found.discloses,
            simulated=found.simulated,
            without_facts=found.without_facts,
            outcomes=tuple(
                OutcomeShift(before=before, after=after, decisions=count)
                for (before, after), count in sorted(found.outcomes.items())
            ),
            shifts=tuple(ShiftBody.of(one) for one in found.shifts),
            elsewhere=ElsewhereBody(**asdict(found.elsewhere)),
        )


class LogbookBody(Message):
    """How decisions and their entries in the log compare; `lost` are entries without their decision."""

    compared: int
    commitment_differs: int
    says_otherwise: int
    not_logged: int
    lost: int


class DifferingDecision(Message):
    """A decision that would not be made again or is not what the log says: what differs, and its facts in words."""

    decision: str
    what: tuple[str, ...]
    situation: str


class ReplayedBody(Message):
    """How many decisions are what; `ok` when each is what it was made, and the log says so. The first are told."""

    ok: bool
    replayed: int
    same: int
    different: int
    without_facts: int
    unknown_bundle: int
    deadline_not_comparable: int
    log: LogbookBody
    differences: tuple[DifferingDecision, ...]

    @classmethod
    def of(cls, found: Replayed) -> Self:
        """A replay."""
        counts = ("same", "different", "without_facts", "unknown_bundle", "deadline_not_comparable")
        return cls(
            ok=found.ok,
            replayed=found.replayed,
            **{name: getattr(found, name) for name in counts},
            log=LogbookBody(**{name: getattr(found.log, name) for name in LogbookBody.model_fields}),
            differences=tuple(DifferingDecision(**asdict(one)) for one in found.differences),
        )
