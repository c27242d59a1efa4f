"""How does a person look after deliveries from a terminal?

1. Every command is a request to the running service, under the caller's own token: what it may do, who asked, and whose
   second word is missing is decided there, and logged there.
2. The token is read from `TIPROUTER_TOKEN` or a file, never from the command line, which other users can read.
3. A refusal is the service's own sentence, and exit code 1.
"""

# ruff: noqa: PLC0415

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tiprouter.errors import ConfigurationError, TiprouterError, UnavailableError

TIMEOUT_SECONDS: Final = 30
_REFUSED: Final = 400
_LISTED: Final = ("id", "state", "urgency", "attempts", "last_result", "waits_for", "retry", "recipient")

deliveries = typer.Typer(help="Deliveries: what waits, what failed, another try.", no_args_is_help=True)
replays = typer.Typer(help="Many deliveries to one agency again, by two people's word.", no_args_is_help=True)

Because = Annotated[
    str,
    typer.Option(help="endpoint_mended, endpoint_moved, recipient_lost_it, deadline_near or other."),
]
State = Annotated[list[str] | None, typer.Option(help="exhausted, refused, delivered, queued or retrying; repeatable.")]


class RefusedError(TiprouterError):
    """The service refused."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where to ask, and the file that says as whom (rule 2)."""

    url: str
    token_file: Path | None

    def token(self) -> str:
        """The caller's token. Raises `ConfigurationError`."""
        if self.token_file is None:
            token = os.environ.get("TIPROUTER_TOKEN", "")
        else:
            try:
                token = self.token_file.read_text(encoding="ascii")
            except (OSError, UnicodeError) as error:
                raise ConfigurationError("The token's file cannot be read.") from error
        if not token.strip():
            raise ConfigurationError("Set TIPROUTER_TOKEN, or name a file with --token-file.")
        return token.strip()


@deliveries.callback()
@replays.callback()
def at_the_door(
    context: typer.Context,
    *,
    url: Annotated[str, typer.Option(help="Where the service answers.")] = "http://127.0.0.1:8080",
    token_file: Annotated[Path | None, typer.Option(help="File of your token; else TIPROUTER_TOKEN holds it.")] = None,
) -> None:
    """Where to ask, and as whom."""
    context.obj = Door(url, token_file)


@deliveries.command("list")
def list_deliveries(
    context: typer.Context,
    *,
    state: Annotated[str | None, typer.Option(help="Only those in this state; `dead`: dead letters.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Only those to this recipient.")] = None,
    since: Annotated[str | None, typer.Option(help="Made at or after this RFC 3339 moment.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
) -> None:
    """List deliveries, newest first: why each waits, and what another try would do."""
    dead = state == "dead"
    if dead and since:
        raise ConfigurationError("Dead letters are listed whenever they were made: leave --since out.")
    wanted = {"recipient_id": recipient, "limit": str(limit), "since": since, "state": None if dead else state}
    query = {name: value for name, value in wanted.items() if value is not None}
    found = request(context, "GET", "/v1/dead-letters" if dead else "/v1/deliveries", query)
    for one in found["items"]:
        typer.echo("  ".join(str(one[name]) if one[name] is not None else "-" for name in _LISTED))


@deliveries.command("show")
def show_delivery(context: typer.Context, delivery_id: str) -> None:
    """Print a delivery with its attempts and every try that somebody asked for."""
    show(request(context, "GET", f"/v1/deliveries/{delivery_id}"))


@deliveries.command("retry")
def retry_delivery(
    context: typer.Context,
    delivery_id: str,
    reason: Because,
    *,
    note: Annotated[str | None, typer.Option(help="What else is to be said; `other` needs it.")] = None,
) -> None:
    """Ask for another try of one delivery; it is decided again first. Exit 1 when nothing may leave any more."""
    asked = {"reason": reason} | ({} if note is None else {"note": note})
    became = request(context, "POST", f"/v1/deliveries/{delivery_id}/retry", body=asked)
    show(became)
    raise typer.Exit(1 if became["became"] == "withheld" else 0)


@replays.command("propose")
def propose_replay(  # noqa: PLR0913 - one argument for each option
    context: typer.Context,
    recipient: str,
    since: Annotated[str, typer.Option(help="Made at or after this RFC 3339 moment.")],
    reason: Because,
    *,
    until: Annotated[str | None, typer.Option(help="Made before this moment; now when left out.")] = None,
    state: State = None,
    urgency: Annotated[str | None, typer.Option(help="Only these: imminent or standard.")] = None,
    result: Annotated[str | None, typer.Option(help="Only those whose last attempt ended so, as `list` says.")] = None,
    record: Annotated[str | None, typer.Option(help="Only those about this record.")] = None,
) -> None:
    """Count what would be tried again. Nothing is, until somebody else confirms it."""
    plan: dict[str, Any] = {"recipient": recipient, "since": since, "reason": reason, "states": state or []}
    narrowed = {"until": until, "urgency": urgency, "result": result, "record": record}
    plan |= {name: value for name, value in narrowed.items() if value is not None}
    show(request(context, "POST", "/v1/replays", body=plan))


@replays.command("confirm")
def confirm_replay(context: typer.Context, replay_id: str) -> None:
    """Let a replay begin that somebody else proposed."""
    show(request(context, "POST", f"/v1/replays/{replay_id}/confirm", body={}))


@replays.command("stop")
def stop_replay(context: typer.Context, replay_id: str) -> None:
    """End a replay before it is done."""
    show(request(context, "POST", f"/v1/replays/{replay_id}/stop", body={}))


@replays.command("show")
def show_replay(context: typer.Context, replay_id: str) -> None:
    """Print a replay and how far it is."""
    show(request(context, "GET", f"/v1/replays/{replay_id}"))


def request(
    context: typer.Context,
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One request at the door that the options name. Raises as `ask` does."""
    door: Door = context.obj
    return ask(door, method, path, query, body)


def ask(
    door: Door,
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    *,
    nobody: bool = False,
) -> dict[str, Any]:
    """One request and its answer (rules 1, 3); `nobody` has no token. Raises `RefusedError`, `UnavailableError`."""
    import httpx2

    headers = {} if nobody else {"Authorization": f"Bearer {door.token()}"}
    if method == "POST":
        headers["Idempotency-Key"] = secrets.token_hex(16)
    try:
        with httpx2.Client(base_url=door.url, trust_env=False, timeout=TIMEOUT_SECONDS) as client:
            answer = client.request(method, path, params=query, json=body, headers=headers)
        said = answer.json() if answer.content else {}
    except (httpx2.HTTPError, ValueError) as error:
        raise UnavailableError("The service does not answer.") from error
    if answer.status_code >= _REFUSED:
        raise refusal(said)
    return dict(said)


def refusal(said: Mapping[str, Any]) -> RefusedError:
    """What the service said when it refused (rule 3)."""
    reasons = [str(one.get("reason")) for one in said.get("errors", [])]
    return RefusedError(" ".join([f"{said.get('title')}.", *(reasons or [str(said.get("detail"))])]))


def show(said: Mapping[str, Any]) -> None:
    """Print an answer."""
    typer.echo(json.dumps(said, indent=1, ensure_ascii=False))
