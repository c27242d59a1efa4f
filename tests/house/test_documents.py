"""The documents say what the code is: every setting, route, policy, state and rule is in them, as it is."""

import json
import re
from pathlib import Path

import pytest

from tiprouter.domain.accounts import account_mermaid
from tiprouter.domain.breaker import breaker_mermaid
from tiprouter.domain.disclosure_states import disclosure_mermaid
from tiprouter.domain.endpoint_states import change_mermaid, endpoint_mermaid
from tiprouter.domain.grant_states import grant_mermaid
from tiprouter.domain.question import question_mermaid
from tiprouter.domain.replay_states import replay_mermaid
from tiprouter.domain.second_word_states import second_word_mermaid
from tiprouter.domain.states import bundle_mermaid, duty_mermaid, mermaid, review_mermaid
from tiprouter.domain.subject_states import consent_mermaid, subject_notice_mermaid
from tiprouter.policy import bundle as bundles
from tiprouter.policy.files import shipped
from tiprouter.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
ADR_LINES_MAX = 40
BUNDLES = ("survivor-led", "tip-sharing")


def document(name: str) -> str:
    """A document's text."""
    return (DOCS / name).read_text()


def routes() -> list[str]:
    """Every method and path of the committed OpenAPI document."""
    paths = json.loads((ROOT / "openapi" / "openapi.json").read_text())["paths"]
    return [f"{method.upper()} {path}" for path, item in paths.items() for method in item]


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_operations_page_with_its_default_and_meaning(name: str) -> None:
    """A row a setting: variable, default, description, word for word."""
    field = Settings.model_fields[name]
    default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    assert f"| `TIPROUTER_{name.upper()}` | `{default}` | {field.description} |" in document("operations.md")


@pytest.mark.parametrize("route", routes())
def test_every_route_is_in_the_api_page(route: str) -> None:
    """A row a route, and none that is not there."""
    assert f"| `{route}` |" in document("api.md")


def test_the_api_page_names_no_route_that_is_gone() -> None:
    """The page's rows are the document's routes."""
    assert set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", document("api.md"), re.MULTILINE)) == set(routes())


@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_policy_is_in_the_policies_page_in_its_words(bundle: str) -> None:
    """Id, effect, words and source of every shipped policy."""
    page = document("policies.md")
    notes = bundles.load(shipped(bundle)).notes
    assert notes
    for note in notes.values():
        assert f"| `{note.id}` | {note.effect.value} | {note.basis} | {note.cite} |" in page


@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_rule_that_a_policy_cites_exists(bundle: str) -> None:
    """`Rule 5` in a policy's source is a numbered rule of the rules page."""
    known = set(re.findall(r"^(\d+)\. \*\*", document("decision-rules.md"), re.MULTILINE))
    for note in bundles.load(shipped(bundle)).notes.values():
        cited = re.findall(r"\d+", " ".join(re.findall(r"[Rr]ules? ([\d, ]+)", note.cite)))
        assert set(cited) <= known, note.id
        assert cited, note.id


@pytest.mark.parametrize(
    "diagram",
    [
        mermaid(),
        disclosure_mermaid(),
        breaker_mermaid(),
        endpoint_mermaid(),
        change_mermaid(),
        bundle_mermaid(),
        review_mermaid(),
        duty_mermaid(),
        consent_mermaid(),
        subject_notice_mermaid(),
        question_mermaid(),
        replay_mermaid(),
        account_mermaid(),
        grant_mermaid(),
        second_word_mermaid(),
    ],
    ids=[
        "delivery",
        "disclosure",
        "breaker",
        "endpoint",
        "change",
        "bundle",
        "review",
        "duty",
        "consent",
        "subject notice",
        "question",
        "replay",
        "account",
        "grant",
        "second word",
    ],
)
def test_the_diagrams_are_the_state_tables(diagram: str) -> None:
    """What the disclosure cycle shows is what `domain/states.py` says."""
    assert f"```mermaid\n{diagram}```" in document("DISCLOSURE-CYCLE.md")


@pytest.mark.parametrize("path", sorted((DOCS / "decisions").glob("*.md")), ids=lambda path: path.name)
def test_a_decision_record_is_short(path: Path) -> None:
    """At most forty lines, or nobody reads it."""
    assert len(path.read_text().splitlines()) <= ADR_LINES_MAX


@pytest.mark.parametrize("path", sorted([ROOT / "README.md", *DOCS.rglob("*.md")]), ids=lambda path: path.name)
def test_every_link_inside_the_repository_leads_somewhere(path: Path) -> None:
    """Relative links name files that exist."""
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_threat_model_names_tests_that_exist() -> None:
    """Every control points at a test file that is there."""
    named = set(re.findall(r"`(tests/[a-z_/]+\.py)`", document("threat-model.md")))
    assert named
    assert not {name for name in named if not (ROOT / name).exists()}
