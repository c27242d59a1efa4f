"""Which key provider do the settings mean, and does it answer?

1. One provider wraps; the former ones, if any are named, open what they wrapped before. So a service moves from one to
   another while it runs: name the new one, name the old one as former, re-wrap.
2. A provider whose library is missing, that cannot be reached or refuses, is one clear line at the start. A key is
   wrapped and unwrapped once to see it.
3. What waits for a network rests after it failed, and its unwrapped keys may be remembered for a while
   (`storage/key_providers/memory.py`).
"""

import os
import time
from typing import Final

from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings
from tiprouter.storage.key_providers import KEY_BYTES, KeyProvider, KeysUnavailableError, UnwrapError
from tiprouter.storage.key_providers.aws import AwsKeyProvider
from tiprouter.storage.key_providers.environment import EnvironmentKeyProvider
from tiprouter.storage.key_providers.file import FileKeyProvider
from tiprouter.storage.key_providers.hsm import HsmKeyProvider, TokenAccess
from tiprouter.storage.key_providers.memory import KeyMemory
from tiprouter.storage.key_providers.resting import Resting
from tiprouter.storage.key_providers.transit import TransitAccess, TransitKeyProvider
from tiprouter.storage.vault import Vault

PROVIDERS: Final = ("file", "environment", "vault", "aws-kms", "pkcs11")
_PROBE: Final = "probe"


def vault_of(settings: Settings) -> Vault:
    """The vault that the settings mean; it was tried (rule 2). Raises `ConfigurationError`."""
    former = [name.strip() for name in settings.key_providers_former.split(",") if name.strip()]
    if not {*former} <= {*PROVIDERS} - {settings.key_provider}:
        raise ConfigurationError(f"TIPROUTER_KEY_PROVIDERS_FORMER names others of {', '.join(PROVIDERS)}.")
    wrapping = tried(settings.key_provider, settings)
    opening = [tried(name, settings, wraps=False, make=False) for name in former]
    memory = KeyMemory(time.monotonic) if any(one.remote for one in (wrapping, *opening)) else None
    return Vault(wrapping, os.urandom, opening, memory)


def tried(name: str, settings: Settings, *, wraps: bool = True, make: bool = True) -> KeyProvider:
    """A provider that answers (rule 2): one that wraps has wrapped; `make` lets it make its first key.

    Raises `ConfigurationError`.
    """
    try:
        provider = _provider(name, settings, make=make)
        if wraps:
            provider.unwrap(provider.wrap(os.urandom(KEY_BYTES), _PROBE), _PROBE)
    except (KeysUnavailableError, UnwrapError) as error:
        raise ConfigurationError(f"The key provider `{name}` cannot be used: {_without_end(str(error))}.") from error
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise ConfigurationError(f"The key provider `{name}` cannot be used: {reason}.") from error
    return Resting(provider, time.monotonic) if provider.remote else provider


def _without_end(message: str) -> str:
    return message.partition(";")[0].rstrip(".").removeprefix("The ")


def _provider(name: str, settings: Settings, *, make: bool) -> KeyProvider:
    match name:
        case "environment":
            return EnvironmentKeyProvider(os.environ)
        case "vault":
            return TransitKeyProvider(
                TransitAccess(
                    url=settings.vault_url,
                    key=settings.vault_key,
                    mount=settings.vault_mount,
                    namespace=settings.vault_namespace,
                    token_file=settings.vault_token_file,
                    role_id=settings.vault_role_id,
                    secret_id_file=settings.vault_secret_id_file,
                    ca_file=settings.vault_ca_file,
                    seconds=settings.key_seconds,
                )
            )
        case "aws-kms":
            arns = [arn.strip() for arn in settings.kms_keys.split(",") if arn.strip()]
            return AwsKeyProvider(arns, settings.kms_endpoint, settings.key_seconds)
        case "pkcs11":
            return HsmKeyProvider(
                TokenAccess(
                    settings.pkcs11_module, settings.pkcs11_token, settings.pkcs11_pin_file, settings.pkcs11_key
                ),
                make=make,
            )
        case _:
            return FileKeyProvider(settings.key_file, os.urandom, make=make)
