"""Notifying, rules 1 to 4, and addresses, rule 9: where an operator's webhook may be, and who signs what goes there."""

import json
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.delivery.receiver_fixture import Behaviour, certificate, reply, serve, server_tls
from tests.delivery.sending import ED25519, HMAC, answers, trusting
from tests.support.service import START
from tiprouter.delivery.addresses import ForbiddenAddressError, check_address, check_url, private_networks
from tiprouter.delivery.notifying import Call, Hook, HookNotifier, Paged, PageResult, signing_secrets
from tiprouter.delivery.sender import Sender
from tiprouter.domain.page import NotComposedError, PageBody, Told
from tiprouter.errors import ConfigurationError, InvalidError
from tiprouter.receiver import verify

SENT, FAILED, GONE = PageResult
TOLD = Told("ntc_01KJQH0CC0BX86ENBVMH4TY5PG", "review.wanted", "dec_01KJQH0CC0BX86ENBVMH4TY5PH", None, None, START)
CALL = Call("pag_01KJQH0CC0BX86ENBVMH4TY5PK", int(START.timestamp()), (TOLD,))
LAN = private_networks("10.1.0.0/16, fd00:1::/32")


async def paged(behaviour: Behaviour) -> tuple[Paged, list[tuple[dict[str, str], bytes]]]:
    """One call to a receiver on loopback, in the sandbox; what came of it, and what the receiver got."""
    async with serve(behaviour) as receiver, Sender(sandbox=True) as sender:
        hook = Hook(f"http://127.0.0.1:{receiver.port}/pages", (ED25519, HMAC), sandbox=True)
        done = await HookNotifier(hook, sender).page(CALL)
        return done, [(request.headers, request.body) for request in receiver.requests]


async def test_a_page_is_a_standard_webhook_that_each_key_verifies() -> None:
    """Rule 2: event, id and time are signed by every secret; our own verifier for receivers accepts it."""
    done, requests = await paged(reply(204))
    assert done == Paged(SENT, "success", 204)
    ((headers, body),) = requests
    assert headers["webhook-id"] == CALL.id
    for key in (ED25519.public(), HMAC.reveal()):
        verify(headers, body, [key], START)
    message = json.loads(body)
    assert (message["type"], message["data"]["notice_id"]) == ("notice.raised", TOLD.notice_id)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (reply(500), Paged(FAILED, "http_error", 500)),
        (reply(302, headers="Location: http://127.0.0.1/\r\n"), Paged(FAILED, "http_error", 302)),
        (reply(410), Paged(GONE, "gone", 410)),
        (reply(503, headers="Retry-After: 7\r\n"), Paged(FAILED, "throttled", 503, 7.0)),
    ],
    ids=["500", "redirect", "gone", "throttled"],
)
async def test_what_a_receiver_answers_becomes_a_word_and_a_number(behaviour: Behaviour, expected: Paged) -> None:
    """Rule 1: nothing of its text."""
    assert (await paged(behaviour))[0] == expected


async def test_a_webhook_tells_of_one_notice() -> None:
    """Rule 2: a digest is a letter's affair."""
    async with Sender(sandbox=True) as sender:
        hook = Hook("http://127.0.0.1:9/pages", (ED25519,), sandbox=True)
        with pytest.raises(InvalidError):
            await HookNotifier(hook, sender).page(Call(CALL.id, CALL.timestamp, (TOLD, TOLD)))


async def test_a_webhook_in_a_named_private_network_is_called_over_tls(tmp_path: Path) -> None:
    """Addresses, rule 9: a local name on any port, in the network that was named; the certificate is verified."""
    path = certificate(tmp_path, "pager.internal")
    own = private_networks("127.0.0.0/8")
    async with (
        serve(reply(200), tls=server_tls(path)) as receiver,
        Sender(sandbox=False, ssl_context=trusting(path), lookup=answers("127.0.0.1"), networks=own) as sender,
    ):
        hook = Hook(f"https://pager.internal:{receiver.port}/pages", (ED25519,), own)
        assert (await HookNotifier(hook, sender).page(CALL)).result is SENT
        assert len(receiver.requests) == 1


