"""Which commands are there, and what does each start?

1. Nothing but the command line's own library is imported until a command runs, so that `--help` answers at once.
2. A refusal of ours is one clear line and exit code 1; a defect is its class and place, never its message, and 70.
3. Options override the settings `TIPROUTER_...`, which override the defaults.
"""

# ruff: noqa: PLC0415

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tiprouter.cli.benches import bench
from tiprouter.cli.callers import clients, credentials
from tiprouter.cli.deliveries import deliveries, replays
from tiprouter.cli.keys import erase, keys
from tiprouter.cli.log_keeping import register
from tiprouter.cli.matters import register as register_matters
from tiprouter.cli.people import people
from tiprouter.cli.second_words import second_words
from tiprouter.cli.signing_in import register as register_sign_in
from tiprouter.errors import TiprouterError

EXIT_DEFECT = 70  # EX_SOFTWARE of sysexits(3)

app = typer.Typer(
    name="tiprouter",
    help="A consent-gated disclosure router for human-trafficking hotlines.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 110},
)
audit = typer.Typer(help="The audit log, seen from outside.", no_args_is_help=True)
credential = typer.Typer(help="Who may call the service.", no_args_is_help=True)
policy = typer.Typer(help="The policy bundle.", no_args_is_help=True)
duties = typer.Typer(help="The duty table: who must be told of a child, and by when.", no_args_is_help=True)
app.add_typer(audit, name="audit")
app.add_typer(credential, name="credential")
app.add_typer(credentials, name="credentials")
app.add_typer(clients, name="clients")
app.add_typer(policy, name="policy")
app.add_typer(duties, name="duties")
app.add_typer(deliveries, name="deliveries")
app.add_typer(replays, name="replays")
page = typer.Typer(help="Pages to people.", no_args_is_help=True)
app.add_typer(page, name="page")
app.add_typer(bench, name="bench")
app.add_typer(keys, name="keys")
app.add_typer(erase, name="erase")
register(app, audit)
app.add_typer(people, name="people")
app.add_typer(second_words, name="second-words")
register_sign_in(app)
register_matters(audit)

