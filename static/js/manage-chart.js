/**
 * The last 30 minutes of one line: people waiting as an area on the left scale; entries a minute, and N as steps, on the
 * right one. Whole minutes come from the record, seconds from the socket; where neither tells, the lines break.
 *
 * Colours come from the page's styles, so the chart follows the theme. uPlot is a plain script that the page loads before.
 */

import { compact, number } from "./format.js";
import { timeAt, timeOfDay } from "./manage-words.js";

const WINDOW_S = 30 * 60;
const HEADROOM = 1.12;
const MINUTES = [1, 2, 5, 10].map((minutes) => minutes * 60);
const WHOLE_STEPS = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));
// Below a second between two points nothing is to be seen.
const LEAST_S = 0.8;
// What the socket told so near to the end of a minute is finer than the record of it.
const NEAR_S = 10;
// Minutes of the record, and what the socket told before and after, are no further apart than a minute and NEAR_S.
const GAP_S = 90;

const each = (format) => (_, values) => values.map((value) => format(value));
const css = (element, property) => getComputedStyle(element).getPropertyValue(property);

export class Course {
  #points = []; // [epoch s, waiting, entering, N]
  #drawn = []; // the same, with nulls where a line breaks
  #plot = null;

  /** @param {HTMLElement} figure holds `.plot`, `.axis`, `.rule` (styles to copy), a legend and `[data-reading]` */
  constructor(figure) {
    this.figure = figure;
    this.box = figure.querySelector(".plot");
    this.reading = figure.querySelector("[data-reading]");
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.box);
    document.addEventListener("themechange", () => this.#rebuild());
  }

  /**
   * Whole minutes of the record, those of a lost connection among them; what the socket told stays.
   *
   * @param {(number | null)[][]} history [epoch s at which a minute began, waiting at its end, entries, the most waiting]
   * @param {number[][]} rates [epoch ms, N until then], newest first
   * @param {number} rate N now
   * @param {number} at epoch s on the clock that all of these times are of: the server's, not this browser's
   */
  load(history, rates, rate, at) {
    const told = this.#points.filter((point) => !point.ofRecord);
    const isTold = (time) => told.some((point) => Math.abs(point[0] - time) < NEAR_S);
    const rateAt = (time) => rates.findLast(([changedAt]) => changedAt / 1000 > time)?.[1] ?? rate;
    const past = history
      .flatMap(([minute, waiting, entries, peak], index) => {
        const end = [minute + 60, waiting, entries, rateAt(minute + 60)];
        // A line that came and went within the minute.
        const rose = minute + 60 < at && peak > Math.max(waiting, history[index - 1]?.[1] ?? 0);
        return rose ? [[minute + 30, peak, entries, rateAt(minute + 30)], end] : [end];
      })
      .filter(([time]) => time < at && !isTold(time));
    for (const point of past) point.ofRecord = true;
    this.#points = [...past, ...told].sort(([one], [other]) => one - other);
    this.draw();
  }

  /** One more reading, `time` in epoch seconds. */
  add(time, waiting, entering, rate) {
    const last = this.#points.at(-1)?.[0] ?? 0;
    // That clock was set back: what it called later than now is not to be compared with what comes.
    if (time < last) this.#points = this.#points.filter((point) => point[0] < time);
    else if (time - last < LEAST_S) return;
    this.#points.push([time, waiting, entering, rate]);
    const from = time - WINDOW_S;
    while (this.#points.length > 2 && this.#points[1][0] < from) this.#points.shift();
  }

  draw() {
    if (this.#points.length < 2 || document.visibilityState !== "visible") return;
    this.figure.hidden = false;
    this.#plot ??= this.#build();
    this.#drawn = withBreaks(this.#points);
    const columns = [0, 1, 2, 3].map((column) => this.#drawn.map((point) => point[column]));
    const to = columns[0].at(-1);
    const top = (values) => Math.max(4, Math.ceil(Math.max(...values) * HEADROOM));
    this.#plot.batch(() => {
      this.#plot.setData(columns, false);
      this.#plot.setScale("x", { min: Math.max(to - WINDOW_S, Math.min(columns[0][0], to - 60)), max: to });
      this.#plot.setScale("y", { min: 0, max: top(columns[1]) });
      this.#plot.setScale("m", { min: 0, max: top([...columns[2], ...columns[3]]) });
    });
  }

  #size() {
    return { width: this.box.clientWidth, height: this.box.clientHeight };
  }

  #rebuild() {
    this.#plot?.destroy();
    this.#plot = null;
    this.draw();
  }

  #build() {
    const [waiting, entering, rate] = ["--waiting", "--entering", "--rate"].map((name) => this.#colour(name));
    const font = `11px ${css(this.box, "font-family")}`;
    const stroke = css(this.figure.querySelector(".axis"), "color");
    const grid = { stroke: css(this.figure.querySelector(".rule"), "color"), width: 1 };
    const axis = { font, gap: 6, ticks: { show: false }, stroke };
    const counts = { ...axis, size: 48, space: 34, incrs: WHOLE_STEPS, values: each(compact) };
    return new window.uPlot(
      {
        ...this.#size(),
        padding: [8, 0, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
        scales: { x: { auto: false }, y: { auto: false }, m: { auto: false } },
        axes: [
          { ...axis, grid: { show: false }, size: 24, space: 64, incrs: MINUTES, values: each((at) => timeAt(at * 1000)) },
          { ...counts, scale: "y", grid },
          { ...counts, scale: "m", side: 1, grid: { show: false } },
        ],
        series: [
          {},
          { scale: "y", stroke: waiting, width: 2, points: { show: false }, fill: (plot) => fade(plot, waiting) },
          { scale: "m", stroke: entering, width: 2, points: { show: false } },
          {
            scale: "m",
            stroke: rate,
            width: 1.5,
            dash: [6, 4],
            points: { show: false },
            paths: window.uPlot.paths.stepped({ align: 1 }),
          },
        ],
        hooks: { setCursor: [(plot) => this.#read(plot.cursor.idx)] },
      },
      [[], [], [], []],
      this.box,
    );
  }

  /** A colour of the styles as the canvas takes it, which knows no light-dark(). */
  #colour(name) {
    this.reading.style.color = `var(${name})`;
    const found = css(this.reading, "color");
    this.reading.style.color = "";
    return found;
  }

  /** Say the point under the pointer in words. */
  #read(index) {
    const point = this.#drawn[index ?? -1];
    this.reading.textContent = point && point[1] !== null
      ? `${timeOfDay(point[0] * 1000)} · ${number(point[1])} · ${number(point[2])} / ${number(point[3])}`
      : "";
  }
}

/** A straight line over minutes that nobody tells of would tell of them. */
function withBreaks(points) {
  return points.flatMap((point, index) => {
    const before = points[index - 1]?.[0] ?? point[0];
    return point[0] - before > GAP_S ? [[(before + point[0]) / 2, null, null, null], point] : [point];
  });
}

function fade(plot, line) {
  const gradient = plot.ctx.createLinearGradient(0, plot.bbox.top, 0, plot.bbox.top + plot.bbox.height);
  const [r, g, b] = line.match(/[\d.]+/g);
  gradient.addColorStop(0, `rgba(${r}, ${g}, ${b}, 0.26)`);
  gradient.addColorStop(1, `rgba(${r}, ${g}, ${b}, 0.02)`);
  return gradient;
}
