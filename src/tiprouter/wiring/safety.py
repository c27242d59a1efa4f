"""Is this service set up so that it may be given real data?

1. Each finding says what was found, why it matters and how to mend it. FAIL is unsafe: with `TIPROUTER_PRODUCTION=1`
   the service does not start. WARN is somebody's decision, to be made with open eyes.
2. Looking changes nothing, and one check that breaks is one FAIL; the others still run.
3. What the settings and the files say is looked at here; what the database and the clock say in `surroundings.py`.

Not promised: that what was safe at the start stays so, nor that a proxy in front does what it is trusted to do.
"""

import asyncio
import ipaddress
import stat
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from tiprouter.domain.notice import Severity
from tiprouter.domain.retention import SIX_YEARS, Retained, too_short
from tiprouter.errors import ConfigurationError, TiprouterError
from tiprouter.settings import Settings
from tiprouter.wiring import surroundings, tls
from tiprouter.wiring.findings import Finding, Level, Said
from tiprouter.wiring.keeping import retention_of
from tiprouter.wiring.paging import hook_of, mailbox_of, routing_of

Check: TypeAlias = Callable[[Settings, datetime], Awaitable[Said]]

_OTHERS: Final = 0o077
_EXAMPLES: Final = (".example", ".test", ".invalid", ".localhost", "localhost")


async def examine_safety(settings: Settings, now: datetime) -> list[Finding]:
    """Every finding about a service for real data."""
    return [await found_by(check, subject, settings, now) for subject, check in CHECKS.items()]


async def found_by(check: Check, subject: str, settings: Settings, now: datetime) -> Finding:
    """One check's finding (rule 2)."""
    try:
        level, found, remedy = await check(settings, now)
    except TiprouterError as error:
        return Finding(Level.FAIL, subject, str(error))
    except Exception as error:  # noqa: BLE001 - a check that breaks is itself a finding
        return Finding(Level.FAIL, subject, f"the check itself failed ({type(error).__name__}).")
    return Finding(level, subject, found, remedy)


async def refuse_unsafe(settings: Settings, now: datetime) -> None:
    """Refuse a start that rule 1 forbids. Raises `ConfigurationError`."""
    unsafe = [one for one in await examine_safety(settings, now) if one.level is Level.FAIL]
    if unsafe:
        told = " ".join(f"{one.subject}: {one.found} {one.remedy}".strip() for one in unsafe)
        raise ConfigurationError(f"This is unsafe for real data. {told}")


async def _origin(settings: Settings, _now: datetime) -> Said:
    default = str(Settings.model_fields["log_origin"].default)
    if settings.log_origin == default or _is_example(settings.log_origin.partition("/")[0]):
        return (
            Level.FAIL,
            f"{settings.log_origin} is nobody's: proofs under it prove nothing about you.",
            "Set TIPROUTER_LOG_ORIGIN to a name that you own, before the first start.",
        )
    return Level.OK, f"{settings.log_origin}.", ""


async def _public_url(settings: Settings, _now: datetime) -> Said:
    mend = "Set TIPROUTER_PUBLIC_URL to the https URL that callers use."
    url = urlsplit(settings.public_url)
    if not settings.public_url:
        return Level.FAIL, "none: any host name is answered for, and browsers are not held to https.", mend
    if url.scheme != "https":
        return Level.FAIL, "it is not https: tokens and tips could be read on the way.", mend
    if url.hostname is None or _is_example(url.hostname):
        return Level.FAIL, "it is an example's: callers are told a name that is not yours.", mend
    if url.hostname not in settings.hosts:
        return (
            Level.FAIL,
            "TIPROUTER_ALLOWED_HOSTS lacks its name: every caller would be misdirected.",
            "Add it there, or leave that setting empty.",
        )
    return Level.OK, f"{settings.public_url}.", ""


async def _sandbox(settings: Settings, _now: datetime) -> Said:
    if settings.sandbox:
        return (
            Level.FAIL,
            "on: nothing is delivered but to this machine, and endpoints prove nothing.",
            "Start without --sandbox and TIPROUTER_SANDBOX.",
        )
    return Level.OK, "off.", ""


async def _listening(settings: Settings, _now: datetime) -> Said:
    if not settings.tls_certificate_file and not settings.trusted_proxies:
        mend = "Name a certificate in TIPROUTER_TLS_CERTIFICATE_FILE, or your proxy in TIPROUTER_TRUSTED_PROXIES."
        if _on_loopback(settings.host):
            return Level.FAIL, "neither TLS nor a proxy: all who come by way of one count as one address.", mend
        return Level.FAIL, f"{settings.host} is reachable without TLS: tokens and tips can be read on the way.", mend
    if _trusts_all(settings.trusted_proxies):
        return (
            Level.FAIL,
            "every address is a trusted proxy: each caller says for itself where it is.",
            "Name the proxy's own address in TIPROUTER_TRUSTED_PROXIES.",
        )
    if settings.metrics_port and not _on_loopback(settings.metrics_host):
        return (
            Level.WARN,
            f"metrics are answered on {settings.metrics_host} to whoever asks.",
            "Keep TIPROUTER_METRICS_HOST to the monitoring network.",
        )
    return Level.OK, f"{settings.host}, trusted proxies: {settings.trusted_proxies or 'none'}.", ""


