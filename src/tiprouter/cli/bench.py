"""How fast are the gate and a decision on this machine?

1. What is run is fixed: the same bundles, facts and order each time. Only the clock differs.
2. Collecting garbage is put off by freezing what is loaded, as the service does; nothing else is tuned.
3. A decision is timed three times. With nothing remembered: the engine forgets everything before each. On facts never
   seen: this engine has decided so many others, spread over the whole space, and none of those that are timed. And
   remembered: these very facts were decided before.
4. A record's recipients are decided one after the other about one person, all facts different; nothing is forgotten
   between them. The slices that the facts name are ready, as they are after a jurisdiction's first decision.

Not promised: what a decision costs inside a transaction; `docs/benchmarks.md` says how whole requests are measured.
"""

import gc
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, product
from typing import Any, Final, TypeVar

import typer

from tiprouter.domain.explain import VOCABULARY
from tiprouter.domain.facts import Facts
from tiprouter.domain.vocabulary import AgeBand, DutyState
from tiprouter.policy.bundle import Bundle, load
from tiprouter.policy.engine import Engine
from tiprouter.policy.files import shipped, shipped_names
from tiprouter.policy.gate.check import ALL, check
from tiprouter.policy.gate.differential import facts_at
from tiprouter.policy.gate.opinion import SecondOpinion
from tiprouter.policy.gate.proofs import stated, swept
from tiprouter.policy.gate.space import SIZE

T = TypeVar("T")

DECISIONS: Final = 2_000
OTHERS: Final = 10_000
RECIPIENTS: Final = 20
DECIDED_WITH: Final = "tip-sharing"

RECIPIENT_FACTS: Final = ("recipient_kind", "usable", "agreement", "implicated", "in_jurisdiction")
_MILLI, _MICRO = 1e3, 1e6


def run() -> None:
    """Print one line for each figure (rules 1-4). Raises `GateUnavailableError`."""
    versions = f"Python {platform.python_version()}, cedarpy {importlib.metadata.version('cedarpy')}"
    typer.echo(f"machine: {os.cpu_count()} CPUs, {versions}")
    _gate()
    bundle = load(shipped(DECIDED_WITH))
    facts = list(facts_of(bundle, DECISIONS))
    persons = [list(recipients_of(one)) for one in facts[: DECISIONS // RECIPIENTS]]
    timed = {*facts, *chain.from_iterable(persons)}
    others = [one for one in facts_of(bundle, OTHERS, DECISIONS) if one not in timed]
    gc.collect()
    gc.freeze()
    try:
        _decisions(bundle, facts, persons, others)
    finally:
        gc.unfreeze()


def _gate() -> None:
    seconds = []
    for name in shipped_names():
        seconds.append(check(shipped(name)).seconds)
        typer.echo(f"policy check {name}: {seconds[-1]:.2f} s")
    typer.echo(f"policy check, all bundles: {sum(seconds):.2f} s")
    laws = stated(load(shipped(DECIDED_WITH)), ALL)
    (sweep,) = _timed(swept, [laws])
    typer.echo(f"sweep alone: {SIZE:,} points, {len(ALL)} laws in {sweep:.3f} s")


def _decisions(
    bundle: Bundle, facts: Sequence[Facts], persons: Sequence[Sequence[Facts]], others: Sequence[Facts]
) -> None:
    engine, second = _ready(bundle, facts), SecondOpinion(bundle.policies)
    nothing, none_of_many = _timed(engine.rule, facts, engine.forget), _timed(_each(engine), persons, engine.forget)
    many = _timed(_each(_having_decided(bundle, others)), persons)
    seasoned = _having_decided(bundle, others)
    before = seasoned.stats()
    unseen, remembered = _timed(seasoned.rule, facts), _timed(seasoned.rule, facts)
    opinions = _timed(second.answers, facts)
    after = f"after {len(others):,} others"
    typer.echo(f"decision, nothing remembered: {_milliseconds(nothing)} ({len(facts):,} different facts)")
    typer.echo(f"decision, facts never seen, {after}: {_milliseconds(unseen)}; {before.sayings:,} sayings remembered")
    typer.echo(f"decision, remembered: p50 {_quantile(remembered, 0.5) * _MICRO:.1f} us")
    typer.echo(f"{RECIPIENTS} recipients, nothing remembered: {_milliseconds(none_of_many)}")
    typer.echo(f"{RECIPIENTS} recipients, facts never seen, {after}: {_milliseconds(many)}")
    typer.echo(f"second opinion alone: p50 {_quantile(opinions, 0.5) * _MICRO:.1f} us")


def _ready(bundle: Bundle, facts: Iterable[Facts]) -> Engine:
    """An engine that remembers nothing, and has the slices of these facts ready (rule 4)."""
    engine = Engine(bundle)
    other = facts_at(0)
    for rows in dict.fromkeys(one.rows for one in facts):
        engine.rule(replace(other, rows=rows))
    engine.forget()
    return engine


def _having_decided(bundle: Bundle, others: Sequence[Facts]) -> Engine:
    """An engine that has decided these (rule 3)."""
    engine = _ready(bundle, others)
    for one in others:
        engine.rule(one)
    return engine


def _each(engine: Engine) -> Callable[[Sequence[Facts]], object]:
    return lambda some: [engine.rule(one) for one in some]


def facts_of(bundle: Bundle, count: int, start: int = 0) -> Iterator[Facts]:
    """Different facts, spread over the whole space; a child with a duty names the first row of the duty table."""
    row = min(bundle.slices)
    for number in range(start, start + count):
        facts = facts_at(number)
        child = facts.age is AgeBand.MINOR and facts.duty is DutyState.REQUIRED
        yield replace(facts, rows=(row,)) if child else facts


def recipients_of(facts: Facts) -> Iterator[Facts]:
    """One person's facts toward different recipients."""
    every = list(product(*(VOCABULARY[name] for name in RECIPIENT_FACTS)))
    for values in every[:: len(every) // RECIPIENTS][:RECIPIENTS]:
        recipient: dict[str, Any] = dict(zip(RECIPIENT_FACTS, values, strict=True))
        yield replace(facts, **recipient)


def _timed(work: Callable[[T], object], some: Iterable[T], before: Callable[[], object] = int) -> list[float]:
    """The seconds that each piece of work took; what is done before each is not counted."""
    seconds = []
    for one in some:
        before()
        begin = time.perf_counter()
        work(one)
        seconds.append(time.perf_counter() - begin)
    return seconds


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"p50 {_quantile(seconds, 0.5) * _MILLI:.2f} ms, p99 {_quantile(seconds, 0.99) * _MILLI:.2f} ms"


def _quantile(seconds: Iterable[float], part: float) -> float:
    ordered = sorted(seconds)
    return ordered[int(part * (len(ordered) - 1))]
