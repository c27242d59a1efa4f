"""Does the router do what it promises? See for yourself, on fictional tips, in some ten seconds.

1. The real service runs as a process of its own, in its sandbox; partner agencies run in another one.
2. Every scene is played over HTTP; each outcome, each arriving byte and the log are compared with what the scene
   promises.
3. With `--once` the exit code is the verdict: 0 only if everything was as promised. Otherwise the service keeps
   running, so that one can look at it, until Ctrl-C.
"""

import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tiprouter.cli import judge
from tiprouter.cli.agency import RECEIPTS_FILE
from tiprouter.cli.play import SETTLE_SECONDS, Company, Played, accepted, play
from tiprouter.cli.scenes import NOBODY, resolve, scenes
from tiprouter.cli.stage import Interrupted, Stage, StageError, set_up, wait_for

BUSY: Final = "az-police:2"
AT_ONCE: Final = 2
INTERRUPTED: Final = 130
_LEAVES: Final = ("REPORT", "DISCLOSE")
_FAILED: Final = "A policy failed while it was asked; nothing leaves, and a human is told."
# Several policies may determine one outcome; the line shows the one that tells most, by the first match in this list.
_TELLING: Final = (
    *("guard.implicated", "guard.unusable", "guard.agreement", "guard.jurisdiction", "tenant.", "review."),
    *("guard.provider-consent", "guard.unknown-age", "guard.minor-authority", "guard.adult-minimum", "guard.", ""),
)


def run(parent: Path, port: int, *, once: bool) -> int:
    """Play the demo; the exit code (rule 3)."""
    console = Console()
    try:
        with set_up(parent) as stage:
            return _perform(stage, port, console, once=once)
    except Interrupted:
        console.print("Ended.")
        return INTERRUPTED if once else 0


def _perform(stage: Stage, port: int, console: Console, *, once: bool) -> int:
    began = time.monotonic()
    console.print(f"Starting the service and the agencies in {stage.folder} ...", highlight=False, soft_wrap=True)
    stage.start(port, BUSY)
    company = Company(stage.service_url(), stage.operator_token())
    try:
        company.hire()
        stage.give_keys(company.register(stage.agencies_url()))
        console.print(f"{len(company.names)} agencies registered; {time.monotonic() - began:.1f} s.\n", highlight=False)
        played = _play_all(stage, company, console)
        wrong = _judge(stage, played, console)
        _summarise(stage, played, console)
        console.print(f"\nTook {time.monotonic() - began:.1f} s.", highlight=False)
        for one in wrong:
            console.print(f"[red]Not as promised:[/red] {escape(one)}", highlight=False, soft_wrap=True)
        if not wrong:
            console.print("[green]Everything was as promised.[/green]")
        if not once:
            _invite(stage, company, console)
            _keep_serving(stage)
        return 1 if wrong else 0
    finally:
        company.close()


def _play_all(stage: Stage, company: Company, console: Console) -> list[Played]:
    """Play every scene, a few at a time as a busy hotline would, and show each in its order."""
    done: list[Played] = []
    explained: set[str] = set()
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hotline")
    try:
        for number, played in enumerate(pool.map(lambda scene: play(scene, company, stage), scenes()), 1):
            done.append(played)
            console.print(_shown(number, played, _told(stage, played), _not_told(company, played, explained)))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return done


def _shown(number: int, played: Played, told: str, not_told: Sequence[str]) -> Table:
    scene = played.scene
    rules = ", ".join(str(rule) for rule in scene.rules)
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", width=3)
    table.add_column()
    table.add_row(f"{number}.", f"[bold]{escape(scene.title)}[/bold] [dim](rule {rules})[/dim]")
    table.add_row("", f"[italic]{escape(scene.why)}[/italic]")
    table.add_row("", f"told: {told}")
    for line in not_told:
        table.add_row("", line)
    return table


def _told(stage: Stage, played: Played) -> str:
    receipts = accepted(stage)
    said = []
    for told in played.told:
        arrived = receipts.get(told.delivery)
        took = f"{_ms(told.caused_at, arrived[0])} ms" if arrived else "[yellow]busy, is tried again[/yellow]"
        said.append(f"[green]{told.recipient}[/green] {told.what} {took}")
    return ", ".join(said) or "nobody"


def _not_told(company: Company, played: Played, explained: set[str]) -> list[str]:
    """The last outcomes of a scene, grouped by the policy that tells most; its words once, where it first appears."""
    nicknames = {recipient_id: name for name, recipient_id in company.names.items()}
    last = {(one["record"], one["person"]["id"], (one["recipient"] or {}).get("id")): one for one in played.outcomes}
    groups: dict[tuple[str, str], dict[str, None]] = {}
    words: dict[str, str] = {}
    for (_, _, recipient), one in last.items():
        if one["outcome"] not in _LEAVES:
            name = NOBODY if recipient is None else nicknames[recipient]
            policy, words_of = _why(company, one)
            words[policy] = words_of
            groups.setdefault((one["outcome"], policy), {})[name] = None
    lines = []
    for (outcome, policy), names in groups.items():
        colour = "dim" if outcome == "WITHHOLD" else "yellow"
        said = "" if policy in explained else f": {escape(words[policy])}"
        explained.add(policy)
        lines.append(f"[{colour}]{outcome}[/{colour}] {', '.join(names)} [dim]by[/dim] {policy}{said}")
    return lines


