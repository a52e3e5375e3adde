/**
 * The wall: cards change where their figures did, and change places only while nobody could be about to press one.
 *
 * The server sends what changed once a second, of all zones; cards there are for the first of those that are looked for,
 * and for more when the end of the list comes into sight. Cards out of sight wait until they come into it.
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
const more = page.querySelector("[data-more]");
const totals = Object.fromEntries(
  [...page.querySelectorAll("[data-total]")].map((element) => [element.dataset.total, element]),
);
const zonesWord = page.querySelector("[data-zones-word]");
const korean = document.documentElement.lang === "ko";
const rows = new Map(); // zone -> what the server said last
const cards = new Map();
// Cards that can be seen, or nearly so: only they are kept up, and others when they come into sight.
const near = new Set();
const sight = new IntersectionObserver(seen, { rootMargin: "400px" });
for (const card of list.children) adopt(card);
let most = Math.max(config.step, cards.size); // cards

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

/** Keep a card under its zone's id. */
function adopt(card) {
  const found = parts(card);
  cards.set(card.dataset.zone, found);
  sight.observe(card);
  return found;
}

function seen(entries) {
  for (const { target: card, isIntersecting } of entries) {
    const id = card.dataset.zone;
    if (isIntersecting) near.add(id);
    else near.delete(id);
    if (isIntersecting && cards.has(id) && rows.has(id)) show(rows.get(id), cards.get(id));
  }
}

/** A zone that was not on the page: the same markup, from the card that the template keeps for it. */
function newCard(row) {
  const card = document.getElementById("manage-card").content.firstElementChild.cloneNode(true);
  card.dataset.zone = row.zone_id;
  card.querySelector("a").href = `${config.base}zones/${encodeURIComponent(row.zone_id)}/`;
  return adopt(card);
}

function show(row, found) {
  const { card } = found;
  put(found.name, (korean && row.name_ko) || row.name);
  put(found.where, [row.zone_id, row.app, row.screen].filter(Boolean).join(" · "));
  mark(card, "mode", row.mode);
  mark(card, "health", row.health);
  mark(card, "outlook", row.state);
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
  put(zonesWord, rows.size === 1 ? zonesWord.dataset.one : zonesWord.dataset.many);
  showNumber(totals.waiting, waiting);
  showNumber(totals.troubled, troubled);
  mark(totals.troubled.parentElement, "value", String(troubled));
}

// --- which cards, and in which order

const compare = (a, b) => (a < b ? -1 : Number(a > b));
const byTrouble = (a, b) =>
  b.trouble - a.trouble ||
  compare(a.app, b.app) ||
  compare(a.screen, b.screen) ||
  compare(a.zone_id, b.zone_id);

/** The rows that are looked for, most trouble first. */
function sought() {
  const data = new FormData(sift);
  const words = data.get("q").toLowerCase().split(/\s+/).filter(Boolean);
  const [app, mode] = [data.get("app"), data.get("mode")];
  const fits = (row) => {
    if ((app && row.app !== app) || (mode && row.mode !== mode)) return false;
    const text = `${row.zone_id} ${row.name} ${row.name_ko} ${row.app} ${row.screen}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return [...rows.values()].filter(fits).sort(byTrouble);
}

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Have cards for the first of what is looked for, in order; those that stand right are not touched. */
function arrange({ glides = false } = {}) {
  const found = sought();
  const wanted = found.slice(0, most).map((row) => {
    if (!cards.has(row.zone_id)) show(row, newCard(row));
    return cards.get(row.zone_id).card;
  });
  more.hidden = found.length <= most;
  none.hidden = found.length > 0;
  if (wanted.length === list.children.length && wanted.every((card, index) => card === list.children[index])) return;
  const before = glides && !still.matches ? wanted.filter(inSight).map((card) => [card, top(card)]) : [];
  const kept = new Set(wanted);
  for (const [id, { card }] of cards) if (!kept.has(card)) drop(id);
  wanted.forEach((card, index) => {
    if (list.children[index] !== card) list.insertBefore(card, list.children[index] ?? null);
  });
  for (const [card, at] of before) {
    const by = at - top(card);
    if (by) card.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], GLIDE);
  }
}

const top = (card) => card.getBoundingClientRect().top;

function inSight(card) {
  if (!card.isConnected) return false;
  const { top: from, bottom: to } = card.getBoundingClientRect();
  return to > 0 && from < window.innerHeight;
}

function drop(id) {
  const card = cards.get(id)?.card;
  if (!card) return;
  sight.unobserve(card);
  card.remove();
  cards.delete(id);
  near.delete(id);
}

let touchedAt = 0;
list.addEventListener("pointermove", () => (touchedAt = Date.now()));
window.addEventListener("scroll", () => (touchedAt = Date.now()), { passive: true });

setInterval(() => {
  const busy = list.matches(":hover, :focus-within") || Date.now() - touchedAt < CALM_MS;
  if (!busy && document.visibilityState === "visible" && page.dataset.link === "live") arrange({ glides: true });
}, SORT_EVERY_MS);

// --- the search, and more of the list. Until the server has said what there is, both are the server's.

sift.addEventListener("submit", (event) => rows.size && event.preventDefault());
sift.addEventListener("input", () => {
  if (!rows.size) return;
  const asked = new URLSearchParams([...new FormData(sift)].filter(([, value]) => value));
  history.replaceState(null, "", asked.size ? `?${asked}` : location.pathname);
  most = config.step;
  arrange();
});

const end = new IntersectionObserver(([seen]) => seen.isIntersecting && grow(), { rootMargin: "600px" });

function grow() {
  if (!rows.size || more.hidden) return;
  most += config.step;
  arrange();
  end.unobserve(more); // and looked at anew: it may still be in sight
  end.observe(more);
}

more.addEventListener("click", (event) => {
  if (rows.size) event.preventDefault();
  grow();
});
end.observe(more);

let isFirst = true;
follow({
  page,
  path: "/ws/manage/wall/",
  isOpenToAll: true,
  onFrame(frame) {
    if (frame.type !== "wall") return;
    const there = frame.whole && new Set(frame.rows.map((row) => row.zone_id));
    const gone = there ? [...rows.keys(), ...cards.keys()].filter((id) => !there.has(id)) : frame.gone;
    for (const id of gone) {
      drop(id);
      rows.delete(id);
    }
    for (const row of frame.rows) {
      rows.set(row.zone_id, row);
      if (near.has(row.zone_id)) show(row, cards.get(row.zone_id));
    }
    if (frame.rows.length || gone.length) sum();
    // What came while the page was loading is in its place from the start; what comes later, when nobody points there.
    if ((isFirst && frame.whole && !list.matches(":hover, :focus-within")) || list.children.length === 0) arrange();
    isFirst &&= !frame.whole;
  },
});
