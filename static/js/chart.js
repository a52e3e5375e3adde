/**
 * The chart of the last minutes: a step line, because a count holds until it changes.
 *
 * Colours come from the page's own styles, so the chart follows the theme. uPlot is a plain script that the page loads
 * before this module.
 */

import { compact, number, timeOfDay, timeOfDayShort } from "./format.js";

const WINDOW_S = 15 * 60;
const HEADROOM = 1.15;
const MINUTES = [1, 2, 5, 10].map((minutes) => minutes * 60);
// People come whole: 1, 2, 5, 10, 20 ... up to 5 million between two lines.
const WHOLE_STEPS = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));

const each = (format) => (_, values) => values.map((value) => format(value));
const colour = (element, property = "color") => getComputedStyle(element).getPropertyValue(property);

export class Trail {
  #times = [];
  #values = [];
  #plot = null;

  /** @param {HTMLElement} figure holds `.plot`, `.axis`, `.rule` (styles to copy) and `[data-reading]` */
  constructor(figure) {
    this.figure = figure;
    this.box = figure.querySelector(".plot");
    this.reading = figure.querySelector("[data-reading]");
    this.rest = this.reading.textContent;
    new ResizeObserver(() => this.#resize()).observe(this.box);
    document.addEventListener("themechange", () => this.#rebuild());
    setInterval(() => document.visibilityState === "visible" && this.#draw(), 1000);
  }

  /** Replace what is shown by the server's own record; points newer than it stay. */
  load(points) {
    const last = points.at(-1)?.[0] ?? 0;
    const newer = this.#times.map((time, index) => [time, this.#values[index]]).filter(([time]) => time > last);
    const all = [...points, ...newer];
    this.#times = all.map(([time]) => time);
    this.#values = all.map(([, value]) => value);
    this.#draw();
  }

  /** One more reading, `time` in epoch seconds. Late or repeated moments change the last point only. */
  add(time, value) {
    if (time <= (this.#times.at(-1) ?? 0)) {
      this.#values[this.#values.length - 1] = value;
    } else {
      this.#times.push(time);
      this.#values.push(value);
    }
  }

  #window() {
    const now = Math.max(Date.now() / 1000, this.#times.at(-1) ?? 0);
    // Keep one point before the window: the line enters from the left edge.
    while (this.#times.length > 2 && this.#times[1] < now - WINDOW_S) {
      this.#times.shift();
      this.#values.shift();
    }
    return [now - WINDOW_S, now];
  }

  #draw() {
    if (this.#times.length < 1) return;
    const [from, to] = this.#window();
    this.#plot ??= this.#build();
    // The last count holds until now.
    const data = [[...this.#times, to], [...this.#values, this.#values.at(-1)]];
    this.#plot.batch(() => {
      this.#plot.setData(data, false);
      this.#plot.setScale("x", { min: Math.max(from, Math.min(this.#times[0], to - 60)), max: to });
      this.#plot.setScale("y", { min: 0, max: Math.max(4, Math.ceil(Math.max(...this.#values) * HEADROOM)) });
    });
  }

  #resize() {
    this.#plot?.setSize({ width: this.box.clientWidth, height: this.box.clientHeight });
  }

  #rebuild() {
    this.#plot?.destroy();
    this.#plot = null;
    this.#draw();
  }

  #build() {
    const line = colour(this.box);
    const labels = colour(this.figure.querySelector(".axis"));
    const rules = colour(this.figure.querySelector(".rule"));
    const font = `11px ${colour(this.box, "font-family")}`;
    const axis = { stroke: labels, font, gap: 6, ticks: { show: false }, grid: { stroke: rules, width: 1 } };
    return new window.uPlot(
      {
        width: this.box.clientWidth,
        height: this.box.clientHeight,
        padding: [8, 16, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7, fill: line } },
        scales: { x: { auto: false }, y: { auto: false } },
        axes: [
          { ...axis, grid: { show: false }, size: 24, space: 64, incrs: MINUTES, values: each(timeOfDayShort) },
          { ...axis, size: 46, space: 34, incrs: WHOLE_STEPS, values: each(compact) },
        ],
        series: [
          {},
          {
            stroke: line,
            width: 2,
            points: { show: false },
            paths: window.uPlot.paths.stepped({ align: 1 }),
            fill: (plot) => fade(plot, line),
          },
        ],
        hooks: { setCursor: [(plot) => this.#read(plot.cursor.idx)] },
      },
      [[], []],
      this.box,
    );
  }

  /** Say the point under the pointer in words; back to the usual caption when it leaves. */
  #read(index) {
    const at = index === null || index === undefined ? null : Math.min(index, this.#times.length - 1);
    this.reading.textContent = at === null ? this.rest : `${timeOfDay(this.#times[at])} · ${number(this.#values[at])}`;
  }
}

function fade(plot, line) {
  const gradient = plot.ctx.createLinearGradient(0, plot.bbox.top, 0, plot.bbox.top + plot.bbox.height);
  const [r, g, b] = line.match(/[\d.]+/g);
  gradient.addColorStop(0, `rgba(${r}, ${g}, ${b}, 0.28)`);
  gradient.addColorStop(1, `rgba(${r}, ${g}, ${b}, 0)`);
  return gradient;
}
