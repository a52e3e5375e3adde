/**
 * The wall: rows change where their figures did, and change places only while nobody could be about to press one.
 *
 * The server sends what changed once a second. Rows that the search hides are kept up as well, so that they are right when
 * they come back.
 */

import { showNumber } from "./digits.js";
import { config, figure, healthWords, mark, of, put, seconds, share } from "./manage-words.js";
import { follow } from "./manage-link.js";

const SORT_EVERY_MS = 5_000;
const CALM_MS = 2_500;
const GLIDE = { duration: 420, easing: "cubic-bezier(0.25, 0.8, 0.25, 1)" };

const page = document.querySelector("[data-wall]");
const list = page.querySelector("[data-rows]");
const sift = page.querySelector("[data-sift]");
const none = page.querySelector("[data-none]");
const totals = Object.fromEntries(
  [...page.querySelectorAll("[data-total]")].map((element) => [element.dataset.total, element]),
);
const korean = document.documentElement.lang === "ko";
const rows = new Map(); // zone -> what the server said last
const cards = new Map([...list.children].map((card) => [card.dataset.zone, parts(card)]));

/** The places in a card where something changes, found once. */
function parts(card) {
  const find = (selector) => card.querySelector(selector);
  return {
    card,
    name: find("a > b"),
    where: find("a > span"),
    tag: find(".tag"),
    waiting: find(".waiting dd"),
    entering: find(".rate b"),
    of: find(".rate .of"),
    rect: find(".gauge rect"),
    wait: find(".wait dd"),
    health: find(".health"),
  };
}

/** A zone that was not on the page: the same markup, from the card that the template keeps for it. */
function newCard(row) {
  const card = document.getElementById("manage-card").content.firstElementChild.cloneNode(true);
  card.dataset.zone = row.zone_id;
  card.querySelector("a").href = `${config.base}zones/${encodeURIComponent(row.zone_id)}/`;
  list.append(card);
  const found = parts(card);
  cards.set(row.zone_id, found);
  return found;
}

function show(row) {
  const found = cards.get(row.zone_id) ?? newCard(row);
  const { card } = found;
  put(found.name, (korean && row.name_ko) || row.name);
  put(found.where, [row.zone_id, row.app, row.screen].filter(Boolean).join(" · "));
  mark(card, "app", row.app);
  mark(card, "mode", row.mode);
  mark(card, "health", row.health);
  mark(card, "sought", `${row.zone_id} ${row.name} ${row.name_ko} ${row.app} ${row.screen}`.toLowerCase());
  card.toggleAttribute("data-over", row.entering_per_minute > row.per_minute);
  mark(found.tag, "mode", row.mode);
  put(found.tag, config.modes[row.mode]);
  put(found.waiting, figure(row.waiting));
  put(found.entering, figure(row.entering_per_minute));
  put(found.of, of(row.per_minute));
  if (found.rect.getAttribute("width") !== share(row)) found.rect.setAttribute("width", share(row));
  put(found.wait, seconds(row.longest_wait_s));
  put(found.health, healthWords(row));
}

function sum() {
  let waiting = 0;
  let troubled = 0;
  for (const row of rows.values()) {
    waiting += row.waiting;
    troubled += row.health !== "ok";
  }
  showNumber(totals.zones, rows.size);
  showNumber(totals.waiting, waiting);
  showNumber(totals.troubled, troubled);
  mark(totals.troubled.parentElement, "value", String(troubled));
}

// --- the order

const byTrouble = (a, b) =>
  b.trouble - a.trouble ||
  compare(a.app, b.app) ||
  compare(a.screen, b.screen) ||
  compare(a.zone_id, b.zone_id);
const compare = (a, b) => (a < b ? -1 : Number(a > b));

let touchedAt = 0;
list.addEventListener("pointermove", () => (touchedAt = Date.now()));
window.addEventListener("scroll", () => (touchedAt = Date.now()), { passive: true });
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Put the cards in order, moving those alone that stand wrong. */
function sort() {
  const wanted = [...rows.values()].sort(byTrouble).map((row) => cards.get(row.zone_id).card);
  if (wanted.every((card, index) => card === list.children[index])) return;
  const shown = wanted.filter((card) => !card.hidden && inSight(card));
  const before = new Map(shown.map((card) => [card, card.getBoundingClientRect().top]));
  wanted.forEach((card, index) => {
    if (list.children[index] !== card) list.insertBefore(card, list.children[index] ?? null);
  });
  if (calm.matches) return;
  for (const [card, top] of before) {
    const by = top - card.getBoundingClientRect().top;
    if (by) card.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], GLIDE);
  }
}

function inSight(card) {
  const { top, bottom } = card.getBoundingClientRect();
  return bottom > 0 && top < window.innerHeight;
}

setInterval(() => {
  const busy = list.matches(":hover, :focus-within") || Date.now() - touchedAt < CALM_MS;
  if (!busy && document.visibilityState === "visible" && page.dataset.link === "live") sort();
}, SORT_EVERY_MS);

// --- the search

function hideOthers() {
  const data = new FormData(sift);
  const words = data.get("q").toLowerCase().split(/\s+/).filter(Boolean);
  const [app, mode] = [data.get("app"), data.get("mode")];
  let found = 0;
  for (const { card } of cards.values()) {
    const { dataset } = card;
    const fits =
      (!app || dataset.app === app) &&
      (!mode || dataset.mode === mode) &&
      words.every((word) => dataset.sought.includes(word));
    if (card.hidden === fits) card.hidden = !fits;
    found += fits;
  }
  none.hidden = found > 0;
}

sift.addEventListener("submit", (event) => event.preventDefault());
sift.addEventListener("input", () => {
  const asked = new URLSearchParams([...new FormData(sift)].filter(([, value]) => value));
  history.replaceState(null, "", asked.size ? `?${asked}` : location.pathname);
  hideOthers();
});

let isFirst = true;
follow({
  page,
  path: "/ws/manage/wall/",
  isOpenToAll: true,
  onFrame(frame) {
    if (frame.type !== "wall") return;
    const gone = frame.whole ? [...cards.keys()].filter((id) => !frame.rows.some((row) => row.zone_id === id)) : frame.gone;
    for (const id of gone) {
      cards.get(id)?.card.remove();
      cards.delete(id);
      rows.delete(id);
    }
    for (const row of frame.rows) {
      rows.set(row.zone_id, row);
      show(row);
    }
    if (frame.rows.length || gone.length) {
      sum();
      hideOthers();
    }
    // What the search left out, or came while the page was loading, is in its place from the start.
    if (isFirst && frame.whole && !list.matches(":hover, :focus-within")) sort();
    isFirst &&= !frame.whole;
  },
});
