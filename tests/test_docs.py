"""What the documents claim is so: links lead somewhere, and names and figures are those of the code."""

import ast
import importlib
import itertools
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.apps import apps

from apps.accounts.big_lists import COUNTED
from apps.operations import alert_delivery, alert_sending, dashboard_views
from apps.operations.alert_kinds import KINDS, AlertKind
from apps.operations.roles import ROLES
from apps.realtime import close_codes
from apps.streams.services import FEATURED_MAX
from apps.waitingroom import outcomes
from apps.waitingroom.manage.wall import LEVELS
from config.celery import app as celery
from tests.load.__main__ import SCENARIOS

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TABLES = {
    "users",
    "broadcasters",
    "categories",
    "streams",
    "current_viewers",
    "viewer_history",
    "user_sessions",
    "daily_statistics",
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The fragments that a page's headings make."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue  # elsewhere on the web
        name, _, fragment = unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        if not (target.is_relative_to(ROOT) and target.exists() and (not fragment or fragment in anchors(target))):
            lost.append(link)
    assert lost == []


def environment_names() -> set[str]:
    """Every environment variable that a file in config/ reads, from its syntax."""
    names = set()
    for file in (ROOT / "config").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"os.environ.get", "os.environ.setdefault"}:
                names.add(ast.literal_eval(node.args[0]))
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                names.add(ast.literal_eval(node.slice))
            elif isinstance(node, ast.keyword) and node.arg == "env" and isinstance(node.value, ast.Constant):
                names.add(str(node.value.value))  # dj_database_url.config(env=...)
    return names


def test_every_environment_variable_is_described() -> None:
    described = set(re.findall(r"^\| `([A-Z_]+)` \|", read("docs/operations.md"), re.MULTILINE))
    assert {"SECRET_KEY", "DATABASE_URL", "FULLHOUSE_VAR"} <= environment_names()
    # The last one is uvicorn's.
    assert described == environment_names() | {"FORWARDED_ALLOW_IPS"}


def test_every_close_code_is_described() -> None:
    ours = {value for name, value in vars(close_codes).items() if name.isupper()}
    described = {int(code) for code in re.findall(r"^\| (\d{4}) \|", read("docs/api.md"), re.MULTILINE)}
    # The two are the protocol's own: a frame too large, a ping not answered.
    assert described == ours | {1009, 1011}


# Reasons that are spelled elsewhere than where a socket is closed, by what stands there instead.
PASSED_ON = {
    "{outcome.refused}": {outcomes.CLEARED, outcomes.EVICTED, outcomes.SPENT},  # of a place, as a socket asks for it
    "refusal.error": {"unknown_zone", "too_fast", "unavailable"},  # of zone_of and join in waitingroom/http.py
    "token_{reason}": set(),  # found where a TokenError is raised
    "{reason}": set(),  # handed on by `reject`
}
CLOSERS = {"reject", "close", "dismiss", "dismiss_stream"}