def _why(company: Company, outcome: Mapping[str, Any]) -> tuple[str, str]:
    """The policy that tells most of why, and its words as an auditor is told them."""
    if outcome["outcome"] == "HOLD_ERROR":
        return "the router", _FAILED
    bases = company.basis(outcome)
    telling = next(name for start in _TELLING for name in bases if name.startswith(start))
    return telling, bases[telling]


def _ms(since: float, receipt: Mapping[str, Any]) -> int:
    return round((float(receipt["at"]) - since) * 1000)


def _judge(stage: Stage, played: Sequence[Played], console: Console) -> list[str]:
    """Wait until nothing is under way, then compare everything with what was promised (rule 2)."""
    expected = {told.delivery for one in played for told in one.told}
    console.print("\nWaiting until everything has arrived and is in the signed log ...")

    def settled() -> bool:
        if stage.failed() is not None:
            raise StageError(f"A process ended by itself: {stage.failed()}.")
        known = judge.ledger(judge.entries_of(stage.log))
        return not known.under_way and expected <= known.made and not judge.missing_decisions(played, known)

    wrong: list[str] = []
    try:
        wait_for(settled, "something is still under way", SETTLE_SECONDS)
    except StageError as error:
        wrong.append(str(error))
    report, failed = judge.verify(stage.log, stage.key())
    if report.ok:
        console.print(f"The log verifies offline under the service's own key: {report.size} entries.", highlight=False)
    known, receipts = judge.ledger(judge.entries_of(stage.log)), stage.receipts()
    wrong += failed + judge.missing_decisions(played, known) + judge.arrivals(receipts, known)
    for one in played:
        wrong += [f"{one.scene.title}: {fault}" for fault in one.wrong + judge.messages(one, receipts)]
    return wrong


def _summarise(stage: Stage, played: Sequence[Played], console: Console) -> None:
    counts = Counter(outcome["outcome"] for one in played for outcome in one.outcomes)
    receipts = accepted(stage)
    busy = {one["webhook_id"] for one in stage.receipts() if one["became"] == "busy"}
    told = [one for scene in played for one in scene.told if one.delivery in receipts]
    prompt = sorted(_ms(one.caused_at, receipts[one.delivery][0]) for one in told if one.delivery not in busy)
    late = [_ms(one.caused_at, receipts[one.delivery][0]) for one in told if one.delivery in busy]
    console.print(f"\n{len(played)} scenes; outcomes: " + ", ".join(f"{n} {name}" for name, n in counts.most_common()))
    if prompt:
        middle = statistics.median(prompt)
        console.print(
            f"{len(told)} messages arrived, each once, each rightly signed. From the hotline's request to the "
            f"agency's receipt: p50 {middle:.0f} ms, max {prompt[-1]} ms"
            + (f"; {late[0] / 1000:.1f} s for the agency that was busy twice." if late else "."),
            highlight=False,
        )


def _invite(stage: Stage, company: Company, console: Console) -> None:
    """What to try next: lines that work while the service runs."""
    intake, auditor, reviewer = (
        f'curl -s -H "Authorization: Bearer {company.tokens[role]}"' for role in ("intake", "auditor", "reviewer")
    )
    tip = stage.folder / "tip.json"
    tip.write_text(json.dumps(_another_tip(company), indent=2))
    sent = f'-H "Content-Type: application/json" -H "Idempotency-Key: try-1" -d @{tip}'
    lines = [
        "\n[bold]What to try next[/bold] (everything below works until Ctrl-C)",
        f"The API's pages:        {company.url}/docs",
        f'Send a tip (again!):    {intake} {sent} "{company.url}/v1/tips"',
        f'Held for a human:       {reviewer} "{company.url}/v1/decisions?outcome=HOLD_REVIEW&current=true&limit=3"',
        f'What a human was told:  {reviewer} "{company.url}/v1/notices?limit=3"',
        f'What went out:          {auditor} "{company.url}/v1/disclosures?limit=3"',
        f'The signed log:         curl -s "{company.url}/v1/audit/checkpoint"',
        f"Verify it offline:      ./tiprouter audit verify {stage.log} --key-file {stage.key_file}",
        f"What agencies received: tail -n 1 {stage.folder / RECEIPTS_FILE}",
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _another_tip(company: Company) -> dict[str, Any]:
    """The first child's tip once more, as another signal."""
    scene = next(one for one in scenes() if "child-one-state" in one.slug)
    tip: dict[str, Any] = resolve(scene.steps[0]["tip"], datetime.now(UTC), company.names, ())
    return tip | {"external_id": "T-try-1"}


def _keep_serving(stage: Stage) -> None:
    while stage.failed() is None:
        time.sleep(0.2)
    raise StageError(f"A process ended by itself: {stage.failed()}.")
