"""Do the files under docs/deploy say what the product understands?

1. Every command and option that a container runs is one of the command line's.
2. Every environment variable is a setting.
3. No container is root, gains privileges, or writes to its own files.
4. Those that share a database share its keys.
5. The data folder is one that the service makes, in a volume: the volume itself is open to others.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

import pytest
import typer.main
import yaml  # type: ignore[import-untyped]  # it ships no type information

from tiprouter.cli.main import app
from tiprouter.settings import Settings
from tiprouter.wiring.findings import Level
from tiprouter.wiring.house import open_house
from tiprouter.wiring.safety import examine_safety

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
SECRET = "TIPROUTER_KEK"
"""Read by the key provider itself, and never a setting: settings may be printed."""


def kubernetes() -> list[dict[str, Any]]:
    """The manifests."""
    listed: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "kubernetes.yaml").read_text())["items"]
    return listed


def containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each pod's specification with each of its containers."""
    for manifest in kubernetes():
        pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", ()):
            yield pod, container


def compose() -> dict[str, dict[str, Any]]:
    """The services of the compose file."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return services


def misunderstood(words: list[str]) -> list[str]:
    """What of a command and its options the command line does not know."""
    name, *rest = words
    command = typer.main.get_command(app).commands.get(name)  # type: ignore[attr-defined]  # the app is a group
    if command is None:
        return [name]
    known = {option for parameter in command.params for option in parameter.opts}
    return [word for word in rest if word.startswith("--") and word not in known]


def test_kubernetes_runs_commands_that_are_there() -> None:
    """Rule 1."""
    commands = [container["args"] for _, container in containers()]
    assert len(commands) == 4
    assert [wrong for words in commands for wrong in misunderstood(words)] == []


def test_compose_runs_commands_that_are_there() -> None:
    """Rule 1, and in a shell's line too."""
    commands = [service["command"] for service in compose().values() if "command" in service]
    lines = [service["entrypoint"][-1] for service in compose().values() if "entrypoint" in service]
    commands += [[part.split()[-1]] for line in lines for part in line.split("&&")]
    assert len(commands) == 4
    assert [wrong for words in commands for wrong in misunderstood(words)] == []


@pytest.mark.parametrize("words", [["serv"], ["serve", "--no-such-option"]])
def test_a_command_that_is_not_there_is_found(words: list[str]) -> None:
    """Rule 1."""
    assert misunderstood(words)


def test_every_variable_is_a_setting() -> None:
    """Rule 2."""
    names = {entry["name"] for _, container in containers() for entry in container["env"]}
    names |= {name for manifest in kubernetes() if manifest["kind"] == "ConfigMap" for name in manifest["data"]}
    settings = {f"TIPROUTER_{name.upper()}" for name in Settings.model_fields}
    assert names - {SECRET} <= settings
    assert SECRET in names


def test_nobody_is_root_or_writes_to_the_product() -> None:
    """Rule 3."""
    for pod, container in containers():
        assert pod["securityContext"]["runAsNonRoot"] is True
        own = container["securityContext"]
        assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
        assert own["capabilities"] == {"drop": ["ALL"]}
    for service in compose().values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_who_shares_a_database_shares_its_keys() -> None:
    """Rule 4: a process with a key of its own could open nothing."""
    told = {str(container["env"]) for _, container in containers()}
    assert len(told) == 1
    assert all("./secrets/kek:/data/keys/kek:ro" in service["volumes"] for service in compose().values())


def test_the_data_folder_is_made_within_a_volume() -> None:
    """Rule 5, wherever it is mounted."""
    (settings,) = [manifest["data"] for manifest in kubernetes() if manifest["kind"] == "ConfigMap"]
    for _, container in containers():
        assert str(PurePath(settings["TIPROUTER_DATA"]).parent) in {
            one["mountPath"] for one in container["volumeMounts"]
        }


async def test_a_data_folder_in_an_open_volume_is_its_owners_alone(tmp_path: Path) -> None:
    """Rule 5: as a volume of a cluster is, and with its group handed on."""
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o2777)
    for data, level in ((volume / "own", Level.OK), (volume, Level.FAIL)):
        settings = Settings(data=data)
        async with open_house(settings, migrate=True):
            said = {one.subject: one.level for one in await examine_safety(settings, datetime.now(UTC))}
        assert said["Files"] is level