def spelled(node: ast.expr, tree: ast.Module) -> set[str]:
    """The texts that an expression may be, as far as they stand in this file."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.JoinedStr):
        return {ast.unparse(node)[2:-1]}
    if isinstance(node, ast.IfExp):
        return spelled(node.body, tree) | spelled(node.orelse, tree)
    if isinstance(node, ast.Name):
        given = [each for each in ast.walk(tree) if isinstance(each, ast.Assign)]
        values = [each.value for each in given if ast.unparse(each.targets[0]) == node.id]
        return {text for value in values for text in spelled(value, tree)}
    return {ast.unparse(node)}


def reasons() -> set[str]:
    """The first word of every reason with which a socket is closed, from the syntax of whoever closes one."""
    codes = {name for name in vars(close_codes) if name.isupper()} | {"code"}
    texts, words = set(), set()
    for file in (ROOT / "apps").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            called = ast.unparse(call.func).rpartition(".")[2]
            if called == "TokenError":
                words |= {f"token_{word}" for word in spelled(call.args[0], tree)}
            elif called in CLOSERS:
                after_codes = (b for a, b in itertools.pairwise(call.args) if ast.unparse(a) in codes)
                texts |= {text for argument in after_codes for text in spelled(argument, tree)}
    for text in texts:
        head = text.partition(":")[0]
        words |= PASSED_ON.get(head, {head})
    return words


def test_every_reason_of_a_close_is_described() -> None:
    rows = re.findall(r"^\| \d{4} \| (.+?) \|", read("docs/api.md"), re.MULTILINE)
    assert {word for row in rows for word in re.findall(r"`(\w+)`", row)} == reasons()


def test_every_benchmark_is_in_both_readmes_and_explained() -> None:
    for page, head in (("README.md", "| scenario | what it measures |"), ("README.ko.md", "| 시나리오 | 재는 것 |")):
        assert {name for name, _what in table(page, head)} == set(SCENARIOS)
    assert set(SCENARIOS) <= set(re.findall(r"^## ([\w-]+)$", read("docs/capacity.md"), re.MULTILINE))
    measured = read("docs/capacity.md").partition("## Measured")[2]
    assert set(SCENARIOS) == set(re.findall(r"`python -m tests\.load ([\w-]+)", measured))


def test_every_metric_is_described() -> None:
    found = {
        name
        for file in (ROOT / "apps").rglob("metrics.py")
        for name in re.findall(r'"(fullhouse_\w+)"', file.read_text(encoding="utf-8"))
    }
    described = set(re.findall(r"^\| `(fullhouse_\w+)", read("docs/operations.md"), re.MULTILINE))
    assert found
    assert described == found


def test_every_periodic_task_is_described() -> None:
    timetable = read("docs/operations.md").partition("## Timetable")[2].partition("\n## ")[0]
    described = set(re.findall(r"^\| `([a-z-]+)` \|", timetable, re.MULTILINE))
    assert described == set(celery.conf.beat_schedule)


def test_the_constants_are_those_of_the_code() -> None:
    table = re.findall(r"^\| `(apps\.[\w.]+)\.([A-Z_]+)` \| ([\d.]+) \|$", read("docs/architecture.md"), re.MULTILINE)
    assert len(table) > 10
    written = {f"{module}.{name}": float(value) for module, name, value in table}
    actual = {f"{module}.{name}": float(getattr(importlib.import_module(module), name)) for module, name, _ in table}
    assert written == actual


def test_both_readmes_have_the_same_parts() -> None:
    parts = [
        (
            [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)],
            len(re.findall(r"^\|", text, re.MULTILINE)),
            [
                re.sub(r"\s*#.*", "", line)
                for block in re.findall(r"```\n(.*?)```", text, re.S)
                for line in block.split("\n")
            ],
            sorted(set(re.findall(r"\]\(([^)\s]+)\)", text)) - {"README.md", "README.ko.md"}),
        )
        for text in (read("README.md"), read("README.ko.md"))
    ]
    assert parts[0] == parts[1]


def test_the_eight_tables_have_their_names() -> None:
    assert {model._meta.db_table for model in apps.get_models()} >= TABLES


def table(page: str, head: str) -> list[list[str]]:
    """The cells of the table that begins with this head."""
    lines = read(page).partition(head)[2].splitlines()[2:]
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_kind_of_alert_is_described_with_its_usual_terms() -> None:
    told = {
        kind: (limit, hold) for kind, _what, limit, hold in table("docs/operations.md", "| kind | what is measured |")
    }
    units = {"seconds": " s", "percent": "%"}
    assert told == {
        str(AlertKind(kind).label): (
            f"{facts.limit:g}{units.get(facts.unit, '')}",
            f"{facts.hold_s} s" if facts.hold_s else "",
        )
        for kind, facts in KINDS.items()
    }


def test_every_role_is_described() -> None:
    assert [name for name, _may in table("docs/operations.md", "| group | may |")] == [role.name for role in ROLES]


def test_every_health_that_a_row_may_have_is_described() -> None:
    told = re.search(r"`health` \(([^)]*)\)", read("docs/api.md"))
    assert told is not None
    # A socket says `stale` for all of them while lines cannot be read.
    assert re.findall(r"`(\w+)`", told[1]) == [name for name in LEVELS if name != "unread"]


def test_what_is_said_of_alerts_and_of_the_dashboard_is_so() -> None:
    page = " ".join(read("docs/operations.md").split())
    rests = "15 s, a minute, 4, 15 minutes, an hour"
    assert (alert_sending.RESTS_S, alert_sending.ATTEMPTS) == ((15, 60, 240, 900, 3_600), 6)
    assert (alert_delivery.SEND_S, alert_sending.KEPT_S) == (15, 6 * 3_600)
    assert "is not taken within 15 s, the look-up of its host included, has failed: the channel rests" in page
    assert f"the channel rests for {rests}" in page
    assert "After six tries, or six hours, a notice is given up" in page
    refreshed, kept = dashboard_views.REFRESHED_EVERY_S, dashboard_views.KEPT_S
    assert f"renew themselves every {refreshed} s; each process makes them at most once in {kept} s" in page
    assert f"come first in the directory, at most {FEATURED_MAX}," in page
    assert f"Lists count to {COUNTED:,}" in page
