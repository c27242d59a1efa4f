"""What does a policy bundle say, and may it be used at all?

1. A bundle is a folder: `schema.cedarschema`, the layers `guards.cedar`, `core.cedar` and `tenant.cedar` (any further
   `*.cedar` is the tenant's too), `bundle.toml`, `duties.csv`, `golden.csv`. Each must be there and say something; an
   empty bundle is refused, not trivially safe.
2. Policies are known by their `@id`, which is unique. Cedar's own ids are positions and move when text is inserted.
3. Every policy must pass Cedar's strict validation, the annotation rules and the lint; the schema must state exactly
   the facts. Templates are refused: nothing links them, so they would be silent. A guard only forbids.
4. The digest covers all that can change a decision or what is said about it: names and numbers, policies with
   annotations and layer, schema, duty rows, golden rows, and the version of cedarpy. Comments, spaces and the order of
   policies do not change it.
5. The first fault is refused with file, line and reason.

Not promised: that the policy is right. The golden table and the gate speak to that.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import cedarpy

from tiprouter.domain.duty import DutyRow, Protocol
from tiprouter.policy.annotations import AnnotationError, Effect, Layer, PolicyNote, note_of
from tiprouter.policy.duties import duty_rows
from tiprouter.policy.golden import GoldenRow, golden_rows
from tiprouter.policy.lint import complaints
from tiprouter.policy.questions import misfit
from tiprouter.policy.refusal import BundleError, text_of
from tiprouter.policy.settings import BundleSettings, settings_of
from tiprouter.policy.statements import Statement, statements

SCHEMA_FILE: Final = "schema.cedarschema"
SETTINGS_FILE: Final = "bundle.toml"
DUTIES_FILE: Final = "duties.csv"
GOLDEN_FILE: Final = "golden.csv"
LAYER_FILES: Final = {f"{layer.value}.cedar": layer for layer in Layer}

_SHIPPED = Path(__file__).parent / "bundles"


class Parsed(NamedTuple):
    """Cedar's own handles, parsed once. For this room only."""

    policies: cedarpy.PolicySet
    schema: cedarpy.Schema


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that may be used. `digest` is SHA-256 in hex; `notes` are by policy id, in the order of ids."""

    name: str
    version: str
    summary: str
    digest: str
    protocol: Protocol
    notes: Mapping[str, PolicyNote]
    golden: tuple[GoldenRow, ...]
    parsed: Parsed = field(repr=False, compare=False)


class _Policy(NamedTuple):
    note: PolicyNote
    tree: Mapping[str, object]


def shipped(name: str) -> Path:
    """The folder of a bundle that comes with the product. Raises `BundleError` when there is none of that name."""
    names = {path.name for path in _SHIPPED.iterdir() if path.is_dir()}
    if name not in names:
        raise BundleError(SETTINGS_FILE, 1, f"no such bundle is shipped; there are: {', '.join(sorted(names))}")
    return _SHIPPED / name


def load(path: Path) -> Bundle:
    """Read a bundle's folder (rules 1-5). Raises `BundleError`."""
    settings = settings_of(SETTINGS_FILE, text_of(path, SETTINGS_FILE))
    duties = duty_rows(DUTIES_FILE, text_of(path, DUTIES_FILE))
    golden = golden_rows(GOLDEN_FILE, text_of(path, GOLDEN_FILE))
    schema = _schema(text_of(path, SCHEMA_FILE))
    policies = _policies(path, schema)
    trees = {identifier: policy.tree for identifier, policy in policies.items()}
    notes = {identifier: policy.note for identifier, policy in policies.items()}
    document = {"templates": {}, "staticPolicies": trees, "templateLinks": []}
    return Bundle(
        name=settings.name,
        version=settings.version,
        summary=settings.summary,
        digest=_digest(settings, str(schema), policies, duties, golden),
        protocol=Protocol(
            duties=MappingProxyType(duties),
            immediately=settings.immediately,
            violence_fresh=settings.violence_fresh,
            default_threshold=settings.default_threshold_years,
        ),
        notes=MappingProxyType(notes),
        golden=golden,
        parsed=Parsed(cedarpy.PolicySet.from_json_str(json.dumps(document)), schema),
    )


