"""How is the identity provider asked? (OpenID Connect Discovery 1.0, RFC 6749, RFC 7636, RFC 9207, RFC 9700)

1. What it offers is read where its issuer says, and must name that issuer; kept for an hour. So are its keys; a token
   of a key that is not among them has them read again, once a minute at most.
2. Every address is https, or http on loopback in a sandbox. No redirect is followed, no proxy of the environment used,
   an answer is at most 256 KiB, and one deadline of ten seconds is over each request.
3. We show who we are by a secret or by a signed assertion (private_key_jwt), and always prove the code to be ours
   (PKCE, S256).
4. Where the answer names its issuer it must be ours, and where the provider promises to, it must name it.

5. After what it offers, or its keys, could not be read, it is left alone for five seconds, and from then on one request
   at a time asks again, until one succeeds; everybody else is refused at once. Who has what was read waits for nobody.

What it says of a person is judged in `id_tokens`. Whether its address is public is not asked: the operator chose it.
"""

import asyncio
import base64
import hashlib
import ipaddress
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from tiprouter.errors import ConfigurationError, TiprouterError, UnavailableError
from tiprouter.workflow.id_tokens import Expected, Identity, IdTokenError, UnknownKeyError, identity

SECONDS: Final = 10
BYTES_MAX: Final = 262_144
KEPT_FOR: Final = timedelta(hours=1)
RESTS_FOR: Final = timedelta(seconds=5)
AGAIN_AFTER: Final = timedelta(minutes=1)
ASSERTION_FOR: Final = timedelta(minutes=1)
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_OK: Final = 200
_BAD_REQUEST: Final = 400
_JTI_BYTES: Final = 16


class ProviderError(UnavailableError):
    """The identity provider does not answer as it should."""


class MixUpError(TiprouterError):
    """This answer is not of the identity provider that was asked."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are to the provider; either a secret or a private key (PEM), and where it sends people back."""

    issuer: str
    client_id: str
    redirect_uri: str
    secret: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    acr: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Offer:
    """What the provider offers, as it was read."""

    authorization: str
    token: str
    jwks: str
    names_itself: bool
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Asking:
    """One round's own: what goes there and comes back, and what proves the code to be ours."""

    state: str
    nonce: str
    verifier: str
    fresh_since: datetime | None = None


