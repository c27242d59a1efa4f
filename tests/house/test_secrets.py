"""Does any file of the repository give away a machine, a package index or a private key?

1. No absolute path of somebody's machine: a reader could not follow it, and it tells whose machine it was.
2. No host name of a package index: where packages come from is each user's own configuration.
3. No private key, not even a fictional one, because scanners and people cannot tell.
Checked are the files git tracks or would add; what .gitignore names stays on the machine anyway.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

# The brackets keep each pattern from finding itself.
GIVEAWAYS = {
    "a path of one machine": re.compile(r"(?<![\w.~%}-])/(?:[w]ork|[r]oot|home/\w+|Users/\w+)/\S"),
    "a package index": re.compile(
        r"\b(?:py[p]i|python[h]osted|npm[j]s|crates)\.\w|\b(?:jf[r]og|arti[f]actory)\b", re.IGNORECASE
    ),
    "a private key": re.compile(r"BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}"),
}


def repository_files() -> list[Path]:
    """Return the files git tracks or would add; skips the test, saying why, where git cannot tell."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed, so it cannot say which files belong to the repository")
    done = subprocess.run(  # noqa: S603 - git itself, with arguments written here
        [git, "-c", f"safe.directory={REPOSITORY}", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip("this is no git checkout, so which files belong to the repository is not known")
    files = sorted(path for name in done.stdout.split("\0") if name and (path := REPOSITORY / name).is_file())
    assert REPOSITORY / "pyproject.toml" in files
    return files


def giveaways(text: str) -> list[str]:
    """Return what a text gives away: the kind and the line, never the text itself, which may be a secret."""
    return [
        f"line {text.count(chr(10), 0, found.start()) + 1}: {kind}"
        for kind, pattern in GIVEAWAYS.items()
        for found in pattern.finditer(text)
    ]


def test_no_file_gives_anything_away() -> None:
    """Rules 1 to 3, over every file of the repository, binary ones included, and over their names."""
    complaints = [
        f"{path.relative_to(REPOSITORY)} {complaint}"
        for path in repository_files()
        for complaint in giveaways(f"{path.relative_to(REPOSITORY)}\n" + path.read_bytes().decode("utf-8", "replace"))
    ]
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize(
    "text",
    [
        "see /wo" + "rk/main/src",
        '"/ro' + 'ot/.cache/x"',
        "path=/ho" + "me/someone/checkout",
        "--index-url https:/" + "/py" + "pi.org/simple",
        "files.python" + "hosted.org",
        "-----BEGIN PRIVATE" + " KEY-----\nMC4CAQAwBQYDK2VwBCIEIA",
    ],
)
def test_a_planted_giveaway_is_found(text: str) -> None:
    """Rules 1 to 3: each kind, in the shapes in which it slips in."""
    assert len(giveaways(f"first line\n{text}\n")) == 1


@pytest.mark.parametrize("text", ["GET /v1/log/root/7", "https://agency.example/work/1", "homework/a", "/data/work/x"])
def test_ordinary_text_is_let_through(text: str) -> None:
    """Rule 1: a route or a link with such a word in it is no path of a machine."""
    assert giveaways(text) == []
