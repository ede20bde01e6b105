"""The import table: which package may use which, and what must stay out of the light path."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY

SOURCE = REPOSITORY / "src" / "fiqa"

MAY_IMPORT = {
    "core": set(),
    "io": {"core"},
    "comparisons": {"core"},
    "optimize": {"core", "comparisons"},
    "evaluate": {"core"},
    "models": {"core"},
    "faces": {"core", "models"},
    "methods": {"core", "models", "comparisons"},
    "explain": {"core", "methods"},
    "train": {"core", "io", "models", "comparisons"},
    "deploy": {"core", "io", "models", "faces"},
    "pipeline": {
        *(
            "core",
            "io",
            "comparisons",
            "optimize",
            "evaluate",
            "models",
            "faces",
            "methods",
            "explain",
            "train",
            "deploy",
            "pipeline",
        )
    },
    "serve": {"core", "io", "faces", "explain", "deploy"},
    "cli": {"core", "pipeline", "serve"},
    "__main__": {"cli"},
}
THIRD_PARTY = {
    "core": {"numpy"},
    "io": {"numpy", "PIL", "pyarrow"},
    "comparisons": {"numpy", "numba", "scipy", "threadpoolctl"},
    "optimize": {"numpy"},
    "evaluate": {"numpy", "scipy", "sklearn", "matplotlib", "jinja2"},
    "models": {"numpy", "cv2", "onnx", "onnxruntime", "torch"},
    "faces": {"numpy", "cv2", "onnxruntime"},
    "methods": {"numpy", "torch"},
    "explain": {"numpy", "PIL", "torch"},
    "train": {"numpy", "torch"},
    "deploy": {"numpy", "onnxruntime", "torch"},
    "pipeline": {"numpy", "ray"},
    "serve": {"numpy", "fastapi", "starlette", "pydantic", "prometheus_client", "uvicorn"},
    "cli": {"typer", "rich"},
    "__main__": set(),
}
ONLY_IN = {
    "ray": {"pipeline/execute.py"},
    "matplotlib": {"evaluate/figures.py"},
    "jinja2": {"evaluate/report.py"},
}
FILES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))


def package_of(file: Path) -> str:
    return file.parts[0].removesuffix(".py")


def imports_of(file: Path) -> tuple[set[str], set[str]]:
    """(own packages, third-party packages) that a file imports anywhere, type checking included."""
    own, third = set(), set()
    for node in ast.walk(ast.parse((SOURCE / file).read_text())):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")
            if node.level == 0:
                names = module
            else:
                names = [
                    "fiqa",
                    *file.parts[: len(file.parts) - node.level],
                    *[part for part in module if part],
                ]
                if len(names) == 1:
                    names = ["fiqa", node.names[0].name]
            modules = [names]
        elif isinstance(node, ast.Import):
            modules = [alias.name.split(".") for alias in node.names]
        else:
            continue
        for names in modules:
            if names[0] == "fiqa":
                own.add(names[1] if len(names) > 1 else "__init__")
            elif names[0] not in sys.stdlib_module_names:
                third.add(names[0])
    return own, third


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_follow_the_table(file: Path) -> None:
    package = package_of(file)
    if package == "__init__":
        return
    own, third = imports_of(file)
    assert own - {package, "__init__"} <= MAY_IMPORT[package]
    assert third <= THIRD_PARTY[package]
    for name, places in ONLY_IN.items():
        assert name not in third or str(file) in places


@pytest.mark.parametrize("file", FILES, ids=str)
def test_files_stay_readable(file: Path) -> None:
    text = (SOURCE / file).read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= 50, f"{node.name} has a body of {length} lines"


def test_no_shelf_for_odds_and_ends() -> None:
    assert not {"utils", "helpers", "common", "misc"} & {part.stem for part in SOURCE.rglob("*")}


@pytest.mark.parametrize(
    "module",
    [
        "fiqa",
        "fiqa.cli",
        "fiqa.deploy.model",
        "fiqa.deploy.scorer",
        "fiqa.methods",
        "fiqa.pipeline.explain",
        "fiqa.serve.app",
        "fiqa.models",
        "fiqa.faces",
        "fiqa.io",
    ],
)
def test_light_imports(module: str) -> None:
    heavy = "{'torch', 'pyarrow', 'scipy', 'sklearn', 'numba', 'matplotlib', 'ray', 'pandas', 'onnx'}"
    code = f"import sys, {module}; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
