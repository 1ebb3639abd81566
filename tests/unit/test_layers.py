"""Imports point down only, and the light rooms stay light."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import sra

PACKAGE = Path(sra.__file__).parent

MODELLING = {"data", "encoders", "models", "metrics", "diffusion", "alignment", "analysis", "training", "sampling"}
BELOW_COMMANDS = {"core", "spec", "content", "forecast", "plan", "study", "reporting", "deposit"} | MODELLING

# Each room may import itself and the rooms listed; a room that is not listed may not exist.
ALLOWED = {
    "core": set(),
    "spec": {"core"},
    "content": {"core", "spec"},
    "forecast": {"core", "spec", "content"},
    "study": {"core", "spec"},
    "plan": {"core", "spec", "content", "forecast", "study"},
    "reporting": {"core", "spec", "content", "forecast", "plan", "study"},
    "deposit": {"core", "spec", "content", "forecast", "plan", "study", "reporting"},
    "data": {"core", "spec"},
    "encoders": {"core", "spec", "data"},
    "models": {"core", "spec"},
    "metrics": {"core", "spec", "data", "encoders"},
    "diffusion": {"core", "spec"},
    "alignment": {"core", "spec", "encoders", "models", "diffusion"},
    "analysis": {"core", "spec", "data", "models", "diffusion"},
    "training": {"core", "spec", "content", "forecast", "data", "encoders", "models", "diffusion", "alignment"},
    "sampling": {"core", "spec", "data", "encoders", "models", "diffusion"},
    "commands": BELOW_COMMANDS,
    "__main__": {"commands"},
}
LIGHT = {"core", "spec", "content", "forecast", "plan", "study", "reporting", "deposit"}
HEAVY = {"torch", "torchvision", "timm", "diffusers", "transformers", "sklearn", "scipy"}
# within functions that few pages call
LATE = {path: {"scipy"} for path in ("study/intervals.py", "study/pilot.py", "study/power.py")}


def imports(path: Path) -> set[str]:
    """Dotted names that a module imports, at any depth, type checking included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module if node.level == 0 else "relative import")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imports_at_once(path: Path) -> set[str]:
    """Those of the module itself, outside functions."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    found = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {*found, *(node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module)}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path):
    room = room_of(path)
    names = imports(path)
    rooms = {name.split(".")[1] for name in names if name.startswith("sra.")} - {"__version__"}
    assert rooms <= ALLOWED[room] | {room}
    assert not {name for name in names if name.split(".")[0] == "snakemake"}
    if room in LIGHT:
        late = LATE.get(path.relative_to(PACKAGE).as_posix(), set())
        assert {name.split(".")[0] for name in names} & HEAVY == late
        assert not late & {name.split(".")[0] for name in imports_at_once(path)}


def test_there_are_no_circles():
    order = list(ALLOWED)
    assert all(order.index(below) < order.index(room) for room, rooms in ALLOWED.items() for below in rooms)


def test_no_file_imports_itself_by_way_of_others():
    """What is imported late or for types alone counts: a circle of files is read in no order."""
    names = {".".join(("sra", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path for path in MODULES}
    try:
        tuple(TopologicalSorter({name: (imports(path) & names.keys()) - {name} for name, path in names.items()}).static_order())
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))
