"""May this bundle be active?

1. Numbered steps, each with its title, whether it passed, what was found and how long it took. A bundle that cannot be
   read ends the check; every other failure is told beside the rest.
2. Every proof is made twice: by z3, and by looking at every point of the space.
3. The ceiling is to be held by what the bundle forbids, whatever it permits; it is told whether the guards alone do.
4. The decision rules, written down a second time, must say the same at every point (`oracle`).
5. Without the extra packages nothing is checked and `GateUnavailableError` rises: nothing is activated.

Not promised: that facts are derived rightly, nor that the promises are what counsel means.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from tiprouter.policy.bundle import Bundle, load
from tiprouter.policy.engine import Engine
from tiprouter.policy.gate import laws, oracle
from tiprouter.policy.gate.extras import extra
from tiprouter.policy.gate.proofs import Prover, Stated, Swept, stated, swept
from tiprouter.policy.gate.slices import beyond_core
from tiprouter.policy.gate.space import SIZE
from tiprouter.policy.golden import mismatches, unpinned
from tiprouter.policy.refusal import BundleError


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the check; `seconds` is how long it took."""

    number: int
    title: str
    ok: bool
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class GateReport:
    """What the gate found. `digest` is None when the bundle cannot be read; `points` were looked at one by one."""

    name: str
    digest: str | None
    steps: tuple[Step, ...]
    points: int

    @property
    def passed(self) -> bool:
        """Whether the bundle may be active."""
        return self.digest is not None and all(step.ok for step in self.steps)

    @property
    def seconds(self) -> float:
        """How long the whole check took."""
        return sum(step.seconds for step in self.steps)


Found: TypeAlias = tuple[bool, str]

ALL: Final[tuple[laws.Law, ...]] = (
    laws.no_policy_errs,
    *laws.BY_GUARDS,
    *laws.BY_BUNDLE,
    laws.guards_below_ceiling,
    laws.below_ceiling,
    laws.above_floor,
)
"""Every statement that is proved."""

TOLD: Final = 3
"""So many faults of slices are told."""

_READ: Final = "The bundle can be read and is valid"
_MODELS: Final = "The gate models every policy, at every point of the space"


def check(path: Path) -> GateReport:
    """Check a bundle's folder (rules 1-5). Raises `GateUnavailableError` and `UndecidedError`."""
    _require_packages()
    begin = time.perf_counter()
    try:
        bundle = load(path)
    except BundleError as error:
        step = Step(1, _READ, False, str(error), time.perf_counter() - begin)  # noqa: FBT003
        return GateReport(path.name, None, (step,), 0)
    return _report(bundle, time.perf_counter() - begin)


def examine(bundle: Bundle) -> GateReport:
    """Check a bundle that was read already. Raises `GateUnavailableError` and `UndecidedError`."""
    _require_packages()
    return _report(bundle, 0.0)


def _require_packages() -> None:
    for name in ("numpy", "z3"):
        extra(name)


def _report(bundle: Bundle, seconds: float) -> GateReport:
    rows = sum(len(some) for some in bundle.protocol.rows.values())
    read = Step(1, _READ, True, f"{len(bundle.policies)} policies, {rows} duty rows", seconds)  # noqa: FBT003 - passed
    return GateReport(bundle.name, bundle.digest, (read, *examined(bundle)), SIZE)


def examined(bundle: Bundle, *, golden: bool = True) -> Iterator[Step]:
    """The steps after reading. Without `golden` the golden table, which real Cedar decides, is left out."""
    begin = time.perf_counter()
    try:
        found = stated(bundle, ALL)
    except BundleError as error:
        yield Step(2, _MODELS, False, str(error), time.perf_counter() - begin)  # noqa: FBT003 - not passed
        return
    prover, seen = Prover(found), swept(found)
    yield Step(2, _MODELS, True, f"{SIZE:,} points looked at", time.perf_counter() - begin)  # noqa: FBT003 - passed
    steps: list[tuple[str, Callable[[], Found]]] = [
        ("Every policy can match", lambda: _idle(bundle, seen)),
        ("Nothing forbids a report or a review", lambda: _silencing(seen)),
        ("State slices only say why and by when", lambda: _sliced(found, bundle)),
    ]
    for law in (laws.no_policy_errs, *laws.BY_GUARDS, *laws.BY_BUNDLE):
        by = "By the guards alone, " if law in laws.BY_GUARDS else ""
        steps.append((by + laws.title(law), partial(_held, law, prover, seen)))
    steps.append((laws.title(laws.below_ceiling), lambda: _ceiling(prover, seen)))
    steps.append((laws.title(laws.above_floor), lambda: _held(laws.above_floor, prover, seen)))
    steps.append((oracle.TITLE, lambda: _as_the_rules_say(found, bundle)))
    if golden:
        steps.append(("The golden table is decided as written", lambda: _golden(bundle)))
    for number, (title, look) in enumerate(steps, start=3):
        begin = time.perf_counter()
        ok, detail = look()
        yield Step(number, title, ok, detail, time.perf_counter() - begin)


def _held(law: laws.Law, prover: Prover, seen: Swept) -> Found:
    """A law, twice (rule 2)."""
    proof, look = prover.refute(law), seen.broken.get(law)
    if (proof is None) is not (look is None):
        return False, f"the proof and the sweep disagree: {proof or look}"
    return (True, "proved, and seen at every point") if look is None else (False, str(look))


def _ceiling(prover: Prover, seen: Swept) -> Found:
    """Rule 3."""
    ok, detail = _held(laws.guards_below_ceiling, prover, seen)
    if ok:
        return ok, f"{detail}; the guards alone hold it"
    whole, found = _held(laws.below_ceiling, prover, seen)
    return whole, f"{found}; the tenant's forbids are needed for it" if whole else found


def _idle(bundle: Bundle, seen: Swept) -> Found:
    idle = sorted(set(bundle.notes) - seen.matching)
    return not idle, f"never true: {', '.join(idle)}" if idle else f"{len(bundle.notes)} policies, each somewhere"


def _silencing(seen: Swept) -> Found:
    found = ", ".join(sorted(seen.silencing))
    return not found, f"a duty could be silenced by {found}" if found else "so a further guard never releases more"


def _sliced(compiled: Stated, bundle: Bundle) -> Found:
    try:
        faults = beyond_core(compiled, bundle.slices.values()).faults
    except BundleError as error:
        return False, str(error)
    more = f"; and {len(faults) - TOLD} more" if len(faults) > TOLD else ""
    return not faults, "; ".join(faults[:TOLD]) + more if faults else f"{len(bundle.slices)} slices permit nothing new"


def _as_the_rules_say(compiled: Stated, bundle: Bundle) -> Found:
    differing = oracle.disagreements(compiled, bundle.third_party)
    if differing:
        return False, "; ".join(str(one) for one in differing[:TOLD])
    return True, f"no difference at any point, third-party tips {bundle.third_party}"


def _golden(bundle: Bundle) -> Found:
    engine = Engine(bundle)
    wrong = list(mismatches(bundle.golden, engine.rule))
    loose = sorted(unpinned(bundle.golden, bundle.notes))
    if wrong or loose:
        return False, "; ".join([*wrong[:3], *(f"{name} determines no row" for name in loose)])
    return True, f"{len(bundle.golden)} rows, every policy determines one"
