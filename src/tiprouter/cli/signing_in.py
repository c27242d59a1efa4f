"""How does a person sign in from a terminal?

1. Password and codes are asked for and never shown; nothing secret is taken from the command line.
2. The session's token goes into a file of mode 0600, in the place of whatever was there; commands with `--token-file`
   act under it. It lasts twelve hours, or half an hour without use.
3. With an identity provider: the URL is printed to be opened in any browser, whose last page shows a code to type here.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tiprouter.cli.deliveries import Door, ask
from tiprouter.errors import ConfigurationError

sessions = typer.Typer(help="Your own sessions: list them, end one.", no_args_is_help=True)
TOKEN_FILE: Final = Path.home() / ".tiprouter-session"

Url = Annotated[str, typer.Option(help="Where the service answers.")]
TokenFile = Annotated[Path, typer.Option(help="File (mode 0600) that keeps the session's token.")]
_URL: Final = "http://127.0.0.1:8080"


def register(app: typer.Typer) -> None:
    """Put the commands into the command line."""
    app.command("sign-in")(sign_in)
    app.command("step-up")(step_up)
    app.command("sign-out")(sign_out)
    app.command("redeem")(redeem)
    app.command("change-password")(change_password)
    app.add_typer(sessions, name="sessions")


def sign_in(
    url: Url = _URL,
    token_file: TokenFile = TOKEN_FILE,
    *,
    oidc: Annotated[bool, typer.Option("--oidc", help="By way of the identity provider.")] = False,
    invitation: Annotated[bool, typer.Option("--invitation", help="Redeem an invitation there first.")] = False,
    recovery: Annotated[bool, typer.Option("--recovery", help="Ask for a recovery code in its place.")] = False,
) -> None:
    """Sign in, and keep the session's token in a file."""
    if oidc:
        body = {"invitation": _hidden("Invitation")} if invitation else {}
        _finish(url, _asked(url, "/v1/sign-in/oidc/begin", body), token_file)
        return
    said = {"name": typer.prompt("E-mail address", err=True), "password": _hidden("Password")}
    said |= {"recovery_code": _hidden("Recovery code")} if recovery else {"code": _hidden("One-time code")}
    _keep(token_file, _asked(url, "/v1/sign-in/local", said))


def step_up(url: Url = _URL, token_file: TokenFile = TOKEN_FILE) -> None:
    """Show again who you are: what takes two people's word takes a sign-in of the last fifteen minutes."""
    door = Door(url, token_file)
    session = ask(door, "GET", "/v1/session")
    if session["way"] == "oidc":
        _finish(url, ask(door, "POST", "/v1/session/step-up/oidc"), token_file)
        return
    _keep(token_file, ask(door, "POST", "/v1/session/step-up", body={"code": _hidden("One-time code")}))


def sign_out(
    url: Url = _URL,
    token_file: TokenFile = TOKEN_FILE,
    *,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="End every session of the account.")] = False,
) -> None:
    """End the session, and remove its token's file."""
    ask(Door(url, token_file), "POST", "/v1/sign-out", body={"everywhere": everywhere})
    token_file.unlink(missing_ok=True)
    typer.echo("Signed out.")


def redeem(url: Url = _URL) -> None:
    """Redeem an invitation: choose a password, set up one-time codes, and get recovery codes, which are shown once."""
    invitation, password = _hidden("Invitation"), _hidden("New password")
    if password != _hidden("New password, again"):
        raise ConfigurationError("The two are not the same; nothing was changed.")
    offered = _asked(url, "/v1/invitations/redeem", {"invitation": invitation, "password": password})
    typer.echo(f"Put this secret into your authenticator app: {offered['secret']}\n{offered['link']}")
    confirmed = {"invitation": invitation, "code": _hidden("One-time code")}
    done = _asked(url, "/v1/invitations/confirm", confirmed)
    typer.echo("Your recovery codes, each good once in the place of a one-time code:")
    for code in done["recovery_codes"]:
        typer.echo(f"  {code}")


def change_password(url: Url = _URL, token_file: TokenFile = TOKEN_FILE) -> None:
    """Choose another password; every other session ends. It takes a sign-in of the last fifteen minutes."""
    current, new = _hidden("Password"), _hidden("New password")
    if new != _hidden("New password, again"):
        raise ConfigurationError("The two are not the same; nothing was changed.")
    body = {"current_password": current, "new_password": new}
    _keep(token_file, ask(Door(url, token_file), "POST", "/v1/session/password", body=body))


@sessions.command("list")
def list_sessions(url: Url = _URL, token_file: TokenFile = TOKEN_FILE) -> None:
    """List your live sessions, the one that began last first: since when, used when, in a browser or not."""
    for one in ask(Door(url, token_file), "GET", "/v1/sessions")["items"]:
        listed = [one[name] or "-" for name in ("id", "started_at", "seen_at", "carrier")]
        typer.echo("  ".join([*listed, "this one"] if one["here"] else listed))


@sessions.command("end")
def end_session(session_id: str, url: Url = _URL, token_file: TokenFile = TOKEN_FILE) -> None:
    """End one of your own sessions at once. It takes a sign-in of the last fifteen minutes."""
    ask(Door(url, token_file), "DELETE", f"/v1/sessions/{session_id}")
    typer.echo("Ended.")


def _finish(url: str, begun: dict[str, Any], token_file: Path) -> None:
    """Rule 3."""
    typer.echo(
        f"Open this in a browser, sign in, and come back with the code that its last page shows:\n{begun['url']}"
    )
    said = {"ticket": begun["ticket"], "code": _hidden("Code")}
    _keep(token_file, _asked(url, "/v1/sign-in/oidc/finish", said))


def _asked(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return ask(Door(url, None), "POST", path, body=body, nobody=True)


def _hidden(what: str) -> str:
    """Rule 1."""
    return str(typer.prompt(what, hide_input=True, err=True))


def _keep(token_file: Path, made: dict[str, Any]) -> None:
    """Rule 2."""
    beside = token_file.with_name(f"{token_file.name}.new")
    beside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(f"{made['token']}\n")
        beside.replace(token_file)
    except OSError as error:
        raise ConfigurationError("The session's file cannot be written.") from error
    typer.echo(f"Signed in as {made['role']} until {made['ends_at']}; the session is in {token_file}.")
