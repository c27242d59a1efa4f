"""What does a service that is empty begin with?

1. An empty service brings the bundle that the settings name into force, if the gate lets it; from then on the database
   says which one is.
2. The first operator's token goes into a file that only its owner reads: standard output may be collected. It is there
   before the credential is.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

import structlog

from tiprouter.errors import ConfigurationError
from tiprouter.policy import bundle as bundles
from tiprouter.policy import files
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate.check import examine
from tiprouter.policy.refusal import BundleError
from tiprouter.policy.released import RELEASED
from tiprouter.settings import Settings
from tiprouter.storage import bundles as stored_bundles
from tiprouter.storage.database import Transaction
from tiprouter.wiring.house import House
from tiprouter.workflow import credentials, governing
from tiprouter.workflow.happening import ROUTER, engine_of

log = structlog.get_logger()


async def bring_into_force(house: House) -> None:
    """Rule 1. Raises `BundleError` and `ConfigurationError` where nothing is in force and nothing may come there."""
    active = await house.database.read(stored_bundles.active)
    configured = await asyncio.to_thread(_configured, house.settings, needed=active is None)
    if active is None and configured is not None:
        report = await asyncio.to_thread(_report, house.settings, configured)
        active = await house.database.write(lambda tx: governing.install(tx, house.desk, configured, report))
    if configured is not None and configured.digest != active:
        log.warning("bundle.not-in-force", configured=configured.digest, active=active)
    await house.database.read(lambda tx: engine_of(tx, house.desk, active))
    log.info("bundle.in-force", bundle=active)


def _configured(settings: Settings, *, needed: bool) -> Bundle | None:
    """The bundle that the settings name; a broken one matters only when nothing is in force."""
    try:
        return bundles.load(settings.bundle_path or files.shipped(settings.bundle))
    except BundleError as error:
        if needed:
            raise
        log.warning("bundle.unreadable", file=error.file, line=error.line)
        return None


def _report(settings: Settings, bundle: Bundle) -> dict[str, Any]:
    """What the gate says of the first bundle. Raises `ConfigurationError` when it does not pass."""
    if bundle.digest in RELEASED.values():
        return {"passed": True, "by": "release"}
    if settings.sandbox:
        return {"passed": False, "by": "sandbox"}
    report = examine(bundle)
    if not report.passed:
        failed = "; ".join(f"{step.number} {step.title}" for step in report.steps if not step.ok)
        raise ConfigurationError(f"The gate refuses the bundle: {failed}. See `tiprouter policy check`.")
    return governing.told(report)


async def keep_first_credential(house: House) -> None:
    """Rule 2. Raises `ConfigurationError` when the file cannot be written; then there is no credential either."""
    path = house.settings.data / "keys" / "first-operator-token"

    def story(tx: Transaction) -> bool:
        token = credentials.first(tx, house.desk, ROUTER)
        if token is not None:
            # Before the commit: a kept token that opens nothing is replaced at the next start, a lost one never is.
            _keep(path, token)
        return token is not None

    if await house.database.write(story):
        log.warning("service.first-credential", file=str(path))


def _keep(path: Path, token: str) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"{token}\n")
    except OSError as error:
        raise ConfigurationError("The first operator's token cannot be written; check DATA/keys.") from error
