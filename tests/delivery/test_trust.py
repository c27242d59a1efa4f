"""Trust, rules 1 to 5, and pools, rules 1 to 4: each recipient is believed and met on its own terms."""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tiprouter.delivery.attempts import Attempted, Envelope
from tiprouter.delivery.pools import Pools
from tiprouter.delivery.sender import Sender
from tiprouter.delivery.trust import Trust, TrustError, expires_at, open_context, parse_trust
from tiprouter.receiver.misbehaving.acts import reply
from tiprouter.receiver.misbehaving.certificates import Authority, self_signed, server_tls
from tiprouter.receiver.misbehaving.listening import Act, Receiver, keep_alive, serve
from tiprouter.receiver.misbehaving.naming import answers

from .sending import CONNECTION_ERROR, HMAC, SUCCESS, TIMESTAMP, TLS_ERROR, TRUST, redacted

HOST = "agency.example"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
MINE, THEIRS = Authority("Example Authority One"), Authority("Example Authority Two")
OURS = MINE.issue("tiprouter.example")


def trusting(authority: Authority, *, showing: bool = False) -> Trust:
    """Return the trust of a recipient with an authority of its own, which may want to see our certificate."""
    return Trust(authority.pem, OURS.chain, OURS.key) if showing else Trust(authority.pem)


def sender() -> Sender:
    """Return a sender whose system's trust knows none of these authorities."""
    return Sender(sandbox=True, ssl_context=TRUST, lookup=answers("127.0.0.1"))


async def send(by: Sender, receiver: Receiver, trust: Trust | None) -> Attempted:
    """Make an attempt at a receiver under a trust."""
    url = f"https://{HOST}:{receiver.port}/hook"
    return await by.send(Envelope(url, "msg_1", TIMESTAMP, redacted(), [HMAC], 5.0, trust=trust))


def wanting(authority: Authority, *, needed: bool) -> ssl.SSLContext:
    """Return a server's context that asks for a certificate of ours."""
    context = server_tls(authority.issue(HOST))
    context.verify_mode = ssl.CERT_REQUIRED if needed else ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=MINE.pem)
    return context


def noting(seen: list[bytes | None]) -> Act:
    """Note the certificate that was shown, and answer."""
    answer = reply(200)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        await answer(reader, writer)

    return behave


async def test_a_private_authority_is_believed_for_its_own_recipient_alone() -> None:
    """Trust, rule 1: not for the others, not for those of the system's, and it does not believe the others either."""
    async with (
        serve(reply(200), tls=server_tls(MINE.issue(HOST))) as mine,
        serve(reply(200), tls=server_tls(THEIRS.issue(HOST))) as theirs,
        sender() as by,
    ):
        assert (await send(by, mine, trusting(MINE))).result is SUCCESS
        assert (await send(by, theirs, trusting(THEIRS))).result is SUCCESS
        for receiver, trust in ((mine, trusting(THEIRS)), (theirs, trusting(MINE)), (mine, None), (theirs, Trust())):
            assert (await send(by, receiver, trust)).result is TLS_ERROR
        assert (len(mine.requests), len(theirs.requests)) == (1, 1)


async def test_a_private_authority_makes_no_exception_for_names_or_dates() -> None:
    """Trust, rule 3: an expired certificate and another name's are refused under it too."""
    for identity in (MINE.issue(HOST, days=30), MINE.issue("other.example"), self_signed(HOST)):
        async with serve(reply(200), tls=server_tls(identity)) as receiver, sender() as by:
            assert (await send(by, receiver, trusting(MINE))).result is TLS_ERROR
            assert not receiver.requests


async def test_our_certificate_is_shown_to_its_own_recipient_alone() -> None:
    """Trust, rule 2: who asks and has not registered for it learns nothing of it."""
    seen: list[bytes | None] = []
    async with (
        serve(noting(seen), tls=wanting(MINE, needed=True)) as wants,
        serve(noting(seen), tls=wanting(MINE, needed=False)) as asks,
        sender() as by,
    ):
        assert (await send(by, wants, trusting(MINE, showing=True))).result is SUCCESS
        assert (await send(by, asks, trusting(MINE))).result is SUCCESS
        assert (await send(by, wants, trusting(MINE))).result in {TLS_ERROR, CONNECTION_ERROR}
    assert seen == [ssl.PEM_cert_to_DER_cert(OURS.chain), None]


