"""Is the image built as docs/threat-model.md says, read from the Dockerfile without Docker?

1. Who runs in it is no root, by a number that an orchestrator can check, and owns nothing but the data.
2. Its root can be read-only: what is written stands in the one volume, and bytecode is made beforehand.
3. It holds no secret: nothing is copied but what the wheel is made of, and no variable is one.
4. Its base is one version of Python, the same in both stages; what runs comes from the lock, by hash, wheels only.
5. The finished stage has no installer of ours and fetches nothing; it starts without a shell.
"""

import re
from pathlib import Path

import pytest

from tiprouter.settings import Settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "Dockerfile"
COPIED = {"requirements.lock", "src", "alembic", "pyproject.toml", "README.md"}
PLAIN = {"PATH", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
SETTINGS = {f"TIPROUTER_{one.upper()}" for one in Settings.model_fields}
SECRETS = re.compile(r"secret|password|token|private|kek|\.pem|\.key", re.IGNORECASE)


def stages(text: str) -> list[list[tuple[str, str]]]:
    """The instructions of each stage, what stands before the first in it: (instruction, what it says)."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    lines = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    found: list[list[tuple[str, str]]] = [[]]
    for word, said in lines:
        if word == "FROM" and any(one == "FROM" for one, _ in found[-1]):
            found.append([])
        found[-1].append((word, said))
    return found


def said(stage: list[tuple[str, str]], word: str) -> list[str]:
    """What a stage's instructions of one kind say."""
    return [what for one, what in stage if one == word]


def faults(text: str) -> set[str]:
    """Which of the rules a Dockerfile breaks, by number and a word."""
    build, *rest = stages(text)
    if len(rest) != 1:
        return {"1 stages"}
    (run,) = rest
    found = {
        "1 user": not re.fullmatch(r"[1-9][0-9]{3,}:[1-9][0-9]{3,}", (said(run, "USER") or [""])[-1]),
        "1 owner": any("--chown" in one for one in said(run, "COPY")),
        "2 volume": said(run, "VOLUME") != ['["/data"]'] or "TIPROUTER_DATA=/data" not in " ".join(said(run, "ENV")),
        "2 bytecode": not any("compileall" in one for one in said(run, "RUN")),
        "3 copied": not _copied(build + run) <= COPIED,
        "3 variable": bool(
            _variables(build + run) - PLAIN - {f"TIPROUTER_{one.upper()}" for one in Settings.model_fields}
        )
        or any(SECRETS.search(one) for one in _variables(build + run) | {*said(build + run, "ARG")}),
        "4 base": len({one.split()[0] for one in said(build + run, "FROM")}) != 1
        or not re.fullmatch(r"PYTHON=3\.[0-9]+(\.[0-9]+)?-slim-[a-z]+(@sha256:[0-9a-f]{64})?", said(build, "ARG")[0]),
        "4 lock": not all(_locked(one) for one in said(build, "RUN") if "install" in one),
        "5 installer": any(re.search(r"pip|apt|curl|wget|ADD", one) for one in said(run, "RUN"))
        or bool(said(run, "ADD")),
        "5 shell": not all(one.startswith("[") for one in said(run, "ENTRYPOINT") + said(run, "CMD")),
    }
    return {name for name, wrong in found.items() if wrong}


def _copied(instructions: list[tuple[str, str]]) -> set[str]:
    plain = [one for one in said(instructions, "COPY") if not one.startswith("--from=build")]
    return {name for one in plain for name in one.split()[:-1] if not name.startswith("--")}


def _variables(instructions: list[tuple[str, str]]) -> set[str]:
    return {name for one in said(instructions, "ENV") for name in re.findall(r"(\w+)=", one)}


def _locked(command: str) -> bool:
    return all(one in command for one in ("--require-hashes", "--only-binary :all:", "-r /build/requirements.lock"))


def test_the_image_keeps_its_rules() -> None:
    """Rules 1 to 5."""
    assert faults(FILE.read_text()) == set()


@pytest.mark.parametrize(
    ("before", "after", "broken"),
    [
        ("USER 10001:10001", "USER root", "1 user"),
        ("USER 10001:10001", "", "1 user"),
        ("USER 10001:10001", "USER 10001:10001\nUSER 0", "1 user"),
        ("COPY src /app/src", "COPY --chown=10001 src /app/src", "1 owner"),
        ('VOLUME ["/data"]', 'VOLUME ["/data", "/app"]', "2 volume"),
        ("RUN /opt/tiprouter/bin/python -m compileall -q /app/src", "", "2 bytecode"),
        ("COPY src /app/src", "COPY . /app", "3 copied"),
        ("COPY src /app/src", "COPY src var/keys /app/", "3 copied"),
        ("    TIPROUTER_PORT=8080", "    TIPROUTER_PORT=8080 API_TOKEN=abc", "3 variable"),
        ("ARG PYTHON=3.11-slim-bookworm", "ARG PYTHON=latest", "4 base"),
        ("FROM python:${PYTHON} AS run", "FROM debian:stable AS run", "4 base"),
        ("--require-hashes ", "", "4 lock"),
        ("--only-binary :all: ", "", "4 lock"),
        ("COPY alembic /app/alembic", "RUN apt-get install -y curl", "5 installer"),
        ("COPY alembic /app/alembic", "ADD x.tar /app", "5 installer"),
        ('ENTRYPOINT ["python", "-m", "tiprouter"]', "ENTRYPOINT python -m tiprouter", "5 shell"),
    ],
)
def test_a_rule_that_is_broken_is_found(before: str, after: str, broken: str) -> None:
    """Each rule, broken by one change of the file."""
    text = FILE.read_text()
    assert before in text
    assert faults(text.replace(before, after)) == {broken}