def _schema(text: str) -> cedarpy.Schema:
    try:
        schema = cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise BundleError(SCHEMA_FILE, 1, str(error)) from error
    problem = misfit(str(schema))
    if problem is not None:
        raise BundleError(SCHEMA_FILE, 1, f"the schema does not fit: {problem}")
    return schema


def _policies(path: Path, schema: cedarpy.Schema) -> dict[str, _Policy]:
    """Every policy of every layer, in the order of ids."""
    found: dict[str, _Policy] = {}
    for file, layer in _layers(path):
        stated = list(statements(file, text_of(path, file)))
        if not stated:
            raise BundleError(file, 1, "the file states no policy: an empty bundle is refused, not trivially safe")
        for statement in stated:
            policy = _policy(statement, layer)
            if policy.note.id in found:
                raise BundleError(file, statement.line, f"@id {policy.note.id} is used twice")
            found[policy.note.id] = policy
        _validate(stated, schema)
    return dict(sorted(found.items()))


def _layers(path: Path) -> Iterator[tuple[str, Layer]]:
    yield from LAYER_FILES.items()
    for extra in sorted(path.glob("*.cedar")):
        if extra.name not in LAYER_FILES:
            yield extra.name, Layer.TENANT


def _policy(statement: Statement, layer: Layer) -> _Policy:
    """One statement, refused at its own line when its words, its annotations or its comparisons are wrong (rule 3)."""
    try:
        tree = _tree(statement)
        note = note_of(Effect(tree["effect"]), layer, tree.get("annotations", {}))
        typed = cedarpy.policies_to_pst(statement.text)
    except ValueError as error:
        raise BundleError(statement.file, statement.line, str(error)) from error
    faults = [fault for policy in typed.static_policies.values() for fault in complaints(policy)]
    if layer is Layer.GUARDS and note.effect is not Effect.FORBID:
        faults.append("a guard only forbids")
    if faults:
        raise BundleError(statement.file, statement.line, f"{note.id}: {'; '.join(faults)}")
    return _Policy(note, tree)


def _validate(stated: list[Statement], schema: cedarpy.Schema) -> None:
    """Cedar's strict validation: of all at once, because it is slow, then one by one to find the line of a fault."""
    if cedarpy.validate_policies("\n".join(statement.text for statement in stated), schema).validation_passed:
        return
    for statement in stated:
        errors = cedarpy.validate_policies(statement.text, schema).errors
        if errors:
            raise BundleError(statement.file, statement.line, "; ".join(error.error for error in errors))
    raise BundleError(stated[0].file, 1, "the policies are not valid together")


def _tree(statement: Statement) -> dict[str, Any]:
    document = json.loads(cedarpy.policies_to_json_str(statement.text))
    if document["templates"]:
        raise AnnotationError("a template is never linked, so it would never decide; write a policy")
    tree: dict[str, Any] = document["staticPolicies"]["policy0"]
    return tree


def _digest(
    settings: BundleSettings,
    schema: str,
    policies: Mapping[str, _Policy],
    duties: Mapping[str, DutyRow],
    golden: tuple[GoldenRow, ...],
) -> str:
    """Rule 4: SHA-256 over canonical JSON (sorted keys, no spaces, UTF-8)."""
    content = {
        "cedarpy": importlib.metadata.version("cedarpy"),
        "settings": asdict(settings),
        "schema": schema,
        "policies": [{"layer": policy.note.layer, "policy": policy.tree} for policy in policies.values()],
        "duties": [asdict(row) | {"receivers": sorted(row.receivers)} for _, row in sorted(duties.items())],
        "golden": [
            [row.name, row.facts.plain(), row.outcome, sorted(row.categories), row.policies]
            for row in sorted(golden, key=lambda row: row.name)
        ],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
