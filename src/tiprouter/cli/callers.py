"""How does an operator tend who may call, from a terminal on the service's own machine?

1. Every change is a story like any other, told by the command line as an operator, and leaves its audit entry. It waits
   for no second operator: whoever is at the machine has its keys. The log says `alone`.
2. A token is printed to standard output, once, and logged nowhere.
3. What is printed is JSON, one object a line, as the API spells it.
"""

# ruff: noqa: PLC0415

import asyncio
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tiprouter.errors import ConfigurationError

credentials = typer.Typer(help="API keys: list, make, rotate, revoke.", no_args_is_help=True)
clients = typer.Typer(help="Systems that sign in with keys of their own (OAuth).", no_args_is_help=True)

_LISTED_MAX: Final = 1_000

Data = Annotated[Path | None, typer.Option(help="Folder for the embedded database, keys and the log's files.")]
Role = Annotated[str, typer.Option(help="intake, reviewer, auditor, operator, counsel or agency.")]
Recipient = Annotated[str | None, typer.Option(help="The recipient's id; for an agency, and only then.")]
Label = Annotated[str | None, typer.Option(help="What the system is called, never a person: [a-z0-9._-].")]
Scope = Annotated[list[str] | None, typer.Option(help="Only this scope, such as tips:write; repeatable.")]
Holder = Annotated[str | None, typer.Option(help="Account id of the person in whose hands it is (acc_...).")]
Days = Annotated[int, typer.Option(min=1, max=730, help="Days until the key ends.")]
KeyFile = Annotated[Path, typer.Option(help="File with a JWK Set (RFC 7517) of public keys.")]


@credentials.command("list")
def list_credentials(data: Data = None) -> None:
    """List credentials with the public part of each key, when it ends and when it was used last."""
    from tiprouter.api.schemas.credentials import CredentialBody
    from tiprouter.workflow import credentials as story

    for caller, keys in _tell(data, lambda tx, _: story.listed(tx, None, _LISTED_MAX)):
        typer.echo(CredentialBody.of(caller, keys).rendered())


@credentials.command("make")
def make_credential(  # noqa: PLR0913 - as many options as the request has fields
    role: Role,
    *,
    recipient: Recipient = None,
    label: Label = None,
    scope: Scope = None,
    holder: Holder = None,
    days: Days = 365,
    certificate: Annotated[str | None, typer.Option(help="x5t#S256 of the certificate it is bound to.")] = None,
    data: Data = None,
) -> None:
    """Make a credential and print its token, which cannot be shown again."""
    from tiprouter.api.schemas.credentials import CredentialWanted
    from tiprouter.workflow import credentials as story

    wanted = _parsed(
        CredentialWanted.model_validate,
        {
            "role": role,
            "recipient_id": recipient,
            "label": label,
            "scopes": scope or None,
            "holder_id": holder,
            "expires_days": days,
            "certificate": certificate,
        },
    )
    narrowed = _narrowed(wanted.role, wanted.scopes)
    terms = story.Terms(wanted.label, narrowed, wanted.expires_days, wanted.certificate, wanted.holder_id)
    caller, token = _tell(
        data, lambda tx, desk: story.make(tx, desk, _by_hand(), wanted.role, wanted.recipient_id, terms)
    )
    typer.echo(json.dumps({"id": caller.id, "role": caller.role, "token": token}))


@credentials.command("rotate")
def rotate_credential(
    credential_id: str,
    *,
    overlap_days: Annotated[int, typer.Option(min=0, max=7, help="Days in which the old key is good too.")] = 1,
    days: Days = 365,
    data: Data = None,
) -> None:
    """Give a credential a new key and print its token, which cannot be shown again."""
    from tiprouter.domain.redaction import stamp
    from tiprouter.workflow import credentials as story

    done = _tell(data, lambda tx, desk: story.rotate(tx, desk, _by_hand(), credential_id, overlap_days, days))
    old_end_at = None if done.old_end_at is None else stamp(done.old_end_at)
    typer.echo(json.dumps({"id": credential_id, "token": done.token, "old_end_at": old_end_at}))


