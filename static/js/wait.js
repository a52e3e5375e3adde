/**
 * The waiting page: keeps one place in one line, and shows it.
 *
 * The ticket is in localStorage, so all tabs share the place. One request is in flight at a time. A hidden
 * page listens to a socket instead, an open one being a sign of life: browsers run its timers once a minute only.
 */

import { Line, backoffIn, clock, destination, pollIn, withPass, worthSaying } from "./wait-line.js";

const { zone, name, idle, origins, texts } = JSON.parse(document.getElementById("wait-config").textContent);
const locale = document.documentElement.lang;
const number = new Intl.NumberFormat(locale).format;
const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
const inSeconds = (ms) => number(Math.max(0, Math.ceil(ms / 1000)));
const find = (part) => document.querySelector(`[data-${part}]`);
const page = document.querySelector(".panel");
const query = new URLSearchParams(location.search);
const target = destination(query.get("next"), location.href, origins);

const IDLE_MS = idle * 1000;
const ANSWER_MS = 10_000;
const RESUMED_MS = 6_000;
const KEY = `fullhouse-ticket:${zone}`;
const HANDED = `fullhouse-handed:${zone}`;
const OPENS = ["before", "prequeue"];
const LOST = ["evicted", "cleared", "left"]; // a place may be taken again

const tabs = window.BroadcastChannel && new BroadcastChannel(KEY);
let ticket = null;
let spare = null; // brought by gate.js, for when the kept one is lost
let line = new Line();
let answer = null; // the last good one
let stopped = null; // why we no longer ask
let trouble = null; // "offline" or "error"
let failures = 0;
let heardAt = performance.now();
let resumedAt = -Infinity;
let due = 0; // when the timer runs out
let timer = 0;
let busy = false;
let socket = null;
let skew = 0; // our clock minus the server's
let said = null;
let saidState = "";

// --- the ticket

let memory = null; // where storage is switched off, the ticket lasts as long as the page

function stored(storage, key, value) {
  try {
    if (value === undefined) return JSON.parse(storage.getItem(key));
    storage.setItem(key, JSON.stringify(value));
  } catch {
    // off or full
  }
  return null;
}

function load() {
  const kept = stored(localStorage, KEY) ?? memory;
  return kept?.token ? kept : null;
}

function keep(value) {
  memory = value;
  stored(localStorage, KEY, value ?? {});
}

function use(kept) {
  if (kept?.token !== ticket?.token) line = new Line(kept?.first);
  ticket = kept;
}

// --- asking

