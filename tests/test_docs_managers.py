"""The guide for zone managers says the same in both languages, with the very words that stand on the pages."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.utils.text import capfirst
from django.utils.translation import gettext, override

from apps.operations.preparation import translations_compile
from apps.waitingroom.manage.display import EMPTY, HEALTH, MOVES, mode_name, mode_names, role_name
from apps.waitingroom.manager_models import Role
from apps.waitingroom.models import ZoneMode

ROOT = Path(__file__).resolve().parent.parent
GUIDES = {"en": ROOT / "docs/managers.md", "ko": ROOT / "docs/managers.ko.md"}
# Where the words of the guide stand: the managers' pages, and where the admin has what is theirs.
TEMPLATES = sorted(ROOT.glob("templates/manage/*.html"))
MODULES = [*sorted(ROOT.glob("apps/waitingroom/**/*.py")), ROOT / "apps/operations/admin_sidebar.py"]
MARKED = re.compile(r"(\*{1,2})([^*]+)\1")
GETTEXTS = {"_", "gettext", "gettext_lazy"}


@dataclass(frozen=True)
class Block:
    """A heading, a row of a table, an item of a list, a picture or a paragraph."""

    kind: str
    text: str

    @property
    def cells(self) -> list[str]:
        return [cell.strip() for cell in self.text.strip("|").split("|")] if self.kind.startswith("|") else []

    @property
    def words(self) -> list[str]:
        """What is set in bold or italics, without the figure that a page shows behind it."""
        return [re.sub(r"(?<=\D) \d+$", "", found[2]) for found in MARKED.finditer(self.text)]


def kind_of(line: str) -> str:
    if line.startswith("|"):
        return "|" * line.count("|")
    found = re.match(r"#+ |\d+\. |- |!\[", line)
    return found[0] if found else ""


def blocks(language: str) -> list[Block]:
    found: list[Block] = []
    is_open = False
    for line in GUIDES[language].read_text(encoding="utf-8").splitlines():
        kind = kind_of(line)
        if is_open and line and not kind:
            found[-1] = Block(found[-1].kind, f"{found[-1].text} {line.strip()}")
        elif line:
            found.append(Block(kind, line))
        is_open = bool(line)
    return found


def pairs() -> Iterator[tuple[Block, Block]]:
    return zip(blocks("en"), blocks("ko"), strict=True)


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What the managers' pages say, in English and in Korean."""
    texts = {
        text for file in TEMPLATES for text in re.findall(r'\{% translate "([^"]+)"', file.read_text(encoding="utf-8"))
    }
    for file in MODULES:
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in GETTEXTS and call.args:
                first = call.args[0]
                texts |= {str(first.value)} if isinstance(first, ast.Constant) else set()
    # What scripts and people say alike in every language stands in the templates as it is.
    alike = {word: word for file in TEMPLATES for word in re.findall(r">(\W\d+%|CSV)<", file.read_text("utf-8"))}
    translations_compile()
    with override("en"):
        modes, roles = mode_names(), [role_name(role) for role in Role]
    with override("ko"):
        return {
            **{text: gettext(text) for text in texts},
            **alike,
            **{name: mode_name(mode) for mode, name in modes.items()},
            **{name: role_name(role) for role, name in zip(Role, roles, strict=True)},
            # The two that the guide calls by a part of their names.
            "wall": gettext("Wall of zones").split()[-1],
            "Message": gettext("Message to those waiting"),
        }


def in_korean(word: str, said: dict[str, str]) -> str:
    """What the Korean guide must have for it. What ends like a sentence begins one; a figure is what somebody types."""
    if word.endswith("."):
        return "."
    return word if word.isdecimal() else said[word]


def terms(cell: str) -> list[str]:
    """What a first cell is about: "Blocked (asks first)" is about what the page calls Blocked."""
    return [re.split(r" \(|, of N|, / N", term)[0] for term in re.split(r"; (?![a-z])", cell)]


def first_cells(language: str, head: str) -> list[str]:
    """What the rows of the table are about whose first column has this head."""
    rows = [(block.cells or [""])[0] for block in blocks(language)]
    after = rows[rows.index(head) + 2 :]
    return [term for cell in after[: after.index("")] for term in terms(cell)]


