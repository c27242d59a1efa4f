"""cli/agency, rule 6: what `tiprouter agency` says and does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from tests.delivery.sending import envelope, sandbox
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.receiver.misbehaving import BEHAVIOURS, opened

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
COMMAND = (sys.executable, "-m", "tiprouter", "agency")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [*COMMAND, *arguments]
    return subprocess.run(  # noqa: S603 - our own interpreter and command
        command, check=False, capture_output=True, text=True, timeout=60, env=ENVIRONMENT
    )


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start the command."""
    command = [*COMMAND, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)  # noqa: S603 - our own


def test_the_behaviours_are_listed_with_their_meaning() -> None:
    """Every one, a line each."""
    lines = run("--behaviours").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(BEHAVIOURS)
    assert all(behaviour.meaning in line for line, behaviour in zip(lines, BEHAVIOURS.values(), strict=True))


def test_a_behaviour_there_is_not_is_an_error() -> None:
    """Exit code 2, and a word of what to do."""
    done = run("--behaviour", "polite")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--behaviours" in done.stderr


async def test_an_agency_misbehaves_until_it_is_stopped(tmp_path: Path) -> None:
    """The URL comes first; a sender meets the behaviour there; the end is a count."""
    with start("--behaviour", "throttle-seconds") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        async with sandbox() as sender:
            attempted = await sender.send(envelope(url, timeout_seconds=5))
        process.send_signal(signal.SIGTERM)
        told = process.stdout.read()
        assert process.wait(10) == 0
    assert (attempted.result, attempted.retry_after_seconds) == (AttemptResult.THROTTLED, 17.0)
    assert BEHAVIOURS["throttle-seconds"].meaning in told
    assert "1 connections, 1 requests" in told


async def test_an_authority_is_made_where_there_is_tls() -> None:
    """Misbehaving, rule 1: a new one each time, and none without TLS."""
    async with opened("certificate-sound") as one, opened("certificate-sound") as other, opened("ok") as plain:
        assert one.authority is not None
        assert other.authority is not None
        assert plain.authority is None
        serials = {
            x509.load_pem_x509_certificate(each.authority.pem.encode()).serial_number
            for each in (one, other)
            if each.authority
        }
        assert len(serials) == 2
    with pytest.raises(KeyError):
        async with opened("polite"):
            pass
