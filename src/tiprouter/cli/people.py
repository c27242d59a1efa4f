"""How does an operator look after the staff's accounts from a terminal?

Every command is a request to the running service, under the operator's own session or token (`cli/deliveries.py`).
"""

from typing import Annotated, Any, Final

import typer

from tiprouter.cli.deliveries import at_the_door, request, show
from tiprouter.errors import ConfigurationError

people = typer.Typer(help="Who may sign in: invite, suspend, restore, end.", no_args_is_help=True)
people.callback()(at_the_door)
_NOUNS: Final = {"acc_": "people", "cal_": "credentials", "clt_": "clients", "chg_": "endpoint-changes"}


@people.command("invite")
def invite(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="What the person types to sign in.")],
    name: Annotated[str, typer.Argument(help="Who they are; operators alone read it.")],
    role: Annotated[str, typer.Option(help="reviewer, auditor, operator, counsel or custodian.")],
    *,
    way: Annotated[str, typer.Option(help="local: password and one-time codes; oidc: identity provider.")] = "local",
    subject: Annotated[str | None, typer.Option(help="The identity provider's `sub`, where it is known.")] = None,
) -> None:
    """Invite somebody. The invitation is printed once; it is good for 72 hours."""
    wanted: dict[str, Any] = {"email": email, "name": name, "role": role, "way": way}
    show(request(context, "POST", "/v1/people", body=wanted | ({} if subject is None else {"subject": subject})))


@people.command("confirm")
def confirm(
    context: typer.Context,
    given: Annotated[str, typer.Argument(help="acc_..., cal_..., clt_..., or chg_... of an agency that waits.")],
) -> None:
    """Confirm what another operator gave: an account, a credential or its new key, a client or its keys, an agency."""
    noun = _NOUNS.get(given[:4])
    if noun is None:
        raise ConfigurationError("An id begins with acc_, cal_, clt_ or chg_.")
    show(request(context, "POST", f"/v1/{noun}/{given}/confirm", body={}))


@people.command("list")
def list_people(context: typer.Context, limit: Annotated[int, typer.Option(min=1, max=200)] = 50) -> None:
    """List accounts, newest first: what each may do, how they sign in, and the last day they were here."""
    for one in request(context, "GET", "/v1/people", {"limit": str(limit)})["items"]:
        listed = [one[name] or "-" for name in ("id", "state", "role", "way", "seen_on", "email")]
        typer.echo("  ".join(listed))


@people.command("suspend")
def suspend(context: typer.Context, account_id: str) -> None:
    """Suspend an account; every session of it ends at once."""
    show(request(context, "POST", f"/v1/people/{account_id}/suspend", body={}))


@people.command("restore")
def restore(context: typer.Context, account_id: str) -> None:
    """Let a suspended account sign in again."""
    show(request(context, "POST", f"/v1/people/{account_id}/restore", body={}))


@people.command("end")
def end(context: typer.Context, account_id: str) -> None:
    """End an account for good."""
    request(context, "DELETE", f"/v1/people/{account_id}")
    typer.echo("Ended.")
