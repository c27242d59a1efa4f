"""Which benchmarks are there, and what does each start?

Each prints figures of this machine and changes nothing but what it made itself. As in `main`, nothing is imported
until a command runs.
"""

# ruff: noqa: PLC0415

from typing import Annotated

import typer

bench = typer.Typer(help="Figures of this machine.", no_args_is_help=True)


@bench.command("withdrawal")
def bench_withdrawal(
    database_url: Annotated[
        str | None, typer.Option(help="An empty PostgreSQL database of its own; else a temporary SQLite file.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How many withdrawals of each shape are counted.")] = 5,
) -> None:
    """How long a withdrawal takes until it is committed, with 1,000 deliveries waiting. Exit 1 from 200 ms on."""
    from tiprouter.cli import withdrawal_bench

    raise typer.Exit(withdrawal_bench.run(database_url, rounds))


@bench.command("log")
def bench_log(
    entries: Annotated[int, typer.Option(min=1, help="How large the log becomes.")] = 1_000_000,
    database_url: Annotated[
        str | None, typer.Option(help="An empty PostgreSQL database of its own; else a temporary SQLite file.")
    ] = None,
) -> None:
    """How fast the log grows, starts and proves at each power of ten."""
    from tiprouter.cli import log_bench

    raise typer.Exit(log_bench.run(entries, database_url))


@bench.callback()
def _group() -> None:
    """One command alone is named too."""