async def test_a_connection_is_not_shared_between_trusts() -> None:
    """Pools, rule 1: the same place, three trusts; only the one that was opened under a trust is used under it."""
    async with serve(keep_alive, tls=server_tls(MINE.issue(HOST))) as receiver, sender() as by:
        for _ in range(2):
            assert (await send(by, receiver, trusting(MINE))).result is SUCCESS
        assert receiver.connections == 1
        assert (await send(by, receiver, trusting(MINE, showing=True))).result is SUCCESS
        assert receiver.connections == 2
        # The kept connections would carry it; but they were not opened under this trust.
        assert (await send(by, receiver, trusting(THEIRS))).result is TLS_ERROR
        assert (await send(by, receiver, None)).result is TLS_ERROR
        assert len(receiver.requests) == 2  # the first on each connection


async def test_a_planted_fault_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: with one pool for all trusts a message goes out under somebody else's."""
    monkeypatch.setattr(Trust, "fingerprint", "one for all")
    async with serve(keep_alive, tls=server_tls(MINE.issue(HOST))) as receiver, sender() as by:
        assert (await send(by, receiver, trusting(MINE))).result is SUCCESS
        assert (await send(by, receiver, trusting(THEIRS))).result is SUCCESS


async def test_trust_that_cannot_be_used_is_a_result() -> None:
    """Sender, rule 6: one recipient's broken certificate stops nobody else, and nothing is dialled."""
    async with serve(reply(200)) as receiver, sender() as by:
        for broken in (
            Trust("rubbish"),
            Trust(MINE.pem, OURS.chain, "rubbish"),
            Trust(MINE.pem, OURS.chain, _key_pem(2_048)),
        ):
            attempted = await send(by, receiver, broken)
            assert (attempted.result, attempted.dialled) == (TLS_ERROR, None)
    assert receiver.connections == 0


