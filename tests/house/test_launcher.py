"""Does the launcher start from anywhere, install once and exactly, and say what to do when it cannot?

A private PATH holds the shell's tools and a pretend Python that records what it was asked and imitates `venv` and
`pip`. So the launcher runs for real, and nothing is downloaded. Rule numbers are those at the top of `tiprouter`.
"""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOOLS = ("awk", "cat", "cksum", "grep", "mkdir", "mv", "ps", "readlink", "rm", "rmdir", "sed", "sleep", "tail", "uname")

# Each call is one line in calls.log. PRETEND_* in the environment choose what goes wrong.
PRETEND_PYTHON = """#!/bin/sh
echo "$*" >>"{house}/calls.log"
case "$*" in
    "-I -c "*) echo "{answer} {path}" ;;
    *" -m venv "*)
        for folder; do :; done
        mkdir -p "$folder/bin"
        cp "{path}" "$folder/bin/python"
        echo "version = 3.12.1" >"$folder/pyvenv.cfg"
        ;;
    *" -m ensurepip "*) ;;
    *" -m pip "*)
        echo "${{PRETEND_PIP_SAYS:-Successfully installed}}"
        if [ -n "${{PRETEND_PIP_HANGS:-}}" ]; then exec sleep 30; fi
        exit "${{PRETEND_PIP_CODE:-0}}"
        ;;
    *" -m tiprouter"*)
        shift 3
        echo "ran in $(pwd) with $# arguments: $* path $PYTHONPATH"
        exit "${{PRETEND_PROGRAM_CODE:-0}}"
        ;;
    "-m pytest"*) echo "tested in $(pwd): $*" ;;
    *) exit 2 ;;
esac
"""
FIT = "3.12.1 fit pip venv ensurepip"