@clients.command("list")
def list_clients(data: Data = None) -> None:
    """List clients with their public keys."""
    from tiprouter.api.schemas.clients import ClientBody
    from tiprouter.workflow import clients as story

    for client in _tell(data, lambda tx, _: story.listed(tx, None, _LISTED_MAX)):
        typer.echo(ClientBody.of(client).rendered())


@clients.command("register")
def register_client(  # noqa: PLR0913 - as above
    role: Role,
    keys: KeyFile,
    *,
    recipient: Recipient = None,
    label: Label = None,
    scope: Scope = None,
    holder: Holder = None,
    certificate_bound: Annotated[
        bool, typer.Option("--certificate-bound", help="Bind its tokens to the certificate it shows.")
    ] = False,
    data: Data = None,
) -> None:
    """Register a client by its public keys and print it; `id` is its client_id."""
    from tiprouter.api.schemas.clients import ClientBody, ClientWanted
    from tiprouter.workflow import clients as story

    wanted = _parsed(
        ClientWanted.model_validate,
        {
            "role": role,
            "recipient_id": recipient,
            "label": label,
            "scopes": scope or None,
            "holder_id": holder,
            "keys": _keys_in(keys),
            "tls_client_certificate_bound_access_tokens": certificate_bound,
        },
    )
    new = wanted.to_new(_narrowed(wanted.role, wanted.scopes))
    typer.echo(ClientBody.of(_tell(data, lambda tx, desk: story.register(tx, desk, _by_hand(), new))).rendered())


@clients.command("keys")
def replace_client_keys(client_id: str, keys: KeyFile, data: Data = None) -> None:
    """Give a client these public keys and no others; tokens that another key signed for end at once."""
    from tiprouter.api.schemas.clients import ClientBody, ClientKeysWanted
    from tiprouter.workflow import clients as story

    wanted = _parsed(ClientKeysWanted.model_validate, {"keys": _keys_in(keys)})
    jwks = [key.jwk() for key in wanted.keys]
    client = _tell(data, lambda tx, desk: story.replace_keys(tx, desk, _by_hand(), client_id, jwks))
    typer.echo(ClientBody.of(client).rendered())


@credentials.command("revoke")
@clients.command("revoke")
def revoke(caller_id: str, data: Data = None) -> None:
    """End it at once, with all its keys and tokens."""
    from tiprouter.workflow import credentials as story

    _tell(data, lambda tx, desk: story.revoke(tx, desk, _by_hand(), caller_id))
    typer.echo("Ended.")


def _tell(data: Path | None, story: Callable[[Any, Any], Any]) -> Any:  # noqa: ANN401 - the story's own
    from tiprouter import wiring
    from tiprouter.cli import service

    return asyncio.run(wiring.tell(service.configured(data=data), story))


def _by_hand() -> Any:  # noqa: ANN401 - imported when a command runs
    from tiprouter.cli.service import BY_HAND

    return BY_HAND


def _narrowed(role: str, wanted: Collection[str] | None) -> frozenset[str] | None:
    from tiprouter.api import scopes
    from tiprouter.api.access import TABLE

    return scopes.checked(TABLE, role, wanted)


def _parsed(parse: Callable[[Any], Any], given: dict[str, Any]) -> Any:  # noqa: ANN401 - the schema's own
    """What was given, as the API would read it. Raises `ConfigurationError`, which names fields and quotes nothing."""
    try:
        return parse(given)
    except ValueError as error:
        problems: list[dict[str, Any]] = getattr(error, "errors", list)()
        names = ", ".join(sorted({".".join(map(str, problem["loc"])) for problem in problems}))
        raise ConfigurationError(f"These cannot be read: {names}.") from None


def _keys_in(path: Path) -> list[Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return list(found["keys"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError("The file of keys is no JWK Set.") from error