async function post(what, body) {
  const response = await fetch(`/traffic/${what}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ zoneId: zone, ...body }),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const date = Date.parse(response.headers.get("Date"));
  if (date) skew = Date.now() - date;
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  return { status: response.status, retryAfter, body: await response.json().catch(() => ({})) };
}

const poll = () => post("entry", { token: ticket.token });

/** Get in line, unless another tab has done so meanwhile. */
function join() {
  return new Promise((done, failed) => {
    const once = async () => {
      use(load());
      const reply = await (ticket ? poll() : post("wait", {}));
      if (reply.body.token) keep({ first: 0, ...ticket, token: reply.body.token });
      done(reply);
      // Other processes of a browser see what is stored a moment later: hold the lock so long.
      await new Promise((later) => setTimeout(later, 300));
    };
    // Without TLS there are no locks.
    (navigator.locks ? navigator.locks.request(KEY, once) : once()).catch(failed);
  });
}

async function ask() {
  clearTimeout(timer);
  if (busy || stopped) return;
  busy = true;
  hush();
  try {
    const reply = await (ticket ? poll() : join());
    busy = false;
    if (stopped) return;
    if (reply.status === 200) hear(reply.body);
    else if (reply.status === 404) stop("gone");
    else if ([401, 410, 413, 422].includes(reply.status)) lose(reply.body.error);
    else if (reply.status === 429) schedule(backoffIn(1, IDLE_MS, reply.retryAfter));
    else fail(reply.retryAfter);
  } catch {
    busy = false;
    if (!stopped) fail(0);
  }
}

function schedule(ms, what = ask) {
  clearTimeout(timer);
  due = performance.now() + ms;
  timer = setTimeout(what, ms);
}

/** An answer of ours, for other tabs, too. */
function hear(body) {
  tabs?.postMessage(body);
  accept(body);
}

function accept(body) {
  const now = performance.now();
  if (trouble) resumedAt = now;
  trouble = null;
  failures = 0;
  heardAt = now;
  if (body.token && body.token !== ticket?.token) use({ token: body.token, first: 0 });
  const moved = answer?.opensAt !== body.opensAt;
  answer = body;
  if (body.canEnter) return enter(body.pass);
  // The place goes by silence: another tab may wait for something else with it.
  if (body.over?.includes(target.pathname)) return stop("over");
  const opensIn = OPENS.includes(body.state) && body.opensAt ? Math.max(0, body.opensAt + skew - Date.now()) : null;
  line.take(moved ? { ...body, slowed: true } : body, now, opensIn);
  if (ticket && line.first !== ticket.first) keep((ticket = { ...ticket, first: line.first }));
  // The socket speaks by itself; the timer watches over it.
  schedule(socket ? IDLE_MS / 3 : pollIn(body.waiting.pollingPeriod, { hidden: document.hidden, idleMs: IDLE_MS }));
  listen();
  render();
}

function fail(retryAfter) {
  failures += 1;
  // One lost request is nothing that a person must know.
  if (!navigator.onLine) trouble = "offline";
  else if (failures > 1) trouble = "error";
  schedule(backoffIn(failures, IDLE_MS, retryAfter));
  render();
}

/** The place is no more. Another tab or site may have got one; else get in line again, and say so. */
function lose(why) {
  const other = [load(), spare].find((one) => one && one.token !== ticket?.token);
  spare = null;
  keep(other);
  use(other);
  if (other) return schedule(0);
  if (why !== "evicted" && why !== "cleared") return fail(0);
  find("lost").textContent = fill(texts.lost[why], { n: number(idle) });
  find("lost").hidden = false;
  // Who was lost with a whole line comes back spread.
  stop(why);
  schedule(4000 + 4000 * Math.random(), again);
  render();
}

function again() {
  clearTimeout(timer);
  stopped = null;
  answer = null;
  use(load());
  render();
  ask();
}

function stop(why) {
  clearTimeout(timer);
  hush();
  stopped = why;
  render();
}

/** Let in. A page that sends us back with the same pass again and again does not take it. */
function enter(pass) {
  const last = stored(sessionStorage, HANDED);
  const times = last?.pass === pass && Date.now() - last.at < 60_000 ? last.times + 1 : 1;
  stored(sessionStorage, HANDED, { pass, times, at: Date.now() });
  if (query.get("next")) find("go").href = withPass(target, pass, location.href);
  if (times > 3) return stop("looped");
  stop("admitted");
  location.replace(find("go").href);
}

function leave() {
  if (ticket) post("leave", { token: ticket.token }).catch(() => {}); // silence says the same a little later
  use(null);
  memory = null;
  stored(localStorage, KEY, { left: true }); // tells the other tabs
  find("lost").hidden = true;
  stop("left");
}

// --- while hidden

function listen() {
  if (!document.hidden || socket || !ticket || stopped) return;
  socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws/zones/${zone}/?token=${ticket.token}`);
  socket.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    if (frame.type === "line") hear(frame);
  };
  socket.onclose = () => {
    socket = null;
    schedule(pollIn(answer.waiting.pollingPeriod, { hidden: false, idleMs: IDLE_MS }));
  };
}

function hush() {
  if (!socket) return;
  socket.onmessage = socket.onclose = null;
  socket.close();
  socket = null;
}

// --- showing

const set = (element, text) => element.textContent !== text && (element.textContent = text);

function shown(now) {
  if (stopped ?? trouble) return stopped ?? trouble;
  if (!answer) return "connecting";
  if (answer.state !== "waiting") return answer.state;
  if (now - resumedAt < RESUMED_MS) return "resumed";
  if (line.rank && answer.waiting.etaSeconds === null) return "paused"; // nobody is let in
  return line.rank === 1 ? "next" : "waiting";
}

