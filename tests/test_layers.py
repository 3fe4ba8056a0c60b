"""The table of layers, held against every import of the program."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = {
    "": 0,  # mechint/__init__.py
    "errors": 0,
    "codes": 0,
    "files": 0,
    "journal": 0,
    "natural": 0,
    "steps": 0,
    "spec": 1,
    "circuit": 1,
    "results": 1,
    "checkpoint": 2,
    "subject": 2,
    "task": 2,
    "faithfulness": 3,
    "search": 3,
    "comparison": 3,
    "figures": 3,
    "tracking": 3,
    "pages": 3,
    "plugins": 3,
    "training": 3,
    "engine": 4,
    "cli": 5,
    "pytest_plugin": 5,
    "__main__": 5,
}
TRAINING_MAY_USE = 2
NO_TORCH = (
    "codes",
    "errors",
    "files",
    "journal",
    "natural",
    "steps",
    "spec",
    "results",
    "tracking",
    "engine",
    "cli",
    "pytest_plugin",
    "__main__",
)

MODULES = [*(ROOT / "mechint").rglob("*.py"), *(ROOT / "plugins").glob("*.py")]


def room(module: str) -> str:
    """The room of ``mechint.spec.read`` is ``spec``."""
    return module.removeprefix("mechint").lstrip(".").partition(".")[0]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("mechint", *parts) if parts[0] == "plugins" else parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(tree: ast.AST) -> list[str]:
    """Every mechint module that a file imports, anywhere in it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that this test can read them"
            found += [
                f"{node.module}.{alias.name}" if node.module == "mechint" else str(node.module) for alias in node.names
            ]
    return [name for name in found if name.split(".")[0] == "mechint"]


def breaches(path: Path, source: str) -> list[str]:
    own = room(module_of(path))
    wrong = []
    for name in imports_of(ast.parse(source)):
        other = room(name) if room(name) in LAYERS else ""
        if LAYERS[other] > LAYERS[own]:
            wrong.append(f"{own} imports {name}, which lies above it")
        if own == "plugins" and other == "plugins" and name != "mechint.plugins":
            wrong.append(f"a plugin imports another: {name}")
        if own == "training" and other != "training" and LAYERS[other] > TRAINING_MAY_USE:
            wrong.append(f"training imports {name}")
    return wrong


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_its_own_layer_or_lower_ones(path):
    assert room(module_of(path)) in LAYERS, "a new room needs a layer"
    assert breaches(path, path.read_text()) == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("mechint/spec/x.py", "from mechint.engine.run import run_plan"),
        ("mechint/task/x.py", "from mechint.search import find"),
        ("plugins/x.py", "from mechint.plugins.tokens import Options"),
        ("plugins/x.py", "import mechint.engine.plugins"),
        ("mechint/training/x.py", "from mechint.search.find import find_mask"),
    ],
)
def test_the_test_itself_sees_a_breach(place, line):
    assert breaches(ROOT / place, line)


def top_level_imports(tree: ast.Module) -> set[str]:
    nodes = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {
        name.split(".")[0]
        for node in nodes
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_light_rooms_import_no_torch_at_module_level(path):
    if room(module_of(path)) in (*NO_TORCH, "plugins"):
        assert top_level_imports(ast.parse(path.read_text())).isdisjoint({"torch", "numpy", "matplotlib"})