async def _certificate(settings: Settings, now: datetime) -> Said:
    return await asyncio.to_thread(tls.judged, settings, now)


async def _files(settings: Settings, _now: datetime) -> Said:
    keys = settings.data / "keys"
    looked_at = [settings.data, *(sorted(keys.rglob("*")) if keys.is_dir() else ())]
    secrets = (settings.page_webhook_secret_file, settings.page_smtp_password_file, settings.tls_key_file)
    looked_at += [Path(one) for one in secrets if one]
    open_ones = [one for one in looked_at if one.exists() and stat.S_IMODE(one.stat().st_mode) & _OTHERS]
    if open_ones:
        names = ", ".join(str(one) for one in open_ones)
        return Level.FAIL, f"others may look into {names}: keys open everything.", f"chmod go= {names}"
    return Level.OK, "data folder and keys are their owner's alone.", ""


async def _paging(settings: Settings, _now: datetime) -> Said:
    mend = "Set TIPROUTER_PAGE_WEBHOOK_URL or TIPROUTER_PAGE_SMTP_HOST, and run `tiprouter page test`."
    if hook_of(settings) is None and mailbox_of(settings) is None:
        return Level.FAIL, "off: what fails about imminent danger would wait until somebody looks.", mend
    routing = routing_of(settings)
    unheard = [one.value for one in Severity if not routing.by_severity[one] & routing.channels]
    if Severity.IMMINENT.value in unheard:
        return Level.FAIL, "nothing pages what is imminent: it would wait until somebody looks.", mend
    if unheard:
        return Level.WARN, f"nothing pages what is {' or '.join(unheard)}: it waits until somebody looks.", mend
    return Level.OK, f"by {' and '.join(sorted(one.value for one in routing.channels))}.", ""


async def _witnesses(settings: Settings, _now: datetime) -> Said:
    if not settings.log_witnesses:
        return (
            Level.WARN,
            "none: whoever holds the log's key could show two histories.",
            "Ask an agency to run `tiprouter witness`, and name it in TIPROUTER_LOG_WITNESSES.",
        )
    return Level.OK, "configured.", ""


async def _endpoints(settings: Settings, _now: datetime) -> Said:
    if settings.verify_endpoints == "never":
        return (
            Level.FAIL,
            "never proved: a misspelt address would be sent disclosures.",
            "Set TIPROUTER_VERIFY_ENDPOINTS to live.",
        )
    return Level.OK, "proved before they get disclosures.", ""


async def _retention(settings: Settings, _now: datetime) -> Said:
    periods = retention_of(settings)
    days = {
        what: f"{what.value} {period.days} days" if period else f"{what.value} for ever"
        for what, period in periods.items()
    }
    if too_short(periods):
        return (
            Level.FAIL,
            f"{days[Retained.ACCOUNTING]}: whoever asks within six years is owed it (45 CFR 164.528).",
            f"Set TIPROUTER_RETENTION_ACCOUNTING_DAYS to {SIX_YEARS.days} or more.",
        )
    kept = [what.value for what, period in periods.items() if not period and what is not Retained.ACCOUNTING]
    if kept:
        return (
            Level.WARN,
            f"none of {', '.join(kept)}: what is closed is kept for ever, and so can be stolen for ever.",
            "Set TIPROUTER_RETENTION_DAYS (or TIPROUTER_RETENTION_..._DAYS) to what you promise, or decide against it.",
        )
    return Level.OK, f"{', '.join(days.values())}.", ""


async def _limits(settings: Settings, _now: datetime) -> Said:
    wanted = ("reads_per_minute", "writes_per_minute", "strangers_per_minute", "attempts_per_minute", "in_flight_max")
    values = settings.model_dump(include=set(wanted))
    without = [f"TIPROUTER_{name.upper()}" for name in wanted if not values[name]]
    if without:
        names = ", ".join(without)
        return Level.WARN, f"no limit by {names}: one caller can take all there is.", "Set them above what you expect."
    return Level.OK, "each caller and each address has its own.", ""


def _is_example(host: str) -> bool:
    return host.endswith(_EXAMPLES)


def _on_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _trusts_all(proxies: str) -> bool:
    return any(one.strip() == "*" or one.strip().endswith("/0") for one in proxies.split(","))


CHECKS: Final[Mapping[str, Check]] = {
    "Log origin": _origin,
    "Public URL": _public_url,
    "Sandbox": _sandbox,
    "Listening": _listening,
    "Certificate": _certificate,
    "Files": _files,
    "Paging": _paging,
    "Witnesses": _witnesses,
    "Endpoints": _endpoints,
    "Retention": _retention,
    "Limits": _limits,
    **surroundings.CHECKS,
}