function render() {
  const now = performance.now();
  const state = shown(now);
  const opens = OPENS.includes(answer?.state) && !stopped;
  const left = line.left(now);
  const rank = stopped || opens ? null : line.rank;
  const time = left === null ? "—" : left ? clock(left) : texts.soon;
  page.className = `panel ${state}`; // what the styles know
  let [status, words] = texts.states[state];
  if (state === "waiting" && answer.slowed) words = texts.slowed;
  if (trouble && ticket && answer && !stopped) {
    const kept = heardAt + IDLE_MS - now;
    words = kept > 0 ? fill(texts.kept, { n: inSeconds(kept) }) : texts.risk;
  }
  set(find("status"), status);
  set(find("words"), fill(words, { n: number(idle), time: answer?.opensAt ? moment.format(answer.opensAt) : "" }));
  const retries = ["error", "evicted", "cleared"].includes(state);
  set(find("fresh"), retries ? fill(texts.again, { n: inSeconds(due - now) }) : "");
  set(find("label"), opens ? texts.opens : texts.place);
  set(find("figure"), opens ? time : rank ? number(rank) : "—");
  const bare = !rank && state !== "connecting";
  find("hero").hidden = bare && !opens;
  find("line").hidden = bare;
  set(find("left"), time);
  set(find("behind"), rank && answer ? number(answer.waiting.behind) : "—");
  const walked = Math.floor(line.progress(now) * 100);
  find("bar").setAttribute("aria-valuenow", walked);
  find("bar").style.setProperty("--walked", `${walked}%`);
  const message = ((locale === "ko" && answer?.messageKo) || answer?.message) ?? "";
  find("message").hidden = !message || state === "left";
  set(find("message"), message);
  find("leave").hidden = !ticket || Boolean(stopped);
  find("kept").hidden = answer && !ticket;
  find("again").hidden = ![...LOST, "looped"].includes(stopped);
  find("go").hidden = !["admitted", "looped", "over"].includes(stopped);
  document.title = rank ? `${number(rank)} · ${name}` : stopped === "admitted" ? `${status} · ${name}` : name;
  speak(state, status, rank, left, now);
}

/** For a screen reader: when the state changes, and now and then how far it is. */
function speak(state, status, rank, left, now) {
  if (state === saidState && !worthSaying(said, rank, now)) return;
  saidState = state;
  said = { rank, at: now };
  const place = rank && `${texts.place}: ${number(rank)}`;
  const time = rank && left && fill(texts.minutes, { n: number(Math.ceil(left / 60)) });
  set(find("say"), [status, place, time].filter(Boolean).join(". "));
}

// --- what happens around us

const soon = () => !stopped && schedule(Math.random() * 500);
addEventListener("online", soon);
addEventListener("offline", () => {
  trouble = "offline";
  render();
});
if (tabs) tabs.onmessage = ({ data }) => !busy && !stopped && data.token === ticket?.token && accept(data);
addEventListener("storage", (event) => {
  if (event.key !== KEY || (stopped && !LOST.includes(stopped))) return;
  if (stored(localStorage, KEY)?.left) {
    use(null);
    return stop("left");
  }
  const kept = load();
  if (!kept || kept.token === ticket?.token) return;
  use(kept);
  if (stopped) again();
  else soon();
});
document.addEventListener("visibilitychange", () => {
  if (stopped) return;
  if (document.hidden) return listen();
  render();
  ask();
});
addEventListener("pageshow", (event) => event.persisted && location.reload());
find("again").addEventListener("click", () => {
  if (stopped === "looped") keep(null);
  again();
});
find("leave").addEventListener("click", () => find("sure").showModal());
find("sure").addEventListener("close", () => find("sure").returnValue === "leave" && leave());
// Whose pass was refused asks for a new place; who comes from another site brings the ticket that gate.js got there.
if (query.has("again")) keep(null);
const token = new URLSearchParams(location.hash.slice(1)).get("ticket");
if (token) spare = { token, first: 0 };
if (token && !load()) keep(spare);
query.delete("again");
history.replaceState(null, "", `?${query}`);
const other = document.querySelector("[hreflang]");
query.set("lang", other.hreflang);
other.href = `?${query}`;
if (target) {
  find("go").href = target;
  use(load());
  render();
  ask();
  setInterval(render, 1000);
} else stop("refused");
