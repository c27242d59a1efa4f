"""Mail, rules 1 to 5: a letter goes to a server that proves its name, or to nobody; and no server holds anything up."""

import asyncio
import os
import socket
import ssl
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.receiver_fixture import certificate, drip, server_tls
from tests.delivery.receiver_fixture import serve as serve_raw
from tests.support.service import START
from tests.support.smtp import PASSWORD, USER, Post, post_office
from tiprouter.delivery.mail import Mailbox, MailNotifier, MailSecurity, compose
from tiprouter.delivery.notifying import Call, Paged, PageResult
from tiprouter.domain.notice import UNDELIVERED
from tiprouter.domain.page import Told
from tiprouter.errors import ConfigurationError

SENT, FAILED, GONE = PageResult
NAME = "localhost"
TOLD = Told(
    "ntc_01KJQH0CC0BX86ENBVMH4TY5PG",
    UNDELIVERED,
    "msg_01KJQH0CC0BX86ENBVMH4TY5PH",
    "tip_01KJQH0CC0BX86ENBVMH4TY5PJ",
    START,
    START,
)
CALL = Call("pag_01KJQH0CC0BX86ENBVMH4TY5PK", int(START.timestamp()), (TOLD,))
BOX = Mailbox(NAME, 25, MailSecurity.NONE, "router@hotline.example", ("oncall@hotline.example",))


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the name of the server."""
    return certificate(tmp_path_factory.mktemp("certificates"), NAME)


async def send(
    post: Post,
    security: MailSecurity = MailSecurity.NONE,
    trust: Path | None = None,
    **changes: Any,  # noqa: ANN401
) -> Paged:
    """One attempt at a server."""
    seconds = changes.pop("seconds", 5.0)
    async with post_office(post, implicit=security is MailSecurity.TLS):
        box = replace(BOX, port=post.port, security=security, **changes)
        notifier = MailNotifier(box, ssl_context=ssl.create_default_context(cafile=trust), seconds=seconds)
        try:
            return await notifier.page(CALL)
        finally:
            notifier.close()


@pytest.mark.parametrize("security", list(MailSecurity))
async def test_a_letter_arrives_over_each_kind_of_connection(pem: Path, security: MailSecurity) -> None:
    """Rules 1, 2 and 4: with STARTTLS, TLS from the first byte, or in the clear on loopback; as a machine's letter."""
    post = Post(tls=server_tls(pem))
    assert await send(post, security, pem) == Paged(SENT, "accepted")
    assert post.secure == [security is not MailSecurity.NONE]
    assert post.recipients == ["oncall@hotline.example"]
    (letter,) = post.letters
    assert letter["Message-ID"] == f"<{CALL.id}@hotline.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Date"] == "Mon, 02 Mar 2026 15:00:00 +0000"
    assert (letter["From"], letter["To"]) == ("router@hotline.example", "oncall@hotline.example")
    assert letter["Subject"] == "[tiprouter] imminent: delivery.imminent-undelivered"
    assert letter.get_content_type() == "text/plain"
    assert "Call the recipient by telephone now" in letter.get_content()


async def test_a_server_without_starttls_gets_no_letter(pem: Path) -> None:
    """Rule 2: an attacker who strips the offer gets neither letter nor password."""
    post = Post(tls=server_tls(pem), starttls=False, login=True)
    paged = await send(post, MailSecurity.STARTTLS, pem, user=USER, password=PASSWORD)
    assert paged == Paged(FAILED, "not_offered")
    assert set(post.commands) <= {"EHLO", "QUIT"}


@pytest.mark.parametrize("security", [MailSecurity.STARTTLS, MailSecurity.TLS])
@pytest.mark.parametrize("harm", ["self-signed", "another name"])
async def test_a_server_that_does_not_prove_its_name_gets_no_letter(
    pem: Path, tmp_path: Path, security: MailSecurity, harm: str
) -> None:
    """Rule 2: trust and name are verified on both kinds of TLS."""
    other = certificate(tmp_path, "elsewhere.example")
    post = Post(tls=server_tls(pem if harm == "self-signed" else other))
    paged = await send(post, security, None if harm == "self-signed" else other)
    assert paged == Paged(FAILED, "tls_error")
    assert not {"MAIL", "AUTH", "DATA"} & set(post.commands)


async def test_the_login_is_made_and_a_refused_one_is_told(pem: Path) -> None:
    """Rule 5: three digits and a word, nothing of what the server said."""
    post = Post(tls=server_tls(pem), login=True)
    assert (await send(post, MailSecurity.STARTTLS, pem, user=USER, password=PASSWORD)).result is SENT
    wrong = await send(Post(tls=server_tls(pem), login=True), MailSecurity.STARTTLS, pem, user=USER, password="no")
    assert wrong == Paged(FAILED, "login_refused", 535)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"CONNECT": "554 go away"}, Paged(FAILED, "connection_error", 554)),
        ({"MAIL": "451 later"}, Paged(FAILED, "refused", 451)),
        ({"RCPT": "550 who is oncall@hotline.example"}, Paged(FAILED, "refused", 550)),
        ({"DATA": "452 full"}, Paged(FAILED, "refused", 452)),
        ({"LETTER": "554 looks like spam"}, Paged(FAILED, "refused", 554)),
        ({"MAIL": "no number at all"}, Paged(FAILED, "refused")),
    ],
)
async def test_a_refusal_is_a_failure_with_its_number(answers: dict[str, str], expected: Paged) -> None:
    """Rule 5: at every step; the text stays behind."""
    post = Post(answers=answers)
    paged = await send(post)
    assert (paged.result, paged.status) == (expected.result, expected.status)
    assert paged.why == expected.why
    assert post.letters == []