Data = Annotated[Path | None, typer.Option(help="Folder for the embedded database, keys and the log's files.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65_535)]
BundleArgument = Annotated[str, typer.Argument(help="A shipped bundle's name, or a folder.")]
BundleName = Annotated[str | None, typer.Option(help="A shipped bundle's name, or the folder of another one.")]


@contextmanager
def loading() -> Iterator[None]:
    """Load what stays for good: the collector looks at none of it, now or later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@app.command()
def serve(  # noqa: PLR0913 - one option each
    *,
    host: Host = None,
    port: Port = None,
    data: Data = None,
    bundle: BundleName = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Fictional data only; deliver to loopback only.")] = False,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Let other processes deliver.")] = False,
    no_sequencer: Annotated[bool, typer.Option("--no-sequencer", help="Let other processes keep the log.")] = False,
) -> None:
    """Run the service: API, delivery and audit log."""
    with loading():
        from tiprouter.cli import service

    settings = service.configured(host=host, port=port, data=data, bundle=bundle, sandbox=sandbox or None)
    raise typer.Exit(service.serve(settings, worker=not no_worker, sequencer=not no_sequencer))


@app.command()
def worker(
    data: Data = None,
    bundle: BundleName = None,
    *,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Deliver to loopback only.")] = False,
) -> None:
    """Deliver, beside a `serve`."""
    with loading():
        from tiprouter.cli import service

    settings = service.configured(data=data, bundle=bundle, sandbox=sandbox or None)
    raise typer.Exit(service.work(settings))


@app.command()
def sequencer(data: Data = None) -> None:
    """Keep the audit log, or stand by to, beside a `serve`."""
    with loading():
        from tiprouter.cli import service

    raise typer.Exit(service.keep(service.configured(data=data)))


@app.command()
def migrate(
    revision: Annotated[str, typer.Argument(help="`head`, `base`, or a revision.")] = "head",
    data: Data = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before going back.")] = False,
) -> None:
    """Bring the database to a schema revision."""
    from tiprouter.cli import service

    settings = service.configured(data=data)
    if revision != "head" and not yes:
        typer.confirm("Going back to an older schema destroys what only the newer one can hold. Go on?", abort=True)
    service.migrate(settings, revision)


@app.command()
def openapi(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with openapi/openapi.json; exit 1 if unlike.")
    ] = False,
) -> None:
    """Print the API's OpenAPI document."""
    from tiprouter.cli import service

    raise typer.Exit(service.openapi(check=check))


@app.command()
def doctor(
    data: Data = None,
    host: Host = None,
    bundle: BundleName = None,
    *,
    production: Annotated[
        bool, typer.Option("--production", help="Look for what is unsafe for real data too.")
    ] = False,
) -> None:
    """Look for what keeps the service from starting or from being safe."""
    from tiprouter.cli import doctor as examination
    from tiprouter.cli import service

    raise typer.Exit(examination.run(service.configured(data=data, host=host, bundle=bundle), production=production))


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Exit when done: 0 only if everything was as promised.")] = False,
    data: Annotated[Path, typer.Option(help="Each run makes a new folder in this one.")] = Path("var/demo"),
    port: Annotated[int, typer.Option(help="The service's port; 0 takes a free one.", min=0, max=65_535)] = 0,
) -> None:
    """Run the real service on fictional tips and check its promises."""
    from tiprouter.cli import demo as performance

    raise typer.Exit(performance.run(data, port, once=once))


@app.command(hidden=True)
def sandbox_agency(
    folder: Annotated[Path, typer.Option(help="Where keys are read and receipts are written.")],
    busy: Annotated[list[str] | None, typer.Option(help="NAME:COUNT answers 503 to its first COUNT messages.")] = None,
) -> None:
    """Play the partner agencies of the demo, on loopback."""
    from tiprouter.cli import agency

    agency.run(folder, busy or [])


@app.command("agency")
def misbehaving_agency(
    *,
    behaviour: Annotated[str, typer.Option(help="What the agency does wrong.")] = "ok",
    behaviours: Annotated[bool, typer.Option("--behaviours", help="List what an agency can do wrong.")] = False,
    port: Annotated[int, typer.Option(help="The port on loopback; 0 takes a free one.", min=0, max=65_535)] = 0,
    authority: Annotated[Path | None, typer.Option(help="File for the certificate to trust, with TLS.")] = None,
) -> None:
    """Play an agency that misbehaves in one way, on loopback, to see what a sender makes of it."""
    from tiprouter.cli import agency

    if behaviours:
        agency.list_behaviours()
        return
    raise typer.Exit(agency.misbehave(behaviour, port, authority))


@audit.command("verify")
def audit_verify(  # noqa: PLR0913, PLR0917 - one option each
    log: Annotated[str, typer.Argument(help="A log's folder, data folder, .tar or URL; an audit bundle; a proof.")],
    key: Annotated[str | None, typer.Option(help="The log's verifier key, as got from elsewhere.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="A file that holds the verifier key.")] = None,
    remember: Annotated[Path | None, typer.Option(help="File that keeps the last checkpoint seen.")] = None,
    policy: Annotated[Path | None, typer.Option(help="A C2SP tlog-policy file: keys, witnesses, quorum.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="An auditor's token, for entries behind a URL.")] = None,
    entry: Annotated[Path | None, typer.Option(help="With a .tlog-proof: the entry that it is of.")] = None,
) -> None:
    """Verify the log offline, from files alone; exit 1 and say where when something is wrong."""
    from tiprouter.cli import auditing, lone_proofs

    known, trusted = auditing.chosen_key(key, key_file), auditing.chosen_policy(policy)
    if entry is not None or lone_proofs.is_proof(log):
        raise typer.Exit(lone_proofs.verify(log, entry, known, trusted))
    raise typer.Exit(auditing.verify(log, known, remember, trusted, auditing.chosen_key(None, token_file)))


@audit.command("key")
def audit_key(data: Data = None) -> None:
    """Print the log's verifier key, for auditors to have from elsewhere than the log's folder."""
    from tiprouter.cli import service

    service.print_key(service.configured(data=data))


@credential.command("create")
def credential_create(
    role: Annotated[str, typer.Option(help="intake, reviewer, auditor, operator, counsel or agency.")],
    recipient: Annotated[str | None, typer.Option(help="The recipient's id; for an agency, and only then.")] = None,
    data: Data = None,
) -> None:
    """Make a credential and print its token, which cannot be shown again."""
    from tiprouter.cli import service

    service.create_credential(service.configured(data=data), role, recipient)


@credential.command("revoke")
def credential_revoke(credential_id: str, data: Data = None) -> None:
    """End a credential at once."""
    from tiprouter.cli import service

    service.revoke_credential(service.configured(data=data), credential_id)


@policy.command("check")
def policy_check(bundle: BundleArgument) -> None:
    """Prove a bundle: lint, golden table, ceiling, floor, laws over the whole fact space. Exit 1 unless all hold."""
    from tiprouter.cli import policies

    raise typer.Exit(policies.check(bundle))


@policy.command("diff")
def policy_diff(
    before: Annotated[str, typer.Argument(help="The bundle that decides now.")],
    after: Annotated[str, typer.Argument(help="The bundle that would.")],
) -> None:
    """Every situation that a change of bundle would newly disclose or withhold. Exit 1 when anything newly leaves."""
    from tiprouter.cli import policies

    raise typer.Exit(policies.diff(before, after))


@policy.command("compare")
def policy_compare(
    bundle: BundleArgument,
    decisions: Annotated[int, typer.Option(min=1, help="How many real Cedar decisions to compare.")] = 10_000,
) -> None:
    """Compare Cedar's own decisions with the compiled text that the proofs are about. Exit 1 when any differs."""
    from tiprouter.cli import policies

    raise typer.Exit(policies.compare(bundle, decisions))


@policy.command("show")
def policy_show(bundle: BundleName = None) -> None:
    """Print the bundle's name, digest and policies, with the basis and source of each."""
    from tiprouter.cli import service

    service.show_policy(service.configured(bundle=bundle))


@policy.command("replay")
def policy_replay(
    since: Annotated[str | None, typer.Option(help="From this day or RFC 3339 moment on; else from the first.")] = None,
    data: Data = None,
) -> None:
    """Make every stored decision again under the bundle of its day. Exit 1 when any comes out otherwise."""
    from tiprouter.cli import history, service

    raise typer.Exit(history.replay(service.configured(data=data), since))


@policy.command("simulate")
def policy_simulate(
    bundle: BundleArgument,
    since: Annotated[str, typer.Option(help="A day or RFC 3339 moment: decisions that stood from then on.")],
    data: Data = None,
    *,
    every: Annotated[bool, typer.Option("--every", help="Replaced decisions too.")] = False,
) -> None:
    """What another bundle would have decided, over stored facts. Exit 1 when anything would newly leave."""
    from tiprouter.cli import history, service

    raise typer.Exit(history.simulate(service.configured(data=data), bundle, since, every=every))


@policy.command("explain")
def policy_explain(
    what: Annotated[str, typer.Argument(help="A decision's id, or facts such as age=minor;duty=required;rows=us-tx.")],
    bundle: Annotated[str | None, typer.Option(help="Ask this bundle about facts; else the one in force.")] = None,
    data: Data = None,
) -> None:
    """Why a decision came out as it did, what single fact would change it, and which unknown fact decides."""
    from tiprouter.cli import history, service

    raise typer.Exit(history.explain(bundle or service.configured(data=data), what))


@policy.command("bench")
def policy_bench() -> None:
    """Print how fast the gate and a decision are on this machine."""
    from tiprouter.cli import bench

    bench.run()


@duties.command("lint")
def duties_lint(bundle: BundleArgument = "survivor-led") -> None:
    """Say what is wrong, missing, stale or in need of a human in a bundle's duty table. Exit 1 when it is wrong."""
    from tiprouter.cli import duties as table

    raise typer.Exit(table.lint(bundle))


@duties.command("page")
def duties_page(bundle: BundleArgument = "survivor-led") -> None:
    """Print the duty table as a page to read: docs/duties.md is the shipped bundle's."""
    from tiprouter.cli import duties as table

    table.page(bundle)


@duties.command("show")
def duties_show(
    code: Annotated[str, typer.Argument(help="A jurisdiction's code, such as US-TX.")],
    bundle: BundleArgument = "survivor-led",
) -> None:
    """Print one jurisdiction's duties in words, with their sources."""
    from tiprouter.cli import duties as table

    raise typer.Exit(table.show(bundle, code))


@page.callback()
def paging() -> None:
    """Pages to people."""


@page.command("test")
def page_test() -> None:
    """Send a test page through each channel, and say what came of it. Exit 1 when one failed, or none is there."""
    from tiprouter.cli import paging as channels
    from tiprouter.cli import service

    raise typer.Exit(channels.test(service.configured()))


def run() -> None:
    """Run the command line (rule 2)."""
    try:
        app()
    except TiprouterError as error:
        typer.secho(f"tiprouter: {error}", err=True, fg="red")
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - a traceback would show messages, which may quote data
        from tiprouter.cli.logs import described

        said = described(error)
        typer.secho(f"tiprouter: a defect: {said['error']} at {', '.join(said['frames'])}", err=True, fg="red")
        sys.exit(EXIT_DEFECT)