class Provider:
    """One identity provider, with what is known of it in this process."""

    def __init__(
        self, client: Client, now: Callable[[], datetime], entropy: Callable[[int], bytes], *, loopback: bool
    ) -> None:
        self.client = client
        self._now, self._entropy, self._loopback = now, entropy, loopback
        self._reading = asyncio.Lock()
        self._failed_at: datetime | None = None
        self._offer: _Offer | None = None
        self._keys: tuple[Sequence[Mapping[str, Any]], datetime] | None = None
        self._signing = _signing_key(client.private_key) if client.private_key else None
        if not self._allowed(client.issuer):
            raise ConfigurationError("The identity provider's issuer is an https URL.")

    async def address(self, asking: Asking) -> str:
        """Where to send the person (rule 3). Raises `ProviderError`."""
        offer = await self._offered()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(asking.verifier.encode()).digest()).rstrip(b"=").decode()
        said = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "scope": "openid",
            "state": asking.state,
            "nonce": asking.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if self.client.acr:
            said["acr_values"] = " ".join(sorted(self.client.acr))
        if asking.fresh_since is not None:
            said |= {"max_age": "0", "prompt": "login"}
        return f"{offer.authorization}{'&' if urlsplit(offer.authorization).query else '?'}{urlencode(said)}"

    async def exchange(self, asking: Asking, code: str, issuer: str | None) -> Identity:
        """Whom the provider names for a code. Raises `MixUpError`, `IdTokenError`, `ProviderError`."""
        offer = await self._offered()
        if issuer != self.client.issuer and (issuer is not None or offer.names_itself):
            raise MixUpError
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": asking.verifier,
        }
        headers: dict[str, str] = {}
        if self._signing is None:
            pair = f"{quote_plus(self.client.client_id)}:{quote_plus(self.client.secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self.client.client_id, "client_assertion_type": _ASSERTION}
            form["client_assertion"] = self._assertion(offer.token)
        said = await self._ask("POST", offer.token, form, headers)
        token = said.get("id_token")
        if not isinstance(token, str):
            raise IdTokenError
        expected = Expected(
            self.client.issuer, self.client.client_id, asking.nonce, self.client.acr, asking.fresh_since
        )
        try:
            return identity(token, await self._jwks(offer), expected, self._now())
        except UnknownKeyError:
            return identity(token, await self._jwks(offer, again=True), expected, self._now())

    async def _offered(self) -> _Offer:
        """Rule 1."""
        known = self._offer
        if known is not None and self._now() - known.read_at < KEPT_FOR:
            return known
        async with self._in_turn():
            if self._offer is None or self._offer is known:
                address = f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration"
                self._offer = self._offer_of(await self._read(address))
            return self._offer

    def _offer_of(self, said: Mapping[str, Any]) -> _Offer:
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        found = [said.get(name) for name in names]
        if said.get("issuer") != self.client.issuer or not all(isinstance(one, str) for one in found):
            raise ProviderError
        addresses = [str(one) for one in found]
        if not all(map(self._allowed, addresses)):
            raise ProviderError
        itself = said.get("authorization_response_iss_parameter_supported") is True
        return _Offer(addresses[0], addresses[1], addresses[2], itself, self._now())

    async def _jwks(self, offer: _Offer, *, again: bool = False) -> Sequence[Mapping[str, Any]]:
        """Rule 1."""
        known = self._keys
        if known is not None and self._now() - known[1] < (AGAIN_AFTER if again else KEPT_FOR):
            return known[0]
        async with self._in_turn():
            if self._keys is None or self._keys is known:
                keys = (await self._read(offer.jwks)).get("keys")
                if not isinstance(keys, list):
                    raise ProviderError
                self._keys = [key for key in keys if isinstance(key, dict)], self._now()
            return self._keys[0]

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """One reading at a time; behind one that tries again nobody waits (rule 5). Raises `ProviderError`."""
        if self._failed_at is not None and self._reading.locked():
            raise ProviderError
        async with self._reading:
            yield

    async def _read(self, address: str) -> Mapping[str, Any]:
        """What anybody may ask for, unless it could not be had a moment ago (rule 5). Raises `ProviderError`."""
        if self._failed_at is not None and self._now() - self._failed_at < RESTS_FOR:
            raise ProviderError
        try:
            said = await self._ask("GET", address)
        except ProviderError:
            self._failed_at = self._now()
            raise
        self._failed_at = None
        return said

    async def _ask(
        self,
        method: str,
        address: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """One request (rule 2). Raises `ProviderError`."""
        try:
            async with (
                asyncio.timeout(SECONDS),
                httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False) as client,
                client.stream(method, address, data=form, headers=headers) as answer,
            ):
                data = b""
                async for chunk in answer.aiter_bytes():
                    data += chunk
                    if len(data) > BYTES_MAX:
                        raise ProviderError
                if method == "POST" and answer.status_code == _BAD_REQUEST:
                    raise IdTokenError  # invalid_grant: the code is not this round's (RFC 6749 section 5.2)
                if answer.status_code != _OK:
                    raise ProviderError
            said = json.loads(data)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, RecursionError) as error:
            raise ProviderError from error
        if not isinstance(said, dict):
            raise ProviderError
        return said

    def _assertion(self, audience: str) -> str:
        """Who we are, signed (RFC 7523 section 3)."""
        if self._signing is None:
            raise ProviderError
        key, algorithm = self._signing
        now = int(self._now().timestamp())
        claims = {
            "iss": self.client.client_id,
            "sub": self.client.client_id,
            "aud": audience,
            "iat": now,
            "exp": now + int(ASSERTION_FOR.total_seconds()),
            "jti": self._entropy(_JTI_BYTES).hex(),
        }
        return jwt.encode({"alg": algorithm, "kid": key.thumbprint()}, claims, key, algorithms=[algorithm])

    def _allowed(self, address: str) -> bool:
        try:
            parts = urlsplit(address)
            host = parts.hostname or ""
        except ValueError:
            return False
        if parts.username or parts.fragment or not host:
            return False
        return parts.scheme == "https" or (parts.scheme == "http" and self._loopback and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _signing_key(pem: str) -> tuple[RSAKey | ECKey, str]:
    for kind, algorithm in ((ECKey, "ES256"), (RSAKey, "PS256")):
        try:
            return kind.import_key(pem), algorithm
        except (JoseError, ValueError, TypeError):
            continue
    raise ConfigurationError("The key for the identity provider is an EC P-256 or RSA private key in PEM.")
