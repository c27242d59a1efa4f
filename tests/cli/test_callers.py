"""An operator tends callers from a terminal."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.callers import ed25519, public, rsa
from tiprouter import wiring
from tiprouter.cli.main import app
from tiprouter.cli.service import BY_HAND, configured
from tiprouter.domain.accounts import AccountRole, SignInWay
from tiprouter.storage.accounts import Holder
from tiprouter.workflow import people
from tiprouter.workflow.people import Wanted


@pytest.fixture
def tell(tmp_path: Path) -> Any:  # noqa: ANN401 - a function of words
    """Run a command on a data folder of its own; its lines as JSON, or its text."""

    def run(*words: str, ok: bool = True) -> list[Any]:
        done = CliRunner().invoke(app, [*words, "--data", str(tmp_path)])
        assert (done.exit_code == 0) is ok, (done.output, done.exception)
        return [json.loads(line) if line.startswith("{") else line for line in done.output.splitlines()]

    return run


def test_a_credential_is_made_listed_rotated_and_revoked(tell: Any) -> None:  # noqa: ANN401 - as above
    """Its token is printed when it is made and when it is rotated, and never in the list."""
    (made,) = tell("credentials", "make", "--role", "intake", "--scope", "tips:write", "--label", "crm", "--days", "30")
    (done,) = tell("credentials", "rotate", made["id"], "--overlap-days", "0")
    assert done["token"] != made["token"]
    (shown,) = tell("credentials", "list")
    assert (shown["id"], shown["label"], shown["scopes"], len(shown["keys"])) == (made["id"], "crm", ["tips:write"], 2)
    assert made["token"][-43:] not in json.dumps(shown)
    assert tell("credentials", "revoke", made["id"]) == ["Ended."]
    assert tell("credentials", "list") == []
    tell("credentials", "make", "--role", "intake", "--scope", "bundles:write", ok=False)
    tell("credentials", "make", "--role", "nobody", ok=False)


def test_a_credential_says_in_whose_hands_it_is(tell: Any, tmp_path: Path) -> None:  # noqa: ANN401 - as above
    """By the account's id, for keys and clients; nobody's account, or nothing like one, is refused."""
    wanted = Wanted(AccountRole.REVIEWER, SignInWay.LOCAL, Holder("Example Person", "reviewer@hotline.example"))
    account = asyncio.run(
        wiring.tell(configured(data=tmp_path), lambda tx, desk: people.invite(tx, desk, BY_HAND, wanted)[0])
    )
    (made,) = tell("credentials", "make", "--role", "reviewer", "--holder", account.id)
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [dict(public(ed25519()))]}))
    (client,) = tell("clients", "register", "--role", "reviewer", "--keys", str(keys), "--holder", account.id)
    (shown,) = tell("credentials", "list")
    assert (shown["id"], shown["holder_id"], client["holder_id"]) == (made["id"], account.id, account.id)
    for nobody in ("acc_01KJQH0CC0BX86ENBVMH4TY5PG", "somebody"):
        tell("credentials", "make", "--role", "reviewer", "--holder", nobody, ok=False)


def test_a_client_is_registered_given_keys_and_revoked(tell: Any, tmp_path: Path) -> None:  # noqa: ANN401 - as above
    """By files of public keys; a file that is none is refused."""
    first, second, broken = tmp_path / "first.json", tmp_path / "second.json", tmp_path / "broken.json"
    first.write_text(json.dumps({"keys": [dict(public(ed25519()))]}))
    second.write_text(json.dumps({"keys": [dict(public(rsa(), kid="new"))]}))
    broken.write_text("no keys")
    (made,) = tell("clients", "register", "--role", "intake", "--keys", str(first), "--certificate-bound")
    assert made["tls_client_certificate_bound_access_tokens"] is True
    tell("clients", "keys", made["id"], "--keys", str(second))
    (shown,) = tell("clients", "list")
    assert [key["kid"] for key in shown["keys"]] == ["new"]
    tell("clients", "register", "--role", "intake", "--keys", str(broken), ok=False)
    assert tell("clients", "revoke", made["id"]) == ["Ended."]
    assert tell("clients", "list") == []
