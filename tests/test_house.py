"""The house keeps its floors: what may import what, and what the wheel must contain."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT

FOLDERS = ("formulations", "solvers", "adapters")
FORBIDDEN = {
    "formulations": ("solvers", "adapters", "cli", "distributed"),
    "solvers": ("adapters", "cli", "distributed"),
    "adapters": ("solvers", "cli", "distributed"),
}
HEAVY = (
    "torch",
    "flwr",
    "tensorflow",
    "keras",
    "onnx",
    "highspy",
    "ortools",
    "pyomo",
    "matplotlib",
    "pandas",
    "pyarrow",
    "sgp4",
    "astroz",
    "skyfield",
)


def modules() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> list[tuple[str, int]]:
    """Dotted names that a file imports, relative ones resolved, with their depth in the file."""
    package = list(path.relative_to(ROOT).parent.parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        depth = 0 if id(node) in top else 1
        if isinstance(node, ast.Import):
            found += [(name.name, depth) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found += (
                [(stem, depth)]
                if node.module
                else [(f"{stem}.{n.name}", depth) for n in node.names]
            )
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_and_frameworks_are_lazy(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    for name, depth in imported(path):
        head = name.split(".")[0]
        assert head != "orbweave", f"{path}: import relatively inside the three folders"
        assert head not in FORBIDDEN[folder], f"{path} imports {name} against the floors"
        assert depth or head not in HEAVY, f"{path} imports {head} at module level"


def test_every_subpackage_is_listed_for_the_wheel() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(data["tool"]["setuptools"]["packages"])
    there = {"orbweave", "orbweave.examples"} | {
        ".".join(("orbweave", *path.parent.relative_to(ROOT).parts))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert listed == there


def test_importing_the_face_loads_no_framework_and_no_solver() -> None:
    code = f"import sys, orbweave; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "order", ["highspy, ortools.sat.python.cp_model", "ortools.sat.python.cp_model, highspy"]
)
def test_highs_and_ortools_share_a_process(order: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {order}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