def test_both_guides_have_the_same_parts_in_the_same_order() -> None:
    kinds = {language: [block.kind for block in blocks(language)] for language in GUIDES}
    assert len([kind for kind in kinds["en"] if kind.startswith("#")]) > 5
    assert kinds["en"] == kinds["ko"]


def test_both_guides_have_the_same_headings() -> None:
    heads = [(english.text, korean.text) for english, korean in pairs() if english.kind.startswith("#")]
    assert heads == [
        ("# For zone managers", "# 구역 관리자 안내서"),
        ("## Your first line, in five minutes", "## 5분 만에 첫 줄 세우기"),
        ("## What you see", "## 화면에서 보는 것"),
        ("## What you can do", "## 할 수 있는 일"),
        ("## In the worst minute", "## 가장 급할 때"),
        ("## Reports", "## 보고서"),
        ("## Who may do what", "## 누가 무엇을 할 수 있나"),
    ]


def test_both_guides_lead_to_the_same_places_and_name_the_same_things() -> None:
    for english, korean in pairs():
        for pattern in (r"`([^`]+)`", r"\]\(([^)#]*(?:#(?=\w)[\w-]+)?)\)"):
            theirs = sorted(found.replace(".ko.", ".") for found in re.findall(pattern, korean.text))
            ours = sorted(found.replace(".ko.", ".") for found in re.findall(pattern, english.text))
            # An anchor of the page itself is in the page's language; that it is there is shown for every document.
            assert [each for each in theirs if each[0] != "#"] == [each for each in ours if each[0] != "#"]
            assert len(theirs) == len(ours)


def test_no_figure_of_the_guide_is_missing_in_korean() -> None:
    missing = [
        (english.text, figure)
        for english, korean in pairs()
        for figure in (Counter(re.findall(r"\d+", english.text)) - Counter(re.findall(r"\d+", korean.text)))
    ]
    assert missing == []


def test_the_words_of_both_guides_stand_on_the_pages(said: dict[str, str]) -> None:
    marked = 0
    for english, korean in pairs():
        unknown = [word for word in english.words if not word.endswith(".") and not word.isdecimal()]
        assert [word for word in unknown if word not in said] == []
        due = sorted(in_korean(word, said) for word in english.words)
        assert sorted("." if word.endswith(".") else word for word in korean.words) == due
        marked += len(due)
    assert marked > 30


def test_what_is_marked_is_shown_so() -> None:
    """A mark between a sign and a letter is none: behind "50%" it needs a space or a sign, or its asterisks show."""
    for language in GUIDES:
        for block in blocks(language):
            text = f" {block.text} "
            for found in MARKED.finditer(text):
                outside, inside = (text[found.start() - 1], text[found.end()]), (found[2][0], found[2][-1])
                assert all(
                    within.isalnum() or not beside.isalnum() for beside, within in zip(outside, inside, strict=True)
                )
            assert "*" not in MARKED.sub("", text)


def test_the_tables_of_both_guides_are_about_what_stands_on_the_pages(said: dict[str, str]) -> None:
    rows = 0
    for english, korean in pairs():
        if not english.cells or english.cells[0] == "---":
            continue
        for word, theirs in zip(terms(english.cells[0]), terms(korean.cells[0]), strict=True):
            known = said.get(word) or said.get(capfirst(word))
            is_head = word in ("figure", "deed")
            assert is_head or theirs == known
            rows += not is_head
    assert rows > 20


@pytest.mark.parametrize(("language", "head"), [("en", "health"), ("ko", "Health")])
def test_every_health_is_explained(language: str, head: str) -> None:
    translations_compile()
    with override(language):
        told = first_cells(language, gettext(head))
        assert sorted(told) == sorted(str(words) for words in (*HEALTH.values(), MOVES, EMPTY))


@pytest.mark.parametrize(("language", "heads"), [("en", ("deed", "role")), ("ko", ("할 일", "역할"))])
def test_every_mode_and_role_is_explained(language: str, heads: tuple[str, str]) -> None:
    translations_compile()
    with override(language):
        deeds, roles = (first_cells(language, head) for head in heads)
        assert [name for name in deeds if name in mode_names().values()] == [mode_name(mode) for mode in ZoneMode]
        assert [capfirst(name) for name in roles] == [role_name(role) for role in Role]
