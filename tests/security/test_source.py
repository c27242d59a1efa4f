"""Does the source make patterns or format strings of what somebody sent, and is every algorithm in the inventory?

1. A regular expression is a literal, is made of literals and constants of its module, or escapes what is put into it.
2. What is formatted with `format` or `%` is a literal or a constant; the others are listed here with the reason.
3. Whichever room uses an algorithm of cryptography, docs/security/cryptography.md says so, by algorithm and room; what
   stands there is used.
"""

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE, INVENTORY = ROOT / "src/tiprouter", ROOT / "docs/security/cryptography.md"
PATTERNS = {"compile", "search", "match", "fullmatch", "sub", "subn", "findall", "finditer", "split"}
FORMATS = {"format", "format_map"}
OWN_PATTERNS = {
    "api/access.py": "the templates of the route table",
    "storage/log_places.py": "members of entries, named in the same lines",
}
OWN_FORMATS = {
    "audit/entry.py": "an entry composed of plain tokens before, with gaps where tokens go",
    "policy/gate/words.py": "sentences of the same file, by name",
    "policy/gate/view.py": "a literal two lines above",
    "domain/page.py": "where to look, from the closed list of reasons",
}
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
ALGORITHMS = {
    "SHA-256": {"sha256", "SHA256"},
    "SHA-384": {"sha384", "SHA384"},
    "SHA-512": {"sha512", "SHA512"},
    "SHA-1": {"sha1", "SHA1"},
    "MD5": {"md5", "MD5"},
    "BLAKE2": {"blake2b", "blake2s", "BLAKE2b", "BLAKE2s"},
    "HMAC": {"hmac", "HMAC", "HS256", "HS384", "HS512"},
    "HKDF": {"HKDF", "HKDFExpand"},
    "PBKDF2": {"PBKDF2HMAC", "pbkdf2_hmac"},
    "scrypt": {"Scrypt", "scrypt"},
    "Argon2id": {"Argon2id"},
    "TOTP": {"TOTP"},
    "AES-GCM": {"AESGCM", "A128GCM", "A192GCM", "A256GCM", "AES_256_GCM", "aes256-gcm96"},
    "AES-CBC": {"CBC", "A128CBC-HS256", "A256CBC-HS512"},
    "AES key wrap": {"aes_key_wrap", "aes_key_unwrap", "aes_key_wrap_with_padding", "A128KW", "A256KW"},
    "ChaCha20-Poly1305": {"ChaCha20Poly1305"},
    "Fernet": {"Fernet"},
    "Ed25519": {"Ed25519PrivateKey", "Ed25519PublicKey", "Ed25519", "EdDSA"},
    "ECDSA P-256": {"ES256"},
    "ECDSA P-384": {"ES384"},
    "RSASSA-PSS": {"PS256", "PS384", "PS512"},
    "RSASSA-PKCS1-v1_5": {"RS256", "RS384", "RS512"},
    "RSA-OAEP-256": {"RSA-OAEP-256"},
    "RSA1_5": {"RSA1_5"},
    "ECDH-ES+A256KW": {"ECDH-ES+A256KW"},
    "TLS": {"create_default_context", "SSLContext", "PROTOCOL_TLS_CLIENT"},
}
"""Algorithms, weak ones too, and the words by which code calls them."""


@lru_cache
def sources(root: Path) -> list[tuple[str, list[ast.AST]]]:
    """Each file of the source, by its path below the package, with all that it is made of."""
    return [(file.relative_to(root).as_posix(), parts(file.read_text(encoding="utf-8"))) for file in root.rglob("*.py")]


def parts(text: str) -> list[ast.AST]:
    """All that a source text is made of."""
    return list(ast.walk(ast.parse(text)))


def fixed(node: ast.expr) -> bool:
    """Whether nothing but the source decides what this text is."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _CONSTANT.fullmatch(name) is not None
        case ast.JoinedStr(values=values):
            return all(fixed(one.value if isinstance(one, ast.FormattedValue) else one) for one in values)
        case ast.BinOp(left=left, right=right, op=ast.Add()):
            return fixed(left) and fixed(right)
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[one]):
            return fixed(one)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr="escape")):
            return True
    return isinstance(node, ast.Constant)


def loose_patterns(nodes: list[ast.AST]) -> list[int]:
    """The lines on which a pattern is made of something else (rule 1)."""
    return [
        node.lineno
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in PATTERNS
        and node.args
        and not fixed(node.args[0])
    ]


def loose_formats(nodes: list[ast.AST]) -> list[int]:
    """The lines on which something else is formatted (rule 2)."""
    calls = [
        node.lineno
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in FORMATS
        and not fixed(node.func.value)
    ]
    return calls + [
        node.lineno
        for node in nodes
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mod)
        and isinstance(node.right, (ast.Tuple, ast.Dict))
        and not fixed(node.left)
    ]


def words(nodes: list[ast.AST]) -> set[str]:
    """Every name, attribute, import and text of a file, but for its docstrings."""
    told = {
        node.body[0].value
        for node in nodes
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found = set()
    for node in nodes:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                found.add(name.split(".")[-1])
            case ast.Constant(value=str(text)) if node not in told:
                found.add(text)
    return found


def used(root: Path) -> set[tuple[str, str]]:
    """Each algorithm and each room that uses it."""
    found = ((file.split("/")[0], words(nodes)) for file, nodes in sources(root))
    return {(name, room) for room, said in found for name, known in ALGORITHMS.items() if said & known}


def inventory(text: str) -> set[tuple[str, str]]:
    """The same, as the document says it."""
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ") and "`" in line]
    return {(row[0].strip(), room) for row in rows for room in re.findall(r"`([a-z_]+)`", row[-1])}


def test_no_pattern_is_made_of_what_somebody_sent() -> None:
    """Rule 1, over the whole source."""
    found = {file: lines for file, nodes in sources(SOURCE) if (lines := loose_patterns(nodes))}
    assert set(found) <= set(OWN_PATTERNS), found


def test_no_format_string_is_what_somebody_sent() -> None:
    """Rule 2, over the whole source."""
    found = {file: lines for file, nodes in sources(SOURCE) if (lines := loose_formats(nodes))}
    assert set(found) <= set(OWN_FORMATS), found


def test_every_algorithm_is_in_the_inventory() -> None:
    """Rule 3: what is used and what is listed are the same."""
    assert used(SOURCE) == inventory(INVENTORY.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text", ["re.compile(sent)", "re.search(f'^{sent}$', text)", "re.sub('a' + sent, '', text)", "re.match(a.sent, b)"]
)
def test_a_loose_pattern_is_found(text: str) -> None:
    """Planted: a name, a piece of a text, an attribute."""
    assert loose_patterns(parts(text)) == [1]


@pytest.mark.parametrize("text", ["sent.format(one)", "body['text'].format_map(all)", "sent % (one, two)"])
def test_a_loose_format_is_found(text: str) -> None:
    """Planted: a name, a member, the older way."""
    assert loose_formats(parts(text)) == [1]


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [("hashlib.md5(b'')", "MD5"), ("from crypt.fernet import Fernet", "Fernet"), ("ways = ['RSA1_5']", "RSA1_5")],
)
def test_an_algorithm_that_is_not_listed_is_found(tmp_path: Path, text: str, algorithm: str) -> None:
    """Planted: by name, by import, by a word of JOSE."""
    (tmp_path / "planted.py").write_text(text)
    assert used(tmp_path) == {(algorithm, "planted.py")}