@dataclass(frozen=True, slots=True)
class House:
    """A copy of the launcher in a folder with a space in its name, and the PATH it is started with."""

    root: Path
    tools: Path

    def add_python(self, name: str, answer: str = FIT) -> None:
        """Put a pretend Python on the PATH that answers the launcher's probe with `answer`."""
        path = self.tools / name
        path.write_text(PRETEND_PYTHON.format(house=self.root, answer=answer, path=path))
        path.chmod(0o755)

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the whole environment of a start: the private PATH and what the test adds."""
        return {"PATH": str(self.tools), **changes}

    def start(
        self, *arguments: str, cwd: Path | None = None, launcher: Path | None = None, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the launcher to its end."""
        return subprocess.run(  # noqa: S603 - the file under test, with arguments written here
            [launcher or self.root / "tiprouter", *arguments],
            cwd=cwd or self.root,
            env=self.environment(**changes),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def calls(self) -> list[str]:
        """Return what the pretend Pythons were asked since the last look, and forget it."""
        log = self.root / "calls.log"
        lines = [line for line in log.read_text().splitlines() if line.startswith("-")] if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    @property
    def stamp(self) -> Path:
        """The file whose presence says that `.venv` is finished."""
        return self.root / ".venv" / ".tiprouter-run"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a house without any Python."""
    root, tools = tmp_path / "a house" / "of ours", tmp_path / "tools"
    root.mkdir(parents=True)
    tools.mkdir()
    for tool in (*TOOLS, "sh", "cp"):
        found = shutil.which(tool)
        assert found or tool == "ps", f"this machine has no {tool}"
        if found:
            (tools / tool).symlink_to(found)
    shutil.copy(REPOSITORY / "tiprouter", root / "tiprouter")
    (root / "requirements.lock").write_text("example==1\n")
    (root / "requirements-dev.lock").write_text("example==1\nexample-tool==1\n")
    return House(root, tools)


def wait_for(path: Path) -> None:
    """Wait until another process has made `path`."""
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never appeared"
        time.sleep(0.02)


def begin_and_hang(house: House) -> subprocess.Popen[str]:
    """Start an installation that never ends by itself, and return when the installer is running."""
    process = subprocess.Popen(  # noqa: S603 - the file under test
        [house.root / "tiprouter", "x"],
        env=house.environment(PRETEND_PIP_HANGS="yes"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    log = house.root / ".venv" / "install.log"
    wait_for(log)
    deadline = time.monotonic() + 10
    while "Successfully" not in log.read_text():
        assert time.monotonic() < deadline, "the installer never ran"
        time.sleep(0.02)
    return process


def test_the_first_start_installs_by_hash_from_wheels_only_and_then_runs(house: House) -> None:
    """Rule 1: no package may run code while it is installed, and no index is chosen for the user."""
    house.add_python("python3")
    done = house.start("serve", "--data", "some where")
    assert done.returncode == 0, done.stderr
    assert "Preparing tiprouter (first start only)" in done.stderr
    installs = [call for call in house.calls() if " -m pip " in call]
    assert len(installs) == 1
    assert "--only-binary :all: --require-hashes" in installs[0]
    assert installs[0].endswith(f"-r {house.root}/requirements.lock")
    assert "index" not in installs[0]
    assert not (house.root / ".venv" / ".tiprouter-lock").exists()


def test_a_second_start_runs_nothing_but_the_program(house: House) -> None:
    """Rule 3: no Python process precedes the program, and nothing is said."""
    house.add_python("python3")
    house.start("first")
    house.calls()
    done = house.start("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert house.calls() == ["-P -m tiprouter --help"]


def test_arguments_folder_and_exit_code_are_the_programs_own(house: House, tmp_path: Path) -> None:
    """Rule 4: through a chain of links, from elsewhere, with spaces, the program sees what the caller gave."""
    house.add_python("python3")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "absolute").symlink_to(house.root / "tiprouter")
    (tmp_path / "relative").symlink_to("else where/absolute")
    done = house.start("a b", "", "*", cwd=elsewhere, launcher=tmp_path / "relative", PRETEND_PROGRAM_CODE="7")
    assert done.returncode == 7
    assert done.stdout == f"ran in {elsewhere} with 3 arguments: a b  * path {house.root}/src\n"


def test_a_shim_that_refuses_to_run_and_an_old_python_are_passed_over(house: House) -> None:
    """A version manager's shim exists on the PATH and fails; the next candidate serves."""
    (house.tools / "python3.13").write_text("#!/bin/sh\necho 'version not installed' >&2\nexit 127\n")
    (house.tools / "python3.13").chmod(0o755)
    house.add_python("python3.12", "3.10.9 old pip venv ensurepip")
    house.add_python("python3")
    done = house.start("x")
    assert done.returncode == 0, done.stderr
    assert "version not installed" not in done.stderr


def test_the_named_python_is_tried_before_all_others(house: House) -> None:
    """Rule 6: a name given later rebuilds, the same name does not, and no name accepts what is there."""
    house.add_python("python3")
    house.add_python("special", "3.12.9 fit pip venv ensurepip")
    house.start("x")
    changed = house.start("x", TIPROUTER_PYTHON=str(house.tools / "special"))
    assert "with Python 3.12.9" in changed.stderr
    assert house.start("x", TIPROUTER_PYTHON=str(house.tools / "special")).stderr == ""
    assert house.start("x").stderr == ""


def test_without_a_fit_python_the_message_says_which_were_found(house: House) -> None:
    """Exit 78 with every candidate and its version, so that a person knows what to install."""
    nothing = house.start("x")
    assert nothing.returncode == 78
    assert "Python 3.11 or later is needed. Found: nothing on PATH." in nothing.stderr
    house.add_python("python3", "3.9.2 old pip venv ensurepip")
    old = house.start("x")
    assert old.returncode == 78
    assert "Found: python3 (3.9.2)." in old.stderr
    assert not (house.root / ".venv").exists()


@pytest.mark.parametrize("answer", ["3.12.1 fit pip no-venv ensurepip", "3.12.1 fit no-pip venv no-ensurepip"])
def test_a_python_that_cannot_make_an_environment_is_told_the_package(house: House, answer: str) -> None:
    """Debian splits venv and ensurepip off: the message names the package that brings them."""
    house.add_python("python3", answer)
    done = house.start("x")
    assert done.returncode == 78
    assert "apt-get install python3-venv" in done.stderr
    assert not (house.root / ".venv").exists()


def test_pip_outside_serves_where_ensurepip_is_missing(house: House) -> None:
    """A machine with pip but without ensurepip needs no further package."""
    house.add_python("python3", "3.12.1 fit pip venv no-ensurepip")
    assert house.start("x").returncode == 0
    assert any(f"-m pip --python {house.root}/.venv/bin/python install" in call for call in house.calls())


def test_uv_installs_when_present_and_pip_when_uv_fails(house: House) -> None:
    """Rule 1: uv reads other configuration than pip, so its failure is not the end."""
    house.add_python("python3")
    uv = house.tools / "uv"
    uv.write_text(f'#!/bin/sh\necho "uv $*" >>"{house.root}/uv.log"\nexit "${{PRETEND_UV_CODE:-0}}"\n')
    uv.chmod(0o755)
    assert house.start("x").returncode == 0
    assert "--only-binary :all: --require-hashes" in (house.root / "uv.log").read_text()
    assert not any(" -m pip " in call for call in house.calls())
    house.stamp.unlink()
    assert house.start("x", PRETEND_UV_CODE="2").returncode == 0
    assert any(" -m pip " in call for call in house.calls())


@pytest.mark.parametrize(
    ("says", "code", "advice"),
    [
        ("ERROR: Could not find a version that satisfies example==1", 69, "check the network, the proxy"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", 65, "not the one the lock file"),
    ],
)
def test_a_failed_install_shows_its_last_lines_and_what_to_check(
    house: House, says: str, code: int, advice: str
) -> None:
    """The installer's words, our advice, a code of its own, and nothing that looks finished."""
    house.add_python("python3")
    done = house.start("x", PRETEND_PIP_CODE="1", PRETEND_PIP_SAYS=says)
    assert done.returncode == code
    assert says in done.stderr
    assert advice in done.stderr
    assert not house.stamp.exists()
    assert not (house.root / ".venv" / ".tiprouter-lock").exists()
    assert house.start("x").returncode == 0


def test_a_folder_that_cannot_be_written_is_named(house: House) -> None:
    """Exit 73; a file in the place of the folder fails for root as well, whom permissions do not stop."""
    house.add_python("python3")
    (house.root / ".venv").write_text("")
    done = house.start("x")
    assert done.returncode == 73
    assert f"{house.root}/.venv cannot be made or written" in done.stderr


def test_a_changed_lock_is_installed_into_an_empty_environment(house: House) -> None:
    """Rule 2: what the new lock no longer names must not stay importable."""
    house.add_python("python3")
    house.start("x")
    leftover = house.root / ".venv" / "leftover"
    leftover.write_text("")
    (house.root / "requirements.lock").write_text("example==2\n")
    done = house.start("x")
    assert "the lock file or the Python is another" in done.stderr
    assert not leftover.exists()
    assert house.start("x").stderr == ""


def test_an_environment_remade_by_other_means_is_not_trusted(house: House) -> None:
    """Rule 2: the stamp covers the interpreter's version too."""
    house.add_python("python3")
    house.start("x")
    (house.root / ".venv" / "pyvenv.cfg").write_text("version = 3.13.0\n")
    assert "Preparing" in house.start("x").stderr


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_first_install_leaves_nothing_that_looks_finished(house: House, name: signal.Signals) -> None:
    """Rule 2: the signal ends the installer too, the lock is released, and the next start does the whole work."""
    house.add_python("python3")
    process = begin_and_hang(house)
    process.send_signal(name)
    assert process.wait(timeout=60) == 128 + name
    assert not house.stamp.exists()
    assert not (house.root / ".venv" / ".tiprouter-lock").exists()
    house.calls()
    assert "Preparing" in house.start("x").stderr
    assert any(" -m venv " in call for call in house.calls())


def test_a_start_killed_outright_is_recovered_once_its_installer_has_gone(house: House) -> None:
    """A dead owner's lock is taken over, but not while the installer it left behind still writes."""
    house.add_python("python3")
    process = begin_and_hang(house)
    process.kill()
    process.wait(timeout=60)
    assert not house.stamp.exists()
    installer = int((house.root / ".venv" / ".tiprouter-lock" / "installer").read_text())
    with subprocess.Popen(  # noqa: S603 - the file under test
        [house.root / "tiprouter", "x"], env=house.environment(), stderr=subprocess.PIPE, text=True
    ) as second:
        time.sleep(0.5)
        assert second.poll() is None
        os.kill(installer, signal.SIGKILL)
        _, errors = second.communicate(timeout=60)
    assert second.returncode == 0
    assert "Another start is preparing" in errors
    assert house.stamp.exists()


def test_of_several_first_starts_one_installs_and_all_run(house: House) -> None:
    """The lock directory: three starts at once, one installation, three programs."""
    house.add_python("python3")
    starts = [
        subprocess.Popen(  # noqa: S603 - the file under test
            [house.root / "tiprouter", "x"],
            env=house.environment(),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]
    assert [start.wait(timeout=60) for start in starts] == [0, 0, 0]
    calls = house.calls()
    assert sum(" -m pip " in call for call in calls) == 1
    assert sum(" -m tiprouter" in call for call in calls) == 3


def test_the_test_command_adds_its_tools_once_and_passes_arguments_on(house: House, tmp_path: Path) -> None:
    """Rule 5: a finished environment is added to, pytest runs in the repository, later starts add nothing."""
    house.add_python("python3")
    house.start("x")
    house.calls()
    first = house.start("test", "-k", "a b", cwd=tmp_path)
    assert first.stdout == f"tested in {house.root}: -m pytest -k a b\n"
    assert "Adding the test tools" in first.stderr
    assert not any(" -m venv " in call for call in house.calls())
    many = "-m pytest -n auto --dist loadscope"
    assert house.start("test").stdout == f"tested in {house.root}: {many}\n"
    assert house.calls() == [many]
    assert house.start("x").stderr == ""


def test_a_bare_machine_needs_one_installation_for_the_tests(house: House) -> None:
    """Rule 5: the test lock holds the runtime lock, so both stamps come from one installation."""
    house.add_python("python3")
    assert house.start("test").returncode == 0
    assert sum(" -m pip " in call for call in house.calls()) == 1
    assert house.start("x").stderr == ""


def test_test_tools_whose_adding_was_interrupted_are_not_built_upon(house: House) -> None:
    """Rule 2: after a half-done adding everything is remade, because a half-written package looks installed."""
    house.add_python("python3")
    house.start("x")
    assert house.start("test", PRETEND_PIP_CODE="1").returncode == 69
    assert house.start("x").stderr == ""
    house.calls()
    assert house.start("test").returncode == 0
    assert any(" -m venv " in call for call in house.calls())
