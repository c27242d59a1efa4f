"""How tests bring a policy bundle into force over HTTP."""

from typing import Any

import httpx2

from tests.api.calling import Api, tip
from tests.support.giving import another, give
from tiprouter.policy.files import OWN_FILES, files_of, shipped
from tiprouter.workflow.credentials import CallerRole

SHARED = "tip-sharing"


def own_files(name: str = SHARED, **changes: str) -> dict[str, str]:
    """A shipped bundle's own files; those it extends another one for are left out. Names have `_` for `.`."""
    files = {file: (shipped(name) / file).read_text() for file in OWN_FILES}
    return files | {name.replace("_", "."): text for name, text in changes.items()}


def whole_files(name: str = "survivor-led") -> dict[str, str]:
    """A shipped bundle's complete files."""
    return files_of(shipped(name))


def setting(key: str, value: str, name: str = SHARED) -> str:
    """A shipped bundle's `bundle.toml` with another value of one key."""
    lines = (shipped(name) / "bundle.toml").read_text().splitlines()
    (found,) = (number for number, line in enumerate(lines) if line.startswith(f"{key} ="))
    lines[found] = f"{key} = {value}"
    return "\n".join(lines) + "\n"


def handed_on(external_id: str = "T-1") -> dict[str, Any]:
    """What a professional tells of an adult who was not asked: held under one bundle, forwarded under the other."""
    return tip(external_id, signaler={"relationship": "service_provider", "wish": "unstated"})


async def propose(api: Api, files: dict[str, str] | None = None, role: str = "counsel") -> httpx2.Response:
    """Propose a bundle: the other shipped one when no files are given."""
    return await api.send(role, "POST", "/v1/bundles", {"files": own_files() if files is None else files})


async def colleague(api: Api, name: str = "colleague") -> None:
    """A second credential of counsel, another person's."""
    api.tokens[name] = (await give(api.service, CallerRole.COUNSEL, by=another(name)))[1]


async def at_bundle(api: Api, role: str, digest: str, verb: str, **body: object) -> httpx2.Response:
    """Do something to a bundle."""
    return await api.send(role, "POST", f"/v1/bundles/{digest}/{verb}", body or None)


async def approve(
    api: Api, digest: str, against: str, role: str = "counsel", *, accept: bool = True
) -> httpx2.Response:
    """Approve a bundle."""
    return await at_bundle(api, role, digest, "approve", against=against, accept_newly_disclosed=accept)


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Status and slug of a problem."""
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def told(api: Api, role: str, path: str) -> Any:  # noqa: ANN401 - JSON
    """What a role reads."""
    answer = await api.send(role, "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()
