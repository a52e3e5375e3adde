"""What a gate runs asks no database: every file of the waiting room but those named here."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "apps" / "waitingroom"
# The people's side: tables, what writes and reads them, pages of managers, and Django's registration.
PEOPLES_PREFIXES = ("manage", "report")
PEOPLES_OTHERS = {
    "__init__",
    "admin",
    "admin_actions",
    "admin_forms",
    "apps",
    "audit",
    "changes",
    "endings",
    "events",
    "models",
    "publishing",
    "receivers",
    "role_services",
    "selectors",
    "services",
    "statistics",
    "tasks",
    "wall",
    "zone_sight",
}
FILES = {file.stem for file in FOLDER.glob("*.py")}
PEOPLES = PEOPLES_OTHERS | {name for name in FILES if name.startswith(PEOPLES_PREFIXES)}
GATES = sorted(FILES - PEOPLES)


def imported(module: str) -> set[str]:
    """Every module whose import stands in this file, however deep; relative ones spelled in full."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(["apps.waitingroom", *([node.module] if node.module else [])])
            origin = package if node.level else node.module or ""
            found.update({origin, *(f"{origin}.{alias.name}" for alias in node.names)})
    return found


def test_the_import_rule_names_every_file_of_the_gate() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (rule,) = (contract for contract in contracts if contract["name"].startswith("What a gate runs"))
    assert rule["source_modules"] == [f"apps.waitingroom.{name}" for name in GATES]


def test_the_reading_of_imports_sees_them() -> None:
    assert {"django.db.models", "apps.waitingroom.rules"} <= imported("models")


@pytest.mark.parametrize("module", GATES)
def test_a_file_of_the_gate_imports_no_database(module: str) -> None:
    people = {f"apps.waitingroom.{name}" for name in PEOPLES - {"__init__"}}
    wrong = {name for name in imported(module) if name.startswith("django.db") or name in people}
    assert wrong == set()
