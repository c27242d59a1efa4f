"""With what do people sign in, as the settings say?

The identity provider needs the public URL, because it sends people back there; and a secret or a key, one of them.
"""

from typing import Final

from tiprouter.api.front import Front
from tiprouter.delivery.notifying import secret_text
from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.identity_provider import Client, Provider

CALLBACK: Final = "/v1/sign-in/oidc/callback"


def front_of(settings: Settings, desk: Desk) -> Front:
    """What people sign in with. Raises `ConfigurationError`."""
    secure = not settings.sandbox or settings.https
    if not settings.oidc_issuer:
        return Front(secure=secure)
    secret, key = settings.oidc_client_secret_file, settings.oidc_client_key_file
    if not settings.public_url or not settings.oidc_client_id or bool(secret) == bool(key):
        raise ConfigurationError(
            "An identity provider needs TIPROUTER_PUBLIC_URL, TIPROUTER_OIDC_CLIENT_ID, and either a secret or a key."
        )
    client = Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        redirect_uri=settings.public_url.rstrip("/") + CALLBACK,
        secret=secret_text(secret, "the client secret").strip() if secret else "",
        private_key=secret_text(key, "the key for the identity provider") if key else "",
        acr=frozenset(filter(None, (each.strip() for each in settings.oidc_acr.split(",")))),
    )
    return Front(provider=Provider(client, desk.now, desk.entropy, loopback=settings.sandbox), secure=secure)
