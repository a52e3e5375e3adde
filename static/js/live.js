/**
 * The live page: figures, their age, the chart, and what the connection is really doing.
 *
 * All texts come from the template, as data attributes of `[data-audience]`.
 */

import { Trail } from "./chart.js";
import { showNumber } from "./digits.js";
import { keepTime } from "./elapsed.js";
import { fill, number, since } from "./format.js";
import { LiveSocket } from "./socket.js";

const page = document.querySelector("[data-live-page]");
const panel = page.querySelector("[data-audience]");
const texts = panel.dataset;
const state = panel.querySelector("[data-state]");
const fresh = panel.querySelector("[data-fresh]");
const again = panel.querySelector("[data-again]");
const figures = Object.fromEntries(
  [...panel.querySelectorAll("[data-figure]")].map((element) => [element.dataset.figure, element]),
);
const config = JSON.parse(document.getElementById("live-config").textContent);
const trail = new Trail(page.querySelector("[data-trail]"));

let token = config.token;
let until = 0; // when the next attempt starts, while waiting
let measuredAt = null; // when the figures on the page were true, by this computer's clock
let skew = Infinity; // this clock minus the server's; the smallest seen carries the least network delay

/**
 * Show one state of the connection. `link` is what the styles know: connecting, live, stale, waiting, stopped, ended; and
 * `data-old`, that the figures are not of now. Knocking makes none new: what was old stays so.
 */
function show(link, text) {
  page.dataset.link = link;
  if (link !== "connecting" || measuredAt) page.toggleAttribute("data-old", link !== "live" && link !== "ended");
  if (state.textContent !== text) state.textContent = text;
}

function countdown() {
  const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  fresh.textContent = fill(texts.reconnecting, { n: number(seconds) });
}

function tick() {
  const { link } = page.dataset;
  if (link === "waiting") countdown();
  else if (measuredAt && link !== "stopped" && link !== "ended") {
    fresh.textContent = fill(texts.asOf, { ago: since((Date.now() - measuredAt) / 1000) });
  }
}

function counted({ current, peak, total, at }) {
  skew = Math.min(skew, Date.now() - at);
  measuredAt = at + skew;
  for (const [name, value] of Object.entries({ current, peak, total })) showNumber(figures[name], value);
  trail.add(measuredAt / 1000, current);
  show("live", texts.live);
  tick();
}

/** The show is over: keep the last figures, say so on the stage, and take the badge away. */
function ended() {
  show("ended", texts.ended);
  fresh.textContent = "";
  page.querySelector("[data-over]").hidden = false;
  page.querySelector("[data-badge]").hidden = true;
  panel.querySelector("[data-now]").hidden = true;
  // The clock stops at the end.
  panel.querySelector("[data-elapsed]")?.removeAttribute("data-elapsed");
}

function onState({ name, why, until: when }) {
  again.hidden = true;
  if (name === "connecting") show("connecting", texts.connecting);
  else if (name === "waiting") {
    until = when;
    show("waiting", texts[why]);
    tick();
  } else if (name === "stopped" && why === "ended") ended();
  else if (name === "stopped") {
    show("stopped", texts[why]);
    fresh.textContent = "";
    again.hidden = why === "removed";
  }
}

/** Fetch a new token; resolves to a reason to stop for good, or null to go on trying. */
async function renew() {
  try {
    const answer = await fetch(config.tokenUrl, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": config.csrf },
      body: JSON.stringify({ token }),
    });
    if (answer.ok) token = (await answer.json()).token;
    else if (answer.status === 404) return "gone";
    else if (answer.status === 410) return "ended";
    else if (answer.status === 403 && config.isProtected) {
      location.reload(); // leads to the waiting room
      return "gone";
    }
  } catch {
    // no network: the next attempt asks again
  }
  return null;
}

async function loadTrail() {
  try {
    const answer = await fetch(config.viewersUrl);
    if (answer.ok) {
      const figuresNow = await answer.json();
      trail.load(figuresNow.trail);
      showNumber(figures.today, figuresNow.unique_today);
    }
  } catch {
    // the chart then starts from what the socket says
  }
}

let pings = 0;
const socket = new LiveSocket({
  address: () => `${config.socketPath}?token=${encodeURIComponent(token)}`,
  probe: () => ({ type: "ping", id: ++pings }),
  renew,
  onState,
  onFrame(frame) {
    if (frame.type === "count") counted(frame);
    else if (frame.type === "reconnect") token = frame.token;
    else if (frame.type === "stale") {
      if (Number.isFinite(skew)) measuredAt = frame.since + skew;
      show("stale", texts.stale);
    }
  },
});

again.addEventListener("click", () => location.reload());
loadTrail();
// Unique today and gaps of a lost connection come from the record, which is kept every 5 s.
setInterval(() => document.visibilityState === "visible" && page.dataset.link === "live" && loadTrail(), 60_000);
setInterval(tick, 1000);
// The proof that we came through the waiting room lasts an hour, and another one with each token.
if (config.isProtected) setInterval(() => page.dataset.link === "live" && renew(), 20 * 60_000);
keepTime(page);
if (token) socket.start();
