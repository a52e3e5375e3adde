"""What axe-core finds wrong with a page for people who cannot see it, or cannot use a mouse."""

from functools import cache
from importlib.resources import files

from playwright.sync_api import Page

LOOK = """async ([within, tags]) => {
  const context = within ? { include: [[within]] } : document;
  const found = await axe.run(context, { runOnly: { type: "tag", values: tags } });
  return Object.fromEntries(found.violations.map((one) => [one.id, one.nodes.map((node) => node.target.join(" "))]));
}"""
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@cache
def _source() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, within: str = "") -> dict[str, list[str]]:
    """Rule -> the elements that break it, as CSS selectors; of the part `within`, if it is given."""
    page.evaluate(_source())  # not as a script element, which a content policy would refuse
    found: dict[str, list[str]] = page.evaluate(LOOK, [within, TAGS])
    return found