async def test_one_refused_recipient_does_not_keep_the_letter_from_the_others() -> None:
    """A letter that some got is sent, and says that others did not: sending it again would trouble those who did."""
    post = Post(answers={"RCPT TO:<gone@hotline.example>": "550 nobody"})
    paged = await send(post, recipients=("gone@hotline.example", "oncall@hotline.example"))
    assert paged == Paged(SENT, "accepted_for_some")
    assert (len(post.letters), post.recipients) == (1, ["oncall@hotline.example"])


@pytest.mark.parametrize("bad", [{"answers": {"QUIT": "500 what"}}, {"hang": "QUIT"}])
async def test_an_accepted_letter_stays_sent_however_the_goodbye_goes(bad: dict[str, Any]) -> None:
    """Rule 3: the server took it; asking again would send it twice."""
    post = Post(**bad)
    assert (await send(post, seconds=0.5)).result is SENT
    assert len(post.letters) == 1


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "DATA", "LETTER"])
async def test_a_server_that_hangs_is_left_after_the_deadline(step: str) -> None:
    """Rule 3: at any step; and the thread that waited for it ends, though the server still holds the connection."""
    async with post_office(Post(hang=step)) as post:
        notifier = MailNotifier(replace(BOX, port=post.port), seconds=0.3)
        before = set(threading.enumerate())
        begun = time.monotonic()
        assert await notifier.page(CALL) == Paged(FAILED, "timeout")
        assert time.monotonic() - begun < (1.3 if "PYTEST_XDIST_WORKER" in os.environ else 1.0)
        notifier.close()
        (thread,) = (one for one in set(threading.enumerate()) - before if one.name.startswith("tiprouter-mail"))
        await asyncio.to_thread(thread.join, 3)
        assert not thread.is_alive()


async def test_a_server_that_drips_is_left_after_the_deadline() -> None:
    """Rule 3: one deadline over all steps; a byte now and then does not extend it."""
    async with serve_raw(drip(b"220-", b"x"), read=False) as receiver:
        notifier = MailNotifier(replace(BOX, port=receiver.port), seconds=0.3)
        assert await notifier.page(CALL) == Paged(FAILED, "timeout")
        notifier.close()


async def test_hanging_letters_hold_up_no_loop() -> None:
    """Rule 1: more letters than threads hang, and the rest of the program goes on meanwhile."""
    post = Post(hang="CONNECT")
    async with post_office(post):
        notifier = MailNotifier(replace(BOX, port=post.port), seconds=1.5)
        pages = [asyncio.create_task(notifier.page(CALL)) for _ in range(8)]
        turns = 0
        while not all(page.done() for page in pages):
            await asyncio.sleep(0.01)
            turns += 1
        assert {page.result() for page in pages} == {Paged(FAILED, "timeout")}
        assert turns > 5
        notifier.close()


async def test_a_server_that_is_not_there_is_a_failure() -> None:
    """Rule 5: nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        notifier = MailNotifier(replace(BOX, port=taken.getsockname()[1]))
        assert await notifier.page(CALL) == Paged(FAILED, "connection_error")
        notifier.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"security": MailSecurity.NONE, "host": "mail.example"},
        {"recipients": ()},
        {"recipients": ("oncall@hotline.example\r\nBcc: x@evil.example",)},
        {"sender": "Router <router@hotline.example>"},
        {"sender": ""},
        {"user": "pager"},
        {"password": "alone"},
    ],
)
def test_a_mailbox_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    """Rule 2, and headers that somebody could add lines to: refused before anything starts, without the value."""
    with pytest.raises(ConfigurationError) as caught:
        replace(BOX, **changes)
    assert "hotline.example" not in str(caught.value)


def test_a_context_that_verifies_less_is_refused() -> None:
    """Rule 2: no context without certificate or name check, and none below TLS 1.2."""
    loose = ssl.create_default_context()
    loose.check_hostname = False
    with pytest.raises(ConfigurationError):
        MailNotifier(BOX, ssl_context=loose)


def test_no_repr_shows_a_secret() -> None:
    """A mailbox in a traceback or a log shows neither password nor addresses."""
    shown = repr(replace(BOX, user=USER, password=PASSWORD))
    assert PASSWORD not in shown
    assert USER not in shown
    assert "oncall" not in shown


def test_a_letter_is_plain_ascii() -> None:
    """Rule 4: seven bits, lines of at most 78 characters in the head and 998 in the text."""
    raw = compose(BOX, CALL).as_bytes()
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 200
