/** The pages of statistics: their charts and their downloads. Without this module all figures are there as tables. */

import { compact, fill, number } from "./format.js";
import { Graph, bars, hoursAndMinutes, line } from "./statistics-graph.js";
import { watchDownloads } from "./statistics-export.js";

const locale = document.documentElement.lang || "en";
const inSeoul = (options) => new Intl.DateTimeFormat(locale, { timeZone: "Asia/Seoul", ...options });
const day = inSeoul({ month: "short", day: "numeric", weekday: "short" });
const moment = inSeoul({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const hundredths = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
const DAY_S = 86_400;
const SNAPSHOT_S = 300;

/** As the tables have it: 0.1, 15.0, 1,234 */
const mean = (value) => (value < 100 ? tenths.format(value) : number(Math.round(value)));
/** Hours, of which a minute is to be seen, too. */
const hours = (value) => (value < 1 ? hundredths : tenths).format(value);

const words = (element) => [...element.querySelectorAll(".keys li:not([hidden])")].map((key) => key.textContent);
const say = (texts, values) => texts.map((text, index) => `${text} ${values[index]}`).join(" · ");

/** What the API says; an error with the status for what it refuses. */
async function ask(url) {
  const response = await fetch(url, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.json();
}

/** Columns with a hole wherever a bucket is missing, so that no line is drawn over time that was not live. */
function withHoles(at, columns, unit) {
  const times = [];
  const found = columns.map(() => []);
  at.forEach((time, index) => {
    if (index && time - at[index - 1] > unit * 1.5) {
      times.push(at[index - 1] + unit);
      for (const column of found) column.push(null);
    }
    times.push(time);
    columns.forEach((column, which) => found[which].push(column[index]));
  });
  return [times, ...found];
}

/** Ask, draw, and say what is wrong with a way to try again. */
async function load(element, url, draw) {
  const note = element.querySelector("[data-note]");
  const retry = element.querySelector("[data-retry]");
  const tell = (state, text) => {
    element.dataset.state = state;
    note.textContent = text;
    note.hidden = !text || state === "loading";
    retry.hidden = state !== "failed";
  };
  const attempt = async () => {
    tell("loading", element.dataset.loading);
    try {
      const answer = await ask(url);
      const isEmpty = !(answer.at ?? answer.course.after_s).length;
      tell(isEmpty ? "empty" : "drawn", isEmpty ? element.dataset.empty : "");
      if (!isEmpty) draw(answer);
    } catch (error) {
      console.info(error);
      tell("failed", element.dataset.failed);
    }
  };
  retry.addEventListener("click", attempt);
  await attempt();
}

function drawSeries(element, { unit_s, since, until, at, average, peak }) {
  // A bucket of one snapshot is its own mean: these are the viewers at that moment.
  const isFinest = unit_s === SNAPSHOT_S;
  element.querySelector(".key-2").hidden = isFinest;
  const highest = element.querySelector(".key-1");
  if (isFinest) highest.textContent = highest.dataset.one;
  const data = withHoles(at, isFinest ? [peak] : [average, peak], unit_s);
  const name = unit_s >= DAY_S ? day : moment;
  const texts = words(element).reverse();
  // A range that goes on, as that of today does, ends now.
  const end = Math.min(Date.parse(until) / 1000, Math.max(Date.now() / 1000, at.at(-1) + unit_s));
  new Graph(element, {
    data,
    range: "fit" in element.dataset ? [at[0], at.at(-1) + unit_s] : [Date.parse(since) / 1000, end],
    series: isFinest ? [line(1, { isFilled: true })] : [line(2), line(1, { isFilled: true })],
    tick: compact,
    read: (index) => {
      const here = data.slice(1).map((column) => column[index]);
      const shown = here.map((value, which) => (isFinest || which ? number : mean)(value));
      return `${name.format(data[0][index] * 1000)} · ${here[0] === null ? "–" : say(texts, shown)}`;
    },
  });
}

function drawComparison(element, { unit_s, course, course_before }) {
  const until = Math.max(course.after_s.at(-1) ?? 0, course_before.after_s.at(-1) ?? 0);
  const at = Array.from({ length: Math.floor(until / unit_s) + 1 }, (_, index) => index * unit_s);
  const columns = [course, course_before].map(({ after_s, peak }) => {
    const known = new Map(after_s.map((time, index) => [time, peak[index]]));
    return at.map((time) => known.get(time) ?? null);
  });
  const texts = words(element);
  new Graph(element, {
    data: [at, ...columns],
    range: [0, Math.max(until, unit_s)],
    isSpan: true,
    series: [line(1, { isFilled: true }), line(6, { isDashed: true })],
    tick: compact,
    read: (index) =>
      `${fill(element.dataset.after, { time: hoursAndMinutes(at[index]) })} · ${say(
        texts,
        columns.map((column) => (column[index] === null ? "–" : number(column[index]))),
      )}`,
  });
}

function drawDays(element, columns) {
  const names = element.dataset.bars.split(" ");
  const isTime = names[0] === "watch_minutes";
  const isNew = names[0] === "unique";
  const keys = { peak: 1, average: 2, unique: 3, new: 4, watch_minutes: 5 };
  const values = names.map((name) => columns[name].map((value) => (isTime && value !== null ? value / 60 : value)));
  const texts = words(element);
  const shown = (index) => {
    const here = values.map((column) => column[index]);
    // The bar of all viewers shows from behind that of new ones, and so what returned.
    if (isNew && here[0] !== null) here[0] -= here[1];
    const written = isTime ? hours : number;
    return here.map((value, which) => (value === null ? "–" : (names[which] === "average" ? mean : written)(value)));
  };
  new Graph(element, {
    data: [columns.at, ...values],
    range: [columns.at[0] - DAY_S / 2, columns.at.at(-1) + DAY_S / 2],
    isDays: true,
    series: names.map((name) => bars(keys[name])),
    tick: compact,
    read: (index) =>
      `${day.format(columns.at[index] * 1000)} · ${values.every((column) => column[index] === null) ? "–" : say(texts, shown(index))}`,
  });
}

for (const element of document.querySelectorAll("[data-series]")) {
  load(element, element.dataset.series, (answer) => drawSeries(element, answer));
}
for (const element of document.querySelectorAll("[data-comparison]")) {
  load(element, element.dataset.comparison, (answer) => drawComparison(element, answer));
}
const dayChart = document.getElementById("day-chart");
for (const element of document.querySelectorAll("[data-bars]")) {
  drawDays(element, JSON.parse(dayChart.textContent));
}
for (const element of document.querySelectorAll("[data-exports]")) watchDownloads(element);