class Pool:
    """A pool that knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        """Note it."""
        self.closed = True


def trusts(count: int) -> Sequence[Trust]:
    """Return so many that differ."""
    return [Trust(f"authority {number}") for number in range(count)]


async def test_the_pools_are_bounded_and_none_is_closed_in_use() -> None:
    """Pools, rules 2 and 3: the one that was used least recently goes, unless somebody uses it."""
    made: list[Pool] = []

    async def open_pool(_: Trust) -> Pool:
        made.append(Pool())
        return made[-1]

    pools = Pools(open_pool, 3)
    some = trusts(10)
    async with pools.lend(some[0]) as first:
        for trust in some[1:]:
            async with pools.lend(trust):
                pass
        assert len(pools) == 3
        assert not first.closed
    assert [pool.closed for pool in made] == [False, *[True] * 7, False, False]
    async with AsyncExitStack() as stack:
        for trust in some:
            await stack.enter_async_context(pools.lend(trust))
        assert len(pools) == 10
    assert len(pools) == 3
    await pools.close()
    assert len(pools) == 0
    assert all(pool.closed for pool in made)


async def test_the_pool_that_was_used_last_is_kept() -> None:
    """Pools, rule 2: used, not opened."""
    made: dict[str, int] = {}

    async def open_pool(trust: Trust) -> Pool:
        made[trust.authorities] = made.get(trust.authorities, 0) + 1
        return Pool()

    pools = Pools(open_pool, 2)
    first, second, third = trusts(3)
    for trust in (first, second, first, third, first, second):
        async with pools.lend(trust):
            pass
    assert [made[trust.authorities] for trust in (first, second, third)] == [1, 2, 1]


async def test_a_pool_is_opened_once_for_all_who_ask_together() -> None:
    """Pools, rule 4: and one that cannot be opened is tried again by the next."""
    opened = 0

    async def open_pool(_: Trust) -> Pool:
        nonlocal opened
        opened += 1
        await asyncio.sleep(0.01)
        if opened == 1:
            raise TrustError
        return Pool()

    pools = Pools(open_pool, 3)

    async def use() -> Pool:
        async with pools.lend(Trust()) as pool:
            return pool

    with pytest.raises(TrustError):
        await use()
    assert len({id(pool) for pool in await asyncio.gather(*(use() for _ in range(20)))}) == 1
    assert opened == 2


def _key_pem(bits: int) -> str:
    key = rsa.generate_private_key(65_537, bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _locked(pem: str) -> str:
    key = load_pem_private_key(pem.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")).decode()


def test_what_a_recipient_registers_is_read() -> None:
    """Trust, rule 4: authorities, a certificate, both, or neither; and somebody can be told before it ends."""
    both = parse_trust(MINE.pem + THEIRS.pem, OURS.chain, OURS.key, NOW)
    assert parse_trust(MINE.pem, "", "", NOW) == trusting(MINE)
    assert parse_trust("", OURS.chain, OURS.key, NOW).certificate == OURS.chain
    assert expires_at(parse_trust("", "", "", NOW)) is None
    soonest = x509.load_pem_x509_certificate(MINE.pem.encode()).not_valid_after_utc
    assert expires_at(both) == soonest
    assert (
        len({each.fingerprint for each in (both, trusting(MINE), trusting(THEIRS), Trust(), Trust("", MINE.pem))}) == 5
    )


@pytest.mark.parametrize(
    ("authorities", "certificate", "key"),
    [
        ("rubbish", "", ""),
        ("é", "", ""),
        (OURS.chain, "", ""),  # no authority
        (OURS.key, "", ""),
        (MINE.pem + OURS.key, "", ""),
        (MINE.pem * 17, "", ""),
        (MINE.pem + " " * 65_536, "", ""),
        ("", OURS.chain, ""),
        ("", "", OURS.key),
        ("", MINE.pem, OURS.key),  # an authority's certificate is not shown
        ("", OURS.chain, THEIRS.issue("other.example").key),
        ("", OURS.chain, "rubbish"),
        ("", OURS.chain, _locked(OURS.key)),
        ("", OURS.chain, _key_pem(1_024)),
        ("", MINE.issue("old.example", days=30).chain, OURS.key),
        (Authority().issue(HOST).chain, "", ""),
    ],
)
def test_what_cannot_be_trusted_is_refused_without_quoting_it(authorities: str, certificate: str, key: str) -> None:
    """Trust, rules 4 and 5."""
    with pytest.raises(TrustError) as refused:
        parse_trust(authorities, certificate, key, NOW)
    assert "BEGIN" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_key_of_another_certificate_is_told_apart() -> None:
    """Trust, rule 4: in words, not as a failure of OpenSSL's."""
    with pytest.raises(TrustError, match="not the certificate's"):
        parse_trust("", OURS.chain, THEIRS.issue("other.example").key, NOW)


def test_what_has_ended_or_not_begun_is_refused() -> None:
    """Trust, rule 4: dates are looked at on the day of registration."""
    for moment in (datetime(2019, 12, 31, tzinfo=UTC), NOW + timedelta(days=40_000)):
        for given in ((MINE.pem, "", ""), ("", OURS.chain, OURS.key)):
            with pytest.raises(TrustError):
                parse_trust(*given, moment)


@pytest.mark.parametrize("trust", [Trust(), trusting(MINE), trusting(MINE, showing=True)])
def test_there_is_no_way_not_to_verify(trust: Trust) -> None:
    """Trust, rules 3 and 5: whatever the trust, and it shows none of itself."""
    context = open_context(trust)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert repr(trust) == "Trust()"
    assert "BEGIN" not in repr(Envelope("https://a.example/", "msg_1", 1, redacted(), [HMAC], 1.0, trust=trust))


def test_only_what_is_named_is_believed() -> None:
    """Trust, rule 1: with authorities of its own the system's are not in it."""
    assert len(open_context(trusting(MINE)).get_ca_certs()) == 1
