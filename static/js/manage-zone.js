/**
 * One zone: figures and chart once a second, and forms that know what they showed.
 *
 * A form that nobody touched follows the zone, a moment after the page has shown the change: what is pressed then is meant
 * for what is seen. One that was touched keeps its version, and the server says what somebody else changed meanwhile.
 */

import { showNumber } from "./digits.js";
import { ChangeList } from "./manage-changes.js";
import { Course } from "./manage-chart.js";
import { follow } from "./manage-link.js";
import { Preview } from "./manage-preview.js";
import { followRole } from "./manage-role.js";
import { config, figure, healthWords, mark, momentAt, put, seconds, share, timeAt, timeOfDay } from "./manage-words.js";
import { fill } from "./format.js";

const SEEN_AFTER_MS = 1_500;
// A server may know of a change a moment later than the page that was made after it; for longer only one whose database
// was set back.
const OLDER_FOR_MS = 10_000;
// As long as a server may take over one that it was sent.
const SENT_FOR_MS = 10_000;

const page = document.querySelector("[data-helm]");
const find = (name) => page.querySelector(`[data-${name}]`);
const figures = Object.fromEntries(
  [...page.querySelectorAll("[data-figure]")].map((element) => [element.dataset.figure, element]),
);
const course = new Course(find("course"));
const changeList = new ChangeList(find("changes"), {
  newest: config.newest,
  url: config.changesUrl,
  notice: find("newer"),
  newer: config.newer,
});
const forms = [...page.querySelectorAll("[data-deed]")];
const rate = page.querySelector("[data-deed=rate]");
const preview = rate && new Preview(find("preview"), rate.elements.per_minute, config.previewUrl);
const korean = document.documentElement.lang === "ko";

// --- the chart

find("drawn").hidden = true;
find("course").hidden = false;
let history = config.history;
let rates = config.rates;
let perMinute = config.perMinute;
course.load(history, rates, perMinute, config.at / 1000);

// --- what the server says

let shown = config.version;
let olderSince = null;

function clearsAt(row, at) {
  if (!row.waiting || !row.longest_wait_s) return null; // nobody knows, or everybody enters at once
  return at + row.longest_wait_s * 1000;
}

/** Whether a frame's settings are of before what this page shows: a change made on it would be taken back for a moment. */
function isOlder({ version }) {
  if (version >= shown) olderSince = null;
  else olderSince ??= Date.now();
  return olderSince !== null && Date.now() - olderSince < OLDER_FOR_MS;
}

function told(frame) {
  mark(page, "health", frame.health);
  mark(page, "mode", frame.mode);
  find("would").hidden = frame.mode !== "observe";
  page.toggleAttribute("data-over", frame.entering_per_minute > frame.per_minute);
  showNumber(figures.waiting, frame.waiting);
  showNumber(figures.entering, frame.entering_per_minute);
  showNumber(figures.called, frame.called);
  put(figures.per_minute, figure(frame.per_minute));
  put(figures.wait, seconds(frame.longest_wait_s));
  if (find("gauge").getAttribute("width") !== share(frame)) find("gauge").setAttribute("width", share(frame));
  const clears = clearsAt(frame, frame.at);
  find("clears").hidden = clears === null;
  if (clears !== null) put(find("clears").querySelector("time"), timeAt(clears));
  put(find("health-words"), healthWords(frame));
  mark(find("mode-tag"), "mode", frame.mode);
  put(find("mode-tag"), config.modes[frame.mode]);
  showModeSince(frame);
  showForms(frame);
  preview?.follow(frame);
  perMinute = frame.per_minute;
  course.add(frame.at / 1000, frame.waiting, frame.entering_per_minute, perMinute);
  if (frame.rates) {
    rates = frame.rates;
    course.load(history, rates, perMinute, frame.at / 1000);
  } else course.draw();
  if (frame.version !== shown) changed(frame);
  if (frame.changes) nameWho(frame);
  showNews();
  showMode(frame.mode);
}

/** What was: sent when it changes and not again, so it is taken from a frame whose settings are old, too. */
function toldPast(frame, isLate) {
  if (frame.history) {
    history = frame.history.map((one) => [one.minute, one.waiting, one.entries, one.peak]);
    course.load(history, rates, perMinute, frame.at / 1000);
    const isWhole = frame.history.length === config.historyMinutes;
    put(find("would-wait"), figure(isWhole ? frame.history.reduce((sum, one) => sum + one.would_wait, 0) : null));
  }
  for (const [name, value] of Object.entries(frame.funnel ?? {})) {
    const place = page.querySelector(`[data-funnel-of="${name}"]`);
    if (place) put(place, figure(value));
  }
  for (const [name, value] of Object.entries(frame.waits ?? {})) {
    put(page.querySelector(`[data-wait-of="${name}"]`), seconds(value));
  }
  if (frame.gates) showGates(frame.gates);
  changeList.follow(frame.changes, isLate);
}

/** What stands beside the forms: how many would lose their place, and what is told and scheduled now. */
function showForms(frame) {
  showLoss(frame.waiting);
  const [first, second] = korean ? [frame.message_ko, frame.message] : [frame.message, frame.message_ko];
  if (find("message-now")) put(find("message-now"), first || second || config.none);
  if (find("opening-now")) put(find("opening-now"), openingWords(frame));
}

function openingWords({ opens_at_ms: opensAt, at }) {
  if (opensAt === null) return config.none;
  return fill(opensAt > at ? config.opens : config.opened, { time: parts.format(opensAt) });
}

