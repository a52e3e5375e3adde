/** What the managers' pages say of a zone, in the words of the template; the server says the same of the first rows. */

import { duration, fill, number } from "./format.js";

export const config = JSON.parse(document.getElementById("manage-config").textContent);

const UNKNOWN = "—";
const NEAR_MS = 20 * 3_600_000;

/** A clock that is made when it is first looked at: making one takes milliseconds, and the wall needs none. */
function clockOf(locale, options) {
  let made;
  return (ms) => (made ??= new Intl.DateTimeFormat(locale, { ...options, timeZone: config.timeZone })).format(ms);
}

const clock = clockOf("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = clockOf("en-CA", { dateStyle: "short" });

export const figure = (value) => (value === null ? UNKNOWN : number(value));
export const seconds = (value) => (value === null ? UNKNOWN : duration(value));

/** How a zone is, in a few words. */
export function healthWords(row) {
  if (row.health !== "ok") return config.health[row.health];
  if (row.mode === "bypass" || row.mode === "observe") return config.free;
  const words = config.states[row.state];
  if (words === undefined) return row.waiting ? config.moves : config.empty;
  return words.includes("{time}") ? fill(words, { time: timeAt(row.opens_at_ms) }) : words;
}

/** How much of N entered in the last minute, as an SVG length. */
export function share(row) {
  if (!row.per_minute) return row.entering_per_minute ? "100%" : "0%";
  return `${Math.min(100, Math.round((100 * row.entering_per_minute) / row.per_minute))}%`;
}

export const of = (perMinute) => fill(config.of, { n: number(perMinute) });

export const timeOfDay = clockOf("en-GB", { timeStyle: "medium" });

const dayed = (told) => (ms) => (Math.abs(ms - Date.now()) < NEAR_MS ? told(ms) : `${day(ms)} ${told(ms)}`);

/** Epoch ms -> "14:32", with the day if it is not near, in the time zone of the site. */
export const timeAt = dayed(clock);

/** The same to the second: "14:32:07". */
export const momentAt = dayed(timeOfDay);

/** Change what differs, and only that. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}
