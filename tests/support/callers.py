"""How tests play a system that signs in with a key of its own, and a proxy that vouches for its certificate."""

import base64
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from tests.api.calling import Api
from tests.support.service import OPERATOR
from tiprouter.api.routes.oauth import ASSERTION_TYPE, GRANT_TYPE, TOKEN_PATH
from tiprouter.delivery.jws import Allowed
from tiprouter.storage.callers import Caller
from tiprouter.workflow import clients
from tiprouter.workflow.client_assertions import Jwk
from tiprouter.workflow.clients import NewClient
from tiprouter.workflow.credentials import CallerRole

CERTIFICATE = b"the DER bytes of a fictional certificate"
_NUMBERS = itertools.count()
ISSUER = "http://127.0.0.1:8080"


def ed25519() -> OKPKey:
    """A new key of the kind that is proposed first."""
    return OKPKey.generate_key("Ed25519")


def p256() -> ECKey:
    """A new key on P-256."""
    return ECKey.generate_key("P-256")


def rsa() -> RSAKey:
    """A new RSA key."""
    return RSAKey.generate_key(2_048)


def public(key: Key, **more: str) -> Jwk:
    """What of a key is registered."""
    members: dict[str, Any] = dict(key.as_dict(private=False))
    return {name: members[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in members} | more


def client_cert(der: bytes = CERTIFICATE) -> dict[str, str]:
    """The header by which a proxy vouches for a certificate (RFC 9440)."""
    return {"Client-Cert": f":{base64.b64encode(der).decode()}:"}


def thumbprint(der: bytes = CERTIFICATE) -> str:
    """The certificate's x5t#S256, computed apart from the product."""
    return _spelt(hashlib.sha256(der).digest())


def _spelt(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class System:
    """A registered client and the private key it signs with."""

    api: Api
    client: Caller
    key: Key

    def claims(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Good claims, but for the changes; one of None is left out."""
        now = self.api.service.clock().timestamp()
        claims = {
            "iss": self.client.id,
            "sub": self.client.id,
            "aud": ISSUER + TOKEN_PATH,
            "iat": int(now),
            "exp": int(now) + 120,
            "jti": f"jti-{next(_NUMBERS)}",
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def assertion(
        self, claims: Mapping[str, Any] | None = None, header: Mapping[str, Any] | None = None, key: Key | None = None
    ) -> str:
        """A signed assertion."""
        said = json.dumps(self.claims() if claims is None else claims)
        key = key or self.key
        alg = {"OKP": "EdDSA", "EC": "ES256", "RSA": "PS256"}[str(key.key_type)]
        protected = {"alg": alg} | dict(header or {})
        registry = Allowed(algorithms=[str(protected["alg"])])
        return jws.serialize_compact(protected, said.encode(), key, registry=registry)

    def signed_by_hand(self, header: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> str:
        """Good claims under a header and a signature that no library would make."""
        said = ".".join(_spelt(json.dumps(part).encode()) for part in (header, self.claims()))
        return f"{said}.{_spelt(sign(said.encode()))}"

    async def ask(
        self, assertion: str | None = None, headers: Mapping[str, str] | None = None, **fields: str
    ) -> httpx2.Response:
        """Ask for a token."""
        form = {
            "grant_type": GRANT_TYPE,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion() if assertion is None else assertion,
        }
        return await self.api.client.post(TOKEN_PATH, data=form | fields, headers=dict(headers or {}))

    async def token(self, headers: Mapping[str, str] | None = None, **fields: str) -> str:
        """A token, which must be given."""
        answer = await self.ask(headers=headers, **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


async def system(api: Api, role: CallerRole = CallerRole.INTAKE, key: Key | None = None, **terms: Any) -> System:  # noqa: ANN401 - a client's
    """Register a client with one key."""
    key = key or ed25519()
    new = NewClient(role, (public(key),), **terms)
    client = await api.service.database.write(lambda tx: clients.register(tx, api.service.desk, OPERATOR, new))
    return System(api, client, key)


async def use(
    api: Api, token: str, path: str = "/v1/tips", headers: Mapping[str, str] | None = None
) -> httpx2.Response:
    """One read with a token."""
    return await api.client.get(path, headers={"Authorization": f"Bearer {token}"} | dict(headers or {}))
