"""How does a person ask for another's word from a terminal, and how does the other give it?

1. Every command is a request to the running service, under the caller's own session or token (`cli/deliveries.py`): who
   may ask and who may say is decided there (`workflow/second_words.py`).
2. Whoever asks is told in one line what waits, until when, and what the other person types; whoever says yes, by which
   route the one who asked does it now. No command does it in their place.
"""

from typing import Annotated, Any, Final

import typer

from tiprouter.cli.deliveries import at_the_door, request, show

second_words = typer.Typer(help="Another person's word for a key, an export, a roll-back.", no_args_is_help=True)
second_words.callback()(at_the_door)
_LISTED: Final = ("id", "act", "subject", "state", "until", "asked_by", "said_by")


@second_words.command("list")
def list_words(
    context: typer.Context,
    *,
    every: Annotated[bool, typer.Option("--every", help="Also what was said, used, taken back, or is over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
) -> None:
    """List what waits for another person's word, newest first, of the acts of your role."""
    query = {"limit": str(limit), "waiting": "false" if every else "true"}
    for one in request(context, "GET", "/v1/second-words", query)["items"]:
        typer.echo("  ".join(one[name] or "-" for name in _LISTED))


@second_words.command("show")
def show_word(context: typer.Context, word_id: str) -> None:
    """Print one: what was asked, by whom, until when, and what became of it."""
    show(request(context, "GET", f"/v1/second-words/{word_id}"))


@second_words.command("ask")
def ask_for_word(
    context: typer.Context,
    act: Annotated[str, typer.Argument(help="key, export or roll-back.")],
    subject: Annotated[
        str | None, typer.Argument(help="The recipient (rcp_...) or record (tip_..., case_...); none for a roll-back.")
    ] = None,
) -> None:
    """Ask for another person's word. Nothing happens yet."""
    asked = request(
        context, "POST", "/v1/second-words", body={"act": act} | ({} if subject is None else {"subject": subject})
    )
    typer.echo(
        f"{asked['id']} waits until {asked['until']} for another person's word; they type: "
        f"tiprouter second-words say {asked['id']}"
    )


@second_words.command("say")
def say_word(context: typer.Context, word_id: str) -> None:
    """Say yes to what another person asked. Nothing happens by it: they do it themselves."""
    said: dict[str, Any] = request(context, "POST", f"/v1/second-words/{word_id}/say", body={})
    deed = _deed(said["act"], said["subject"])
    typer.echo(f"{word_id} is said; {said['asked_by']} may do it until {said['until']}: {deed}")


@second_words.command("withdraw")
def withdraw_word(context: typer.Context, word_id: str) -> None:
    """Refuse it, or take it back: what was asked or said is over at once."""
    request(context, "POST", f"/v1/second-words/{word_id}/withdraw", body={})
    typer.echo("Taken back.")


def _deed(act: str, subject: str) -> str:
    """By what the one who asked does it."""
    match act:
        case "key":
            return f"POST /v1/recipients/{subject}/signing-keys"
        case "export":
            return f"tiprouter audit fetch {subject} --out FILE"
        case _:
            return "POST /v1/bundles/rollback"
