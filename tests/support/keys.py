"""Every key provider there is, on something real: files, HTTP on loopback, KMS as moto plays it, a SoftHSM token."""

import base64
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3  # type: ignore[import-untyped]  # it ships no type information
import pytest
from moto import mock_aws

from tests.support.transit import transit
from tiprouter.storage.key_providers import KeyProvider
from tiprouter.storage.key_providers.aws import AwsKeyProvider
from tiprouter.storage.key_providers.environment import EnvironmentKeyProvider
from tiprouter.storage.key_providers.file import FileKeyProvider
from tiprouter.storage.key_providers.hsm import HsmKeyProvider, TokenAccess
from tiprouter.storage.key_providers.transit import TransitAccess, TransitKeyProvider

NAMES = ("file", "environment", "vault", "aws-kms", "pkcs11")
NO_SOFTHSM = "no SoftHSM here: install it (Debian: apt-get install softhsm2)"
_LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
TOKEN = "tiprouter-tests"
PIN = "1234"


def encoded(key: bytes) -> str:
    """A key as `TIPROUTER_KEK` holds it."""
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def private(path: Path, text: str) -> str:
    """A file of mode 0600 with this in it; its path."""
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


@contextmanager
def key_provider(name: str, folder: Path) -> Iterator[tuple[KeyProvider, Callable[[], KeyProvider]]]:
    """A provider with a first key, and what opens another one on the same keys, as another process would."""
    match name:
        case "file":
            yield _twice(lambda: FileKeyProvider(folder / "keys" / "kek", os.urandom))
        case "environment":
            told = encoded(os.urandom(32))
            yield _twice(lambda: EnvironmentKeyProvider({"TIPROUTER_KEK": told}))
        case "vault":
            with transit() as engine:
                token = private(folder / "token", "example-token\n")
                yield _twice(
                    lambda: TransitKeyProvider(TransitAccess(engine.url, "tiprouter", token_file=token, seconds=2))
                )
        case "aws-kms":
            with kms() as arn:
                yield _twice(lambda: AwsKeyProvider([arn]))
        case _:
            with softhsm(folder) as access:
                yield _twice(lambda: HsmKeyProvider(access))


def _twice(make: Callable[[], KeyProvider]) -> tuple[KeyProvider, Callable[[], KeyProvider]]:
    return make(), make


@contextmanager
def kms() -> Iterator[str]:
    """A KMS that moto plays, with one key; its ARN."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "fictional")
        yield new_kms_key()


def new_kms_key() -> str:
    """Another key in the same KMS; its ARN."""
    client = boto3.session.Session().client("kms", region_name="us-east-1")
    return str(client.create_key()["KeyMetadata"]["Arn"])


@contextmanager
def softhsm(folder: Path) -> Iterator[TokenAccess]:
    """A SoftHSM token of its own below `folder`; skips with the reason where there is no SoftHSM."""
    library = next((one for one in _LIBRARIES if Path(one).exists()), None)
    command = shutil.which("softhsm2-util")
    if library is None or command is None:
        pytest.skip(NO_SOFTHSM)
    # One library can be initialised once in a process: one token folder serves all tests of this process.
    if "SOFTHSM2_CONF" not in os.environ:
        tokens = folder / "tokens"
        tokens.mkdir()
        os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
        Path(os.environ["SOFTHSM2_CONF"]).write_text(
            f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        words = [command, "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", PIN]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
    label = f"kek-{os.urandom(4).hex()}"
    yield TokenAccess(library, TOKEN, private(folder / "pin", f"{PIN}\n"), label)
