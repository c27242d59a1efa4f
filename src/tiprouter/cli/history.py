"""What was decided, and what would be decided, told on the command line?

1. `replay` makes every stored decision again and compares it with its entry in the log; 1 when anything differs.
2. `simulate` asks another bundle (a shipped one's name, a folder, or the digest of a stored one, of which eight digits
   suffice) about the decisions that stood; 1 when anything would newly leave, as `policy diff` says.
3. `explain` tells of one decision by its id, which leaves an access entry in the log, or of facts written as in
   `golden.csv`, where what is not stated is as in the bundle's first row.
4. A moment is a day (`2026-03-02`, from its midnight UTC) or RFC 3339 with an offset.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

from tiprouter import wiring
from tiprouter.cli.policies import folder_of
from tiprouter.cli.service import BY_HAND
from tiprouter.domain.explain import Explanation
from tiprouter.domain.outcome import NO_RECIPIENT, UNNAMED_SIGNALER
from tiprouter.domain.review import RELEASED, WITHHELD
from tiprouter.domain.vocabulary import Category, Outcome
from tiprouter.errors import ConfigurationError, NotFoundError
from tiprouter.policy import bundle as bundles
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.engine import Engine
from tiprouter.settings import Settings
from tiprouter.storage import bundles as stored_bundles
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.past import PREFIX
from tiprouter.wiring import House
from tiprouter.workflow import history, inquiry, simulation
from tiprouter.workflow.explaining import reasons, stated
from tiprouter.workflow.happening import NoBundleError, engine_of, moment
from tiprouter.workflow.history import Replayed
from tiprouter.workflow.simulation import Shift, Simulated

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d))?", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")
_NO_POLICY: Final = {
    "default-deny": "no policy permitted anything and none forbade it",
    NO_RECIPIENT: "a child's duty, or a perhaps-child's, found no recipient",
    UNNAMED_SIGNALER: "somebody who only signaled is not told of without leave to say who signaled",
    RELEASED: "a reviewer released what the policy permits and would have held",
    WITHHELD: "a reviewer withheld what was held",
    "policy.error": "a policy failed while it was asked; nothing leaves",
    "router.error": "facts or payload could not be made; nothing leaves",
}


def replay(settings: Settings, since: str | None) -> int:
    """Make the stored decisions again and print what differs; the exit code (rule 1)."""
    begin = None if since is None else moment_of(since)

    async def replayed() -> Replayed:
        async with wiring.open_house(settings, migrate=False) as house:
            return await history.replay(house.database, house.desk, begin)

    result = asyncio.run(replayed())
    for line in _replay_lines(result):
        typer.echo(line)
    return 0 if result.ok else 1


def simulate(settings: Settings, bundle: str, since: str, *, every: bool = False) -> int:
    """Print what a bundle would have decided; `every` decision, or those that stood; the exit code (rule 2)."""
    begin = moment_of(since)

    async def simulated() -> tuple[Bundle, Simulated]:
        async with wiring.open_house(settings, migrate=False) as house:
            engine = await _engine(house, bundle)
            return engine.bundle, await simulation.simulate(house.database, house.desk, engine, begin, every=every)

    other, result = asyncio.run(simulated())
    typer.echo(f"{other.name} {other.version} {result.bundle}")
    for line in _simulation_lines(result):
        typer.echo(line)
    return 1 if result.discloses else 0


def explain(where: Settings | str, what: str) -> int:
    """Print why a decision is what it is: one of a data folder, or what a bundle decides on stated facts (rule 3)."""
    if what.startswith(f"{PREFIX}_"):
        if isinstance(where, str):
            raise ConfigurationError("A decision is looked up in a data folder; a bundle explains facts.")
        decision, engine = asyncio.run(_decision(where, what))
        lines = _decision_lines(decision, engine)
    else:
        lines = _fact_lines(Engine(bundles.load(folder_of(where if isinstance(where, str) else where.bundle))), what)
    for line in lines:
        typer.echo(line)
    return 0


def moment_of(text: str) -> datetime:
    """A moment as a person writes it (rule 4). Raises `ConfigurationError`."""
    try:
        found = datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        raise ConfigurationError("A moment is a day such as 2026-03-02, or such as 2026-03-02T15:00:00Z.")
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


async def _engine(house: House, name: str) -> Engine:
    """Rule 2. Raises `BundleError`, `AlteredBundleError` and `NotFoundError`."""
    if not _DIGEST.fullmatch(name):
        return Engine(await asyncio.to_thread(bundles.load, folder_of(name)))

    def stored(tx: Transaction) -> Engine:
        # The last digit's place is kept open, so that a whole digest is found too.
        rows = stored_bundles.page(tx, name[:-1], 100)
        found = [row.digest for row in rows if row.digest.startswith(name)]
        if len(found) != 1:
            raise NotFoundError("No stored bundle has this digest, or more than one begins so.")
        return engine_of(tx, house.desk, found[0])

    return await house.database.read(stored)


async def _decision(settings: Settings, decision_id: str) -> tuple[Decision, Engine]:
    async with wiring.open_house(settings, migrate=False) as house:
        try:
            explained = await house.database.write(
                lambda tx: inquiry.decision(tx, house.desk, BY_HAND, decision_id), quietly=True
            )
        except NoBundleError as error:
            raise NotFoundError("The bundle that made this decision is not stored, so nothing explains it.") from error
        found = explained.decision
        return found, await house.database.read(lambda tx: engine_of(tx, house.desk, found.bundle))


def _replay_lines(result: Replayed) -> Iterator[str]:
    log = result.log
    yield f"{result.replayed:,} decisions made again in {result.seconds:.1f} s: {result.different:,} differ"
    yield f"  {result.without_facts:,} others have no facts; {result.unknown_bundle:,} others no stored bundle"
    yield f"  {result.deadline_not_comparable:,} do not say when they were received: their deadlines are not compared"
    yield f"{log.compared:,} compared with their entries in the log: {log.says_otherwise:,} are told otherwise there"
    yield f"  {log.commitment_differs:,} have other facts than their entry commits to"
    yield f"  {log.not_logged:,} have no entry; {log.lost:,} entries have no decision"
    for one in result.differences:
        yield f"{one.decision}: {'; '.join(one.what)}"
        yield f"  {one.situation}"


def _simulation_lines(result: Simulated) -> Iterator[str]:
    yield f"{result.simulated:,} decisions made again; {result.without_facts:,} have no facts and stay as they are"
    before = [one for one in Outcome if any(pair[0] is one for pair in result.outcomes)]
    after = [one for one in Outcome if any(pair[1] is one for pair in result.outcomes)]
    if after:
        yield "before \\ after".ljust(14) + "".join(f"{one.value:>14}" for one in after)
    for row in before:
        yield row.value.ljust(14) + "".join(f"{result.outcomes.get((row, column), 0):>14,}" for column in after)
    for shift in result.shifts:
        yield from _shift_lines(shift)
    if not result.shifts:
        yield "nothing would change"
    yield from _elsewhere_lines(result)


def _shift_lines(shift: Shift) -> Iterator[str]:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(shift.recipients.items()))
    yield f"{shift.kind}: {shift.decisions:,} ({kinds})"
    for one in shift.examples:
        more = f"; gains {' '.join(one.gained)}" if one.gained else ""
        less = f"; loses {' '.join(one.lost)}" if one.lost else ""
        yield f"  {one.decision}: {one.before.value} becomes {one.after.value}{more}{less}"
        yield f"    {one.situation}"


def _elsewhere_lines(result: Simulated) -> Iterator[str]:
    elsewhere = result.elsewhere
    if elsewhere.parts:
        yield f"The facts were derived under other tables. What differs: {', '.join(elsewhere.parts)}."
    if elsewhere.unknown:
        yield f"{elsewhere.unknown:,} decisions were made under bundles that are not stored, by tables not known."
    if elsewhere.parts or elsewhere.unknown:
        yield f"{elsewhere.decisions:,} decisions rest on that; this bundle might derive other facts for them."
    if elsewhere.rows_left_out:
        yield f"{elsewhere.rows_left_out:,} decisions name duty rows that this bundle does not have: left out."


def _decision_lines(decision: Decision, engine: Engine) -> Iterator[str]:
    yield f"{decision.id}, decided {moment(decision.decided_at)} because of {decision.cause}"
    yield f"{engine.bundle.name} {engine.bundle.version} {decision.bundle}"
    owed = [f"by {moment(decision.deadline)}"] if decision.deadline is not None else []
    owed += ["by telephone"] if decision.call else []
    owed += [f"in writing by {moment(decision.written_by)}"] if decision.written_by is not None else []
    yield from _outcome_lines(decision.outcome, decision.categories, owed, decision.notice)
    yield from _policy_lines(engine.bundle, decision.policies)
    facts = history.facts_of(decision)
    if facts is None:
        yield "It was made without facts, so no fact would change it."
        return
    yield history.in_words(facts)
    told = reasons(engine, facts)
    if told.verdict.outcome is not decision.outcome:
        yield f"Made again from its facts it would be {told.verdict.outcome.value}: see `policy replay`."
    yield from _explanation_lines(told.explanation)


def _fact_lines(engine: Engine, text: str) -> Iterator[str]:
    facts = stated(engine.bundle, text)
    told = reasons(engine, facts)
    verdict = told.verdict
    yield f"{engine.bundle.name} {engine.bundle.version} {engine.bundle.digest}"
    yield history.in_words(facts)
    owed = [] if told.deadline is None else [f"within {_spoken(told.deadline)} of receipt"]
    owed += ["by telephone"] if verdict.call else []
    owed += [f"in writing within {span.amount} {span.unit.value.replace('_', ' ')}" for span in told.written]
    categories = [category.value for category in Category if category in verdict.categories]
    yield from _outcome_lines(verdict.outcome, categories, owed, verdict.notice.value)
    yield from (f"error: {error}" for error in verdict.errors)
    yield from _policy_lines(engine.bundle, verdict.policies)
    yield from _explanation_lines(told.explanation)


def _outcome_lines(outcome: Outcome, categories: Sequence[str], owed: Sequence[str], notice: str) -> Iterator[str]:
    yield f"{outcome.value}: {' '.join(categories) or 'nothing leaves'}"
    yield f"Owed: {', '.join(owed) or 'nothing'}; the person is told: {notice.replace('_', ' ')}"


def _policy_lines(bundle: Bundle, policies: Sequence[str]) -> Iterator[str]:
    for name in policies:
        note = bundle.note(name)
        if note is None:
            yield f"{name}: {_NO_POLICY.get(name, 'no policy of this bundle')}"
        else:
            yield f"{name} ({note.effect.value}): {note.basis}"
            yield f"  {note.cite}"


def _explanation_lines(explanation: Explanation | None) -> Iterator[str]:
    if explanation is None:
        yield "An error decided it; no fact would change that."
        return
    alike: dict[tuple[str, Outcome, frozenset[Category]], list[str]] = {}
    for change in explanation.changes:
        alike.setdefault((change.fact, change.outcome, change.categories), []).append(change.value)
    yield "A single other fact would change it:" if alike else "No single other fact would change it."
    for (fact, outcome, permitted), values in alike.items():
        leaving = " ".join(category.value for category in Category if category in permitted)
        yield f"  {fact} = {' or '.join(values)}: {outcome.value}{f' {leaving}' if leaving else ''}"
    if explanation.deciding_unknowns:
        yield f"Not known, and it decides: {', '.join(explanation.deciding_unknowns)}"
    else:
        yield "No fact that is not known decides it."


def _spoken(span: timedelta) -> str:
    hours, minutes = divmod(int(span.total_seconds()) // 60, 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes))
