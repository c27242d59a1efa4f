"""What would the other shipped bundle have made of a quarter's decisions, told beside what was decided?

1. The two sides of the dispute are shipped bundles. Of these the one is compared under which the fewest of the
   quarter's decisions were made: it follows from the quarter alone, and nobody who asks chooses it. Whoever could
   choose would have many tables of the same people, and subtract them.
2. It decides from the facts of each decision, as a simulation does (`workflow/simulation.py`, rule 3). What it decided
   itself stands as it was decided. A decision without facts has no outcome under it: `none`.
3. Three tables over the same decisions: as decided, by kind of recipient; as it would have decided, by kind of
   recipient; and from which outcome to which. They are faces of one table by all three and are withheld as one
   (`domain/suppression.py`, rule 6): neither of them, nor the difference of two, gives a small count away.
4. Each axis of outcomes names the bundles that decided so.

Not promised: what people would have done under it (a reviewer's answer counts for the bundle it was given under), nor
that facts would have been derived alike where duty tables differ: auditors are told how many, by `simulate`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from tiprouter.domain.suppression import TOTAL, Cell, face, published
from tiprouter.policy.bundle import load
from tiprouter.policy.engine import Engine
from tiprouter.policy.files import shipped
from tiprouter.policy.library import Library
from tiprouter.policy.released import RELEASED
from tiprouter.storage.quarters import NOBODY, Decided
from tiprouter.workflow.history import facts_in
from tiprouter.workflow.simulation import decided_by

AXES: Final = ("outcome", "compared_outcome", "recipient_kind")
FACES: Final[Mapping[str, int]] = {"decisions": 1, "decisions_compared": 0, "decisions_changed": 2}
"""Table -> which of the axes it does without."""

Bundles: TypeAlias = Mapping[str, str | None]
"""Digest -> name, None where the bundle is not stored."""


def compared(decided: Sequence[Decided], library: Library, threshold: int) -> list[dict[str, Any]]:
    """The three tables as they may be told, as JSON (rules 1-4); in no transaction."""
    engine = other(decided, library)
    counts: Counter[Cell] = Counter()
    for one in decided:
        counts[one.outcome, _under(engine, one), one.recipient_kind] += one.count
    told = published(places(counts, AXES), counts, threshold, counts)
    names = {one.bundle: one.name for one in decided}
    bundles: dict[str, Bundles] = {AXES[0]: names, AXES[1]: {engine.bundle.digest: engine.bundle.name}}
    return [
        in_json(table, (*AXES[:without], *AXES[without + 1 :]), face(told, without), bundles)
        for table, without in FACES.items()
    ]


def other(decided: Sequence[Decided], library: Library) -> Engine:
    """The engine of the bundle to compare with (rule 1)."""
    engines = [library.keep(load(shipped(name))) for name in RELEASED]
    made: Counter[str] = Counter()
    for one in decided:
        made[one.bundle] += one.count
    return min(engines, key=lambda engine: made[engine.bundle.digest])


def places(cells: Iterable[Cell], axes: Sequence[str]) -> list[list[str]]:
    """The places on each axis, in order."""
    return [sorted({cell[number] for cell in cells} - {TOTAL}) for number, _ in enumerate(axes)]


def in_json(
    name: str, axes: Sequence[str], told: Mapping[Cell, int | None], bundles: Mapping[str, Bundles] | None = None
) -> dict[str, Any]:
    """A table as it may be told: null where a count is withheld; of an axis, the bundles that decided so (rule 4)."""
    by = bundles or {}
    return {
        "name": name,
        "axes": [
            {
                "name": axis,
                "places": found,
                "bundles": [{"digest": one, "name": called} for one, called in sorted(by.get(axis, {}).items())],
            }
            for axis, found in zip(axes, places(told, axes), strict=True)
        ],
        "cells": [{"at": list(cell), "count": count} for cell, count in sorted(told.items())],
    }


def _under(engine: Engine, one: Decided) -> str:
    """What the other bundle would have decided (rule 2)."""
    if one.bundle == engine.bundle.digest:
        return one.outcome
    facts = facts_in(one.facts)
    return NOBODY if facts is None else decided_by(engine, facts)[0].outcome.value