/** @param {number | null} waiting null: nobody knows */
function showLoss(waiting) {
  const { one, many, unknown } = config.loses;
  const text = waiting === null ? unknown : fill(waiting === 1 ? one : many, { n: figure(waiting) });
  if (find("loses")) put(find("loses"), text);
}

/** Who set the mode: in the last changes whenever it is another one than the page was made with. */
function showModeSince({ mode, changes }) {
  const set = changes?.find(({ after }) => after.mode === mode);
  if (!set) return;
  const told = { mode: config.modes[mode], time: timeAt(set.at_ms), who: set.who || config.system };
  put(find("mode-since"), fill(config.modeSince, told) + (set.why ? `: “${set.why}”` : ""));
}

function showGates(gates) {
  find("no-gates").hidden = gates.length > 0;
  const list = find("gates");
  while (list.children.length > gates.length) list.lastElementChild.remove();
  gates.forEach((gate, index) => {
    const item = list.children[index] ?? list.appendChild(document.createElement("li"));
    if (!item.querySelector("code")) {
      item.append(...["code", "span", "time"].map((name) => document.createElement(name)));
      item.querySelector("span").className = "figures";
      item.querySelector("time").className = "muted";
    }
    put(item.querySelector("code"), gate.gate);
    put(item.querySelector("span"), fill(config.sockets, { n: figure(gate.sockets) }));
    put(item.querySelector("time"), timeOfDay(gate.seen_ms));
  });
}

let news = null; // the change that the notice tells of

/** The zone has another version: say so, and let forms that nobody touched follow it. */
function changed(frame) {
  shown = frame.version;
  news = { at: frame.changed_ms, name: "" };
  setTimeout(() => forms.forEach((form) => isTouched(form) || renew(form, frame)), SEEN_AFTER_MS);
}

/** Who made it what it is now, once that is known: a note of before is another's. */
function nameWho({ version, changes }) {
  const who = changes.find((change) => change.version === version && change.action !== "role")?.who;
  if (who && news && version === shown) news.name = who;
}

/** Said anew once a second: on a page that is open for days, the time alone would be of the wrong day. */
function showNews() {
  if (!news) return;
  const notice = find("changed");
  notice.hidden = false;
  const text = news.name ? config.changedBy : config.changed;
  put(notice.firstElementChild, fill(text, { name: news.name, time: momentAt(news.at) }));
}

setInterval(showNews, 1_000);

function isTouched(form) {
  return form.dataset.touched !== undefined;
}

const VALUES = ["per_minute", "mode", "message", "message_ko", "opens_at", "prequeue_from"];

function renew(form, frame) {
  const moments = { opens_at: frame.opens_at_ms, prequeue_from: frame.prequeue_from_ms };
  form.elements.version.value = frame.version;
  for (const name of VALUES) {
    const value = name in moments ? wallClock(moments[name]) : frame[name];
    for (const field of [form.elements[name], form.elements[`initial-${name}`]]) {
      if (field && "value" in field && field.type !== "submit") field.value = value ?? "";
    }
  }
  if (form.dataset.deed === "rate") preview.renew();
}

const parts = new Intl.DateTimeFormat("sv-SE", {
  timeZone: config.timeZone,
  ...{ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" },
});

/** Epoch ms -> what a datetime-local field takes, in the time zone of the site. */
const wallClock = (ms) => (ms === null ? "" : parts.format(ms).replace(" ", "T"));

function showMode(mode) {
  for (const button of page.querySelectorAll(".modes [name=mode]")) {
    if (button.value === mode) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  for (const summary of page.querySelectorAll("[data-mode-of]")) {
    if (summary.dataset.modeOf === mode) summary.setAttribute("aria-current", "true");
    else summary.removeAttribute("aria-current");
  }
}

// --- forms

for (const form of forms) form.addEventListener("input", () => (form.dataset.touched = ""));

// Pressed twice in haste, a form is sent once; those that undo come and go with the list. Whose answer does not come may
// be pressed again: what was done meanwhile is found by its version.
page.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent !== undefined) event.preventDefault();
  else setTimeout(() => delete form.dataset.sent, SENT_FOR_MS);
  form.dataset.sent = "";
});
window.addEventListener("pageshow", () => {
  for (const form of page.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});


if (rate) {
  const field = rate.elements.per_minute;
  rate.querySelector("[data-steps]").hidden = false;
  for (const button of rate.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      const typed = Number(field.value.replace(/[ ,]/g, ""));
      if (!Number.isFinite(typed)) return;
      field.value = figure(Math.min(config.mostPerMinute, Math.round(typed * Number(button.dataset.step))));
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
}

const message = page.querySelector("[data-deed=message]");
if (message) {
  const show = () => {
    for (const place of message.querySelectorAll("[data-told-of]")) {
      put(place, message.elements[place.dataset.toldOf].value.trim());
    }
    find("told").hidden = [...message.querySelectorAll("[data-told-of]")].every((place) => !place.textContent);
  };
  message.addEventListener("input", show);
  show();
}

for (const button of page.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break; // pages without TLS have none
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("[data-copy-of]").textContent.trim());
    const before = button.textContent;
    button.textContent = config.copied;
    setTimeout(() => (button.textContent = before), 1_500);
  });
}

const toldRole = followRole({
  zone: config.zone,
  role: config.role,
  notice: find("role-changed"),
  isTouched: () => forms.some(isTouched),
});

follow({
  page,
  path: `/ws/manage/zones/${encodeURIComponent(config.zone)}/`,
  onFrame(frame) {
    if (frame.role !== undefined) toldRole(frame.role);
    if (frame.type === "stale") showLoss(null);
    if (frame.type !== "zone") return;
    const isLate = isOlder(frame);
    if (!isLate) told(frame);
    toldPast(frame, isLate);
  },
});
