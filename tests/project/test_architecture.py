"""Hold the picture of the architecture to the code."""

import ast
import re
from pathlib import Path

import pytest

from interface.resolvers import REPOSITORY
from tests.benchmarks.house import House

# folder -> the folders of ours that it may import
LAYERS = {
    "util": set(),
    "interface": {"util"},
    "baselines_ext": {"interface", "util"},
    "envs": {"interface", "util"},
    "hydra_plugins": {"interface", "util"},
    "experiment": {"envs", "interface", "util"},
}
FORBIDDEN_NAMES = {"util", "utils", "misc", "helpers", "common"}
SOURCES = [path for folder in LAYERS for path in sorted((REPOSITORY / folder).rglob("*.py"))]


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_imports_follow_the_layers(path: Path):
    folder = path.relative_to(REPOSITORY).parts[0]
    allowed = LAYERS[folder] | {folder}
    for name in imports_of(path):
        if name.split(".")[0] in LAYERS:
            assert any(name == ours or name.startswith(f"{ours}.") for ours in allowed), name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_files_and_functions_stay_small(path: Path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False) or ""
            n_code = node.end_lineno - node.lineno + 1 - len(docstring.splitlines())  # type: ignore[operator]
            assert n_code <= 40, node.name


def test_neither_files_nor_folders_import_each_other_in_a_circle():
    assert not House(REPOSITORY).cycles()


def test_only_entry_scripts_lie_flat_in_experiment():
    scripts = [path for path in (REPOSITORY / "experiment").glob("*.py") if path.stem != "__init__"]
    assert scripts
    for path in scripts:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 15, path.name
        assert '__name__ == "__main__"' in text, path.name


def test_no_module_is_called_after_nothing():
    names = {path.stem for path in SOURCES} | {path.parent.name for path in SOURCES} - {"util"}
    assert not names & FORBIDDEN_NAMES


def test_the_plugin_name_space_is_shared_with_installed_plugins():
    assert not (REPOSITORY / "hydra_plugins" / "__init__.py").exists()


def test_plugins_stay_light():
    for path in (REPOSITORY / "hydra_plugins").rglob("*.py"):
        assert not {name.split(".")[0] for name in imports_of(path)} & {
            "torch",
            "stable_baselines3",
        }


def test_the_table_of_faults_names_tests_that_exist():
    tests = REPOSITORY / "tests"
    files = {path.name: path.read_text(encoding="utf-8") for path in tests.rglob("test_*.py")}
    table = (tests / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"\btest_\w+(?:\.py)?", table):
        found = name in files or any(f"def {name}(" in text for text in files.values())
        assert found, name
