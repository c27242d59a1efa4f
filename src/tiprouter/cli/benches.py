"""Which benchmarks are there, and what does each start?

Each prints figures of this machine and changes nothing but what it made itself. As in `main`, nothing is imported
until a command runs.
"""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(help="Figures of this machine.", no_args_is_help=True)


DatabaseUrl = Annotated[
    str | None, typer.Option(help="An empty PostgreSQL database of its own; else a temporary SQLite file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]
Endpoints = Annotated[str, typer.Option(help="How many live endpoints, one shape each.")]
Dead = Annotated[str, typer.Option(help="Percent of all endpoints that are dead, one shape each.")]


@bench.command("withdrawal")
def bench_withdrawal(
    database_url: DatabaseUrl = None,
    rounds: Annotated[int, typer.Option(min=1, help="How many withdrawals of each shape are counted.")] = 5,
) -> None:
    """How long a withdrawal takes until it is committed, with 1,000 deliveries waiting. Exit 1 from 200 ms on."""
    from tiprouter.cli import withdrawal_bench

    raise typer.Exit(withdrawal_bench.run(database_url, rounds))


@bench.command("log")
def bench_log(
    entries: Annotated[int, typer.Option(min=1, help="How large the log becomes.")] = 1_000_000,
    database_url: DatabaseUrl = None,
) -> None:
    """How fast the log grows, starts and proves at each power of ten."""
    from tiprouter.cli import log_bench

    raise typer.Exit(log_bench.run(entries, database_url))


@bench.command("entry")
def bench_entry(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="How often each story is told in each way.")] = 200,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """By how much its log entry slows a business transaction. Exit 1 when by more than 15 percent."""
    from tiprouter.cli import entry_bench

    raise typer.Exit(entry_bench.run(database_url, rounds, as_json=as_json))


@bench.command("deliver")
def bench_deliver(
    *,
    endpoints: Endpoints = "1,64,1000",
    dead: Dead = "0,50",
    deliveries: Annotated[int, typer.Option(min=1, help="How many go to live endpoints in each shape.")] = 1_000,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """How many deliveries a second a worker makes, and how long one takes at half of that, beside a bare client."""
    from tiprouter.cli import deliver_bench

    shapes = deliver_bench.shapes(endpoints, dead)
    raise typer.Exit(deliver_bench.run(database_url, shapes, deliveries, as_json=as_json))


@bench.command("journey")
def bench_journey(
    *,
    endpoints: Endpoints = "1,64,1000",
    dead: Dead = "0,50",
    tips: Annotated[int, typer.Option(min=1, help="How many are accepted in each way.")] = 500,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """How many tips a second come to their agencies, and how long after its acceptance each does."""
    from tiprouter.cli import deliver_bench, journey_bench

    shapes = deliver_bench.shapes(endpoints, dead)
    raise typer.Exit(journey_bench.run(database_url, shapes, tips, as_json=as_json))


@bench.command("resume")
def bench_resume(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="How many workers are killed.")] = 5,
    in_flight: Annotated[int, typer.Option(min=1, max=36, help="How many attempts each of them has begun.")] = 24,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """How long a delivery waits whose worker was killed. Exit 1 when one waits for more than five seconds."""
    from tiprouter.cli import resume_bench

    raise typer.Exit(resume_bench.run(database_url, rounds, in_flight, as_json=as_json))


@bench.command("intake")
def bench_intake(
    *,
    callers: Annotated[int, typer.Option(min=1, help="How many send at once.")] = 16,
    tips: Annotated[int, typer.Option(min=1, help="How many are sent in each way.")] = 300,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """How many tips a second the edge takes, and how long a caller waits, beside a bare endpoint."""
    from tiprouter.cli import intake_bench

    raise typer.Exit(intake_bench.run(database_url, callers, tips, as_json=as_json))


@bench.command("slow-callers")
def bench_slow_callers(
    *,
    slow: Annotated[int, typer.Option(min=3, help="How many slow connections are opened.")] = 1_000,
    rate: Annotated[float, typer.Option(min=1, help="Tips a second that honest callers send.")] = 5.0,
    head_seconds: Annotated[float, typer.Option(min=0.5, help="The service's deadline for heads.")] = 5.0,
    body_seconds: Annotated[
        float, typer.Option(min=0.5, help="Its deadline for bodies, and for taking answers.")
    ] = 10.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often both are measured, in turns.")] = 3,
    as_json: AsJson = False,
) -> None:
    """When slow callers are dropped, and how long honest ones wait beside them. Exit 1 when one was dropped late."""
    from tiprouter.cli import slow_bench

    raise typer.Exit(slow_bench.run(slow, rate, (head_seconds, body_seconds), rounds, as_json=as_json))


@bench.command("years")
def bench_years(  # noqa: PLR0913 - each is the shape of a load
    *,
    years: Annotated[float, typer.Option(min=0.01, help="How many years of history.")] = 18,
    signals_a_day: Annotated[float, typer.Option(min=1, help="Signals a day at the end of them.")] = 137,
    of: Annotated[str, typer.Option(help="1/N plays one day in N, and estimates the whole.")] = "1/100",
    burst: Annotated[float, typer.Option(min=0, help="One more day with so many times its signals; 0 is none.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed is the same history.")] = 1,
    folder: Annotated[Path | None, typer.Option(help="Keep it there, and go on with what was begun there.")] = None,
    minutes: Annotated[float, typer.Option(min=0, help="End with the day in which so many are over; 0: the last.")] = 0,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Years of a national hotline, invented: accepted, decided, delivered, logged and verified. Exit 1 if not all.

    Where it stopped before the end, exit 3: the same command goes on.
    """
    from tiprouter.cli import national, years_bench

    shape = national.Shape(signals_a_day=signals_a_day, years=years)
    sitting = years_bench.Sitting(folder, minutes)
    part = years_bench.part_of(of)
    raise typer.Exit(years_bench.run(database_url, shape, part, burst, seed, sitting, as_json=as_json))


@bench.command("all")
def bench_all(
    *,
    tips: Annotated[int, typer.Option(min=1, help="How many are sent in each way.")] = 300,
    processes: Annotated[str, typer.Option(help="How many processes: 1, 2 and 4, one row each.")] = "1,2,4",
    as_json: AsJson = False,
) -> None:
    """The whole service on SQLite and PostgreSQL by 1, 2 and 4 processes, beside this machine's own limits."""
    from tiprouter.cli import all_bench

    raise typer.Exit(all_bench.run(tips, all_bench.counts_of(processes), as_json=as_json))


@bench.callback()
def _group() -> None:
    """One command alone is named too."""
