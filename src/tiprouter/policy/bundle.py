"""What does a policy bundle say, and may it be used at all?

1. A bundle is a folder: `schema.cedarschema`, the layers `guards.cedar`, `core.cedar` and `tenant.cedar` (any further
   `*.cedar` is the tenant's too), counsel's promises `ceiling.cedar` and `floor.cedar`, `bundle.toml`, `duties.csv`,
   `golden.csv`. Each must be there and say something; an empty bundle is refused, not trivially safe. A bundle that
   `extends` a shipped one takes schema, guards, core and duties from there, and must not state them again.
2. Policies are known by their `@id`, which is unique. Cedar's own ids are positions and move when text is inserted.
3. Every policy must pass Cedar's strict validation, the annotation rules and the lint; the schema must state exactly
   the facts. Templates are refused: nothing links them, so they would be silent. A guard only forbids.
4. The digest covers all that can change a decision or what is said about it: names and numbers, policies and promises
   with annotations and layer, schema, duty rows, golden rows, and the version of cedarpy. Comments, spaces, the order
   of policies and where a common file stands do not change it.
5. The first fault is refused with file, line and reason.

Not promised: that the policy is right. The golden table and the gate speak to that.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import cedarpy

from tiprouter.domain.duty import DutyRow, Protocol
from tiprouter.policy.annotations import DECIDING, Layer, PolicyNote
from tiprouter.policy.duties import duty_rows
from tiprouter.policy.golden import GoldenRow, golden_rows
from tiprouter.policy.layers import Policy, Source, read_layers
from tiprouter.policy.questions import misfit
from tiprouter.policy.refusal import BundleError, text_of
from tiprouter.policy.settings import BundleSettings, settings_of

SCHEMA_FILE: Final = "schema.cedarschema"
SETTINGS_FILE: Final = "bundle.toml"
DUTIES_FILE: Final = "duties.csv"
GOLDEN_FILE: Final = "golden.csv"
LAYER_FILES: Final = {f"{layer.value}.cedar": layer for layer in DECIDING}
PROMISES: Final = (Layer.CEILING, Layer.FLOOR)
PROMISE_FILES: Final = frozenset(f"{layer.value}.cedar" for layer in PROMISES)
COMMON_FILES: Final = (SCHEMA_FILE, "guards.cedar", "core.cedar", DUTIES_FILE)

_SHIPPED = Path(__file__).parent / "bundles"


class Parsed(NamedTuple):
    """Cedar's own handles, parsed once. For this room only."""

    policies: cedarpy.PolicySet
    schema: cedarpy.Schema


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that may be used. `digest` is SHA-256 in hex; `notes` are by policy id, in the order of ids.

    `policies` decide; `ceiling` and `floor` are what they are held to. All are in the order of ids.
    """

    name: str
    version: str
    summary: str
    digest: str
    protocol: Protocol
    notes: Mapping[str, PolicyNote]
    golden: tuple[GoldenRow, ...]
    parsed: Parsed = field(repr=False, compare=False)
    policies: tuple[Policy, ...] = field(repr=False, compare=False)
    ceiling: tuple[Policy, ...] = field(repr=False, compare=False)
    floor: tuple[Policy, ...] = field(repr=False, compare=False)


def shipped(name: str) -> Path:
    """The folder of a bundle that comes with the product. Raises `BundleError` when there is none of that name."""
    names = {path.name for path in _SHIPPED.iterdir() if path.is_dir()}
    if name not in names:
        raise BundleError(SETTINGS_FILE, 1, f"no such bundle is shipped; there are: {', '.join(sorted(names))}")
    return _SHIPPED / name


def load(path: Path) -> Bundle:
    """Read a bundle's folder (rules 1-5). Raises `BundleError`."""
    settings = settings_of(SETTINGS_FILE, text_of(path, SETTINGS_FILE))
    common = _common(path, settings.extends)
    duties = duty_rows(DUTIES_FILE, text_of(common, DUTIES_FILE))
    golden = golden_rows(GOLDEN_FILE, text_of(path, GOLDEN_FILE))
    schema = _schema(text_of(common, SCHEMA_FILE))
    policies = read_layers(list(_sources(path, common)), schema)
    ceiling, floor = (read_layers([Source(path, f"{layer.value}.cedar", layer)], schema) for layer in PROMISES)
    trees = {policy.note.id: policy.tree for policy in policies}
    document = {"templates": {}, "staticPolicies": trees, "templateLinks": []}
    return Bundle(
        name=settings.name,
        version=settings.version,
        summary=settings.summary,
        digest=_digest(settings, str(schema), (*policies, *ceiling, *floor), duties, golden),
        protocol=Protocol(
            duties=MappingProxyType(duties),
            immediately=settings.immediately,
            violence_fresh=settings.violence_fresh,
            default_threshold=settings.default_threshold_years,
        ),
        notes=MappingProxyType({policy.note.id: policy.note for policy in policies}),
        golden=golden,
        parsed=Parsed(cedarpy.PolicySet.from_json_str(json.dumps(document)), schema),
        policies=policies,
        ceiling=ceiling,
        floor=floor,
    )


def _common(path: Path, extends: str | None) -> Path:
    """The folder of the files that bundles have in common (rule 1)."""
    if extends is None:
        return path
    for file in COMMON_FILES:
        if (path / file).exists():
            raise BundleError(file, 1, f"the file comes from {extends}, which the bundle extends: it is stated twice")
    return shipped(extends)


def _sources(path: Path, common: Path) -> Iterator[Source]:
    for file, layer in LAYER_FILES.items():
        yield Source(common if file in COMMON_FILES else path, file, layer)
    for extra in sorted(path.glob("*.cedar")):
        if extra.name not in LAYER_FILES and extra.name not in PROMISE_FILES:
            yield Source(path, extra.name, Layer.TENANT)


def _schema(text: str) -> cedarpy.Schema:
    try:
        schema = cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise BundleError(SCHEMA_FILE, 1, str(error)) from error
    problem = misfit(str(schema))
    if problem is not None:
        raise BundleError(SCHEMA_FILE, 1, f"the schema does not fit: {problem}")
    return schema


def _digest(
    settings: BundleSettings,
    schema: str,
    policies: Sequence[Policy],
    duties: Mapping[str, DutyRow],
    golden: tuple[GoldenRow, ...],
) -> str:
    """Rule 4: SHA-256 over canonical JSON (sorted keys, no spaces, UTF-8)."""
    content = {
        "cedarpy": importlib.metadata.version("cedarpy"),
        "settings": {name: value for name, value in asdict(settings).items() if name != "extends"},
        "schema": schema,
        "policies": [{"layer": policy.note.layer, "policy": policy.tree} for policy in policies],
        "duties": [asdict(row) | {"receivers": sorted(row.receivers)} for _, row in sorted(duties.items())],
        "golden": [
            [row.name, row.facts.plain(), row.outcome, sorted(row.categories), row.policies]
            for row in sorted(golden, key=lambda row: row.name)
        ],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