@pytest.mark.parametrize("found", [("10.2.0.1",), ("169.254.169.254",), ("10.1.0.1", "127.0.0.1"), ("192.168.0.1",)])
async def test_a_name_that_leads_out_of_the_named_network_is_not_dialled(found: tuple[str, ...]) -> None:
    """Addresses, rule 9: whoever holds the name server cannot turn the pages on another machine inside."""
    async with Sender(sandbox=False, lookup=answers(*found), networks=LAN) as sender:
        hook = Hook("https://pager.internal/pages", (ED25519,), LAN)
        assert await HookNotifier(hook, sender).page(CALL) == Paged(FAILED, "forbidden_address")


def test_a_named_network_opens_itself_and_nothing_else() -> None:
    """Addresses, rule 9: in it every address may be dialled; without it, none of them; the public ones as ever."""
    for inside in ("10.1.0.1", "10.1.255.255", "fd00:1::1"):
        check_address(inside, sandbox=False, networks=LAN)
        with pytest.raises(ForbiddenAddressError):
            check_address(inside, sandbox=False)
    for outside in ("10.0.255.255", "10.2.0.0", "fd00:2::1", "127.0.0.1", "169.254.169.254", "::ffff:10.1.0.1"):
        with pytest.raises(ForbiddenAddressError):
            check_address(outside, sandbox=False, networks=LAN)
    check_address("8.8.8.8", sandbox=False, networks=LAN)


@pytest.mark.parametrize(
    "url", ["http://pager.internal/", "http://10.1.0.1/", "https://10.2.0.1/", "https://169.254.169.254/", "ftp://x/"]
)
def test_a_private_webhook_is_https_and_in_its_network(url: str) -> None:
    """Addresses, rule 9: the scheme is not relaxed, and a literal address must lie in the network."""
    with pytest.raises(ForbiddenAddressError):
        check_url(url, sandbox=False, networks=LAN)
    with pytest.raises(ConfigurationError):
        Hook(url, (ED25519,), LAN)


@pytest.mark.parametrize(
    "url", ["https://pager:9443/x", "https://10.1.0.1/", "https://[fd00:1::1]:8080/", "https://a.example/"]
)
def test_a_private_webhook_may_have_a_local_name_or_an_address(url: str) -> None:
    """Addresses, rule 9, from the other side; without a network the first three are refused."""
    assert check_url(url, sandbox=False, networks=LAN).url
    if "example" not in url:
        with pytest.raises(ForbiddenAddressError):
            check_url(url, sandbox=False)


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0/0", "8.8.8.0/24", "169.254.0.0/16", "10.0.0.0/7", "::/0", "fe80::/10", "2000::/3", "x", "10.1.2.3/8"],
)
def test_no_more_than_private_networks_can_be_named(text: str) -> None:
    """Addresses, rule 9: a setting cannot open the metadata address or the whole internet."""
    with pytest.raises(ConfigurationError):
        private_networks(text)


def test_a_list_of_networks_is_read() -> None:
    """Addresses, rule 9."""
    assert private_networks("") == ()
    assert private_networks(" 10.1.0.0/16 ,fc00::/7,") == (ip_network("10.1.0.0/16"), ip_network("fc00::/7"))


def test_secrets_come_from_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    """Rule 3: several lines are several secrets; what others may read, is broken or missing is refused unquoted."""
    file = tmp_path / "secret"
    file.write_text(f"{ED25519.reveal()}\n{HMAC.reveal()}\n")
    file.chmod(0o600)
    assert [secret.reveal() for secret in signing_secrets(str(file))] == [ED25519.reveal(), HMAC.reveal()]
    file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="0600"):
        signing_secrets(str(file))
    file.chmod(0o600)
    for broken in ("", " \n", "whsec_Zyxwv", "Zyxwv-Marker-Secret", "x" * 5_000):
        file.write_text(broken)
        with pytest.raises(ConfigurationError) as caught:
            signing_secrets(str(file))
        assert "Zyxwv" not in str(caught.value)
    with pytest.raises(ConfigurationError):
        signing_secrets(str(tmp_path / "none"))
    with pytest.raises(ConfigurationError):
        signing_secrets("")


def test_nobody_else_makes_a_page() -> None:
    """The sender takes bytes that the page's own module made, and nobody can make them."""
    with pytest.raises(NotComposedError):
        PageBody(b"{}", object())


def test_no_repr_shows_a_secret_or_an_address() -> None:
    """Rule 3: a hook in a traceback shows neither."""
    shown = repr(Hook("https://pager.example/hush-hush", (HMAC,)))
    assert "hush" not in shown
    assert HMAC.reveal() not in shown
