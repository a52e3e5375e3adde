/**
 * One chart of the past in a `figure.graph`: lines or bars over time in Seoul, or over the time since a start.
 *
 * Colours are those of the legend, so the chart follows the theme. The pointer and the arrow keys read points out into
 * `[data-reading]`. uPlot is a plain script that the page loads before this module.
 */

const locale = document.documentElement.lang || "en";
const ZONE = "Asia/Seoul";
const DAY_S = 86_400;
const HEADROOM = 1.12;
const inSeoul = (options) => new Intl.DateTimeFormat(locale, { timeZone: ZONE, ...options });
const asDay = inSeoul({ month: "numeric", day: "numeric" });
const asMonth = inSeoul({ year: "numeric", month: "short" });
const asTime = inSeoul({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
// Steps of the axis: no shorter than what its labels tell apart.
const MINUTES = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((minutes) => minutes * 60);
const SPANS = [...MINUTES, ...[1, 2, 5, 10].map((days) => days * DAY_S)];
// uPlot begins steps of 30 days and more with a month.
const DAYS = [1, 2, 3, 5, 7, 10, 14, 30, 60, 90, 180].map((days) => days * DAY_S);
const STEPS = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));

/** Seconds -> "1:05" */
export const hoursAndMinutes = (seconds) =>
  `${Math.floor(seconds / 3600)}:${String(Math.floor(seconds / 60) % 60).padStart(2, "0")}`;

/** A line in the colour of the legend's key; `isFilled` down to the axis. */
export const line = (key, { isFilled = false, isDashed = false } = {}) => ({ kind: "line", key, isFilled, isDashed });

/** Bars in the colour of the legend's key, in front of those before. */
export const bars = (key) => ({ kind: "bars", key });

export class Graph {
  #plot = null;

  /**
   * @param {HTMLElement} figure
   * @param {{data, range, series, tick, read, isSpan, isDays}} what `data` in uPlot's columns, `range` of x, `tick`
   *   formats y, `read(index)` says a point in words; `isSpan`: x is seconds since a start; `isDays`: x are days
   */
  constructor(figure, what) {
    this.figure = figure;
    this.what = what;
    this.box = figure.querySelector(".plot");
    this.reading = figure.querySelector("[data-reading]");
    this.#build();
    new ResizeObserver(() => this.#resize()).observe(this.box);
    document.addEventListener("themechange", () => this.#build());
    this.box.addEventListener("keydown", (event) => this.#step(event));
    this.box.addEventListener("blur", () => this.#plot.setCursor({ left: -10, top: -10 }));
  }

  #resize() {
    this.#plot.setSize({ width: this.box.clientWidth, height: this.box.clientHeight });
  }

  #build() {
    this.#plot?.destroy();
    const { data, range, series } = this.what;
    const style = getComputedStyle(this.figure);
    const rule = style.getPropertyValue("--line").trim();
    const axis = {
      stroke: style.getPropertyValue("--muted").trim(),
      font: `11px ${style.fontFamily}`,
      gap: 6,
      ticks: { show: false },
      grid: { stroke: this.#paint(rule), width: 1 },
    };
    axis.stroke = this.#paint(axis.stroke);
    const most = Math.max(1, ...data.slice(1).map((column) => column.reduce((a, b) => Math.max(a, b ?? 0), 0)));
    this.#plot = new window.uPlot(
      {
        width: this.box.clientWidth,
        height: this.box.clientHeight,
        padding: [8, 18, 0, 0],
        legend: { show: false },
        tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), ZONE),
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        scales: {
          x: { time: !this.what.isSpan, auto: false, range: () => range },
          y: { auto: false, range: () => [0, Math.max(4, Math.ceil(most * HEADROOM))] },
        },
        axes: [
          { ...axis, grid: { show: false }, size: 24, ...this.#timeAxis(range) },
          { ...axis, size: 48, space: 34, incrs: STEPS, values: (_, values) => values.map(this.what.tick) },
        ],
        series: [{}, ...series.map((one) => this.#series(one))],
        hooks: { setCursor: [(plot) => this.#read(plot.cursor.idx)] },
      },
      data,
      this.box,
    );
  }

  #timeAxis([from, to]) {
    if (this.what.isSpan) return { space: 72, incrs: SPANS, values: (_, values) => values.map(hoursAndMinutes) };
    const long = to - from > 150 * DAY_S;
    const label = (_, values, __, ___, step) =>
      values.map((value) => {
        if (step >= 27 * DAY_S) return asMonth.format(value * 1000);
        const time = asTime.format(value * 1000);
        return step >= DAY_S || time === "00:00" ? asDay.format(value * 1000) : time;
      });
    return { space: long ? 76 : 52, incrs: this.what.isDays ? DAYS : [...MINUTES, ...DAYS], values: label };
  }

  #series({ kind, key, isFilled, isDashed }) {
    const colour = this.#colour(key);
    if (kind === "bars") {
      return { fill: colour, width: 0, points: { show: false }, paths: window.uPlot.paths.bars({ size: [0.72, 28], radius: 0.15 }) };
    }
    return {
      stroke: colour,
      width: 1.75,
      dash: isDashed ? [5, 4] : undefined,
      points: { size: 4, fill: colour, stroke: colour, filter: alone },
      fill: isFilled ? (plot) => fade(plot, colour) : undefined,
    };
  }

  /** A key's colour as the canvas knows it: light-dark() and var() are resolved by the page. */
  #colour(key) {
    const found = this.figure.querySelector(`.key-${key}`);
    return getComputedStyle(found, "::before").backgroundColor;
  }

  #paint(colour) {
    const probe = document.createElement("span");
    probe.hidden = true;
    this.figure.append(probe);
    probe.style.color = colour;
    const painted = getComputedStyle(probe).color;
    probe.remove();
    return painted;
  }

  #read(index) {
    this.reading.textContent = index === null || index === undefined ? "" : this.what.read(index);
  }

  /** Arrow keys go from point to point, Home and End to the first and the last. */
  #step(event) {
    const last = this.what.data[0].length - 1;
    const now = this.#plot.cursor.idx ?? null;
    const next = { ArrowLeft: now === null ? last : now - 1, ArrowRight: now === null ? 0 : now + 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const index = Math.min(last, Math.max(0, next));
    this.#plot.setCursor({ left: this.#plot.valToPos(this.what.data[0][index], "x"), top: 4 });
  }
}

/** Points that no line leads to or from. */
function alone(plot, which) {
  const values = plot.data[which];
  return values.flatMap((value, at) => (value !== null && (values[at - 1] ?? values[at + 1] ?? null) === null ? [at] : []));
}

function fade(plot, colour) {
  const gradient = plot.ctx.createLinearGradient(0, plot.bbox.top, 0, plot.bbox.top + plot.bbox.height);
  const [r, g, b] = colour.match(/[\d.]+/g);
  gradient.addColorStop(0, `rgba(${r}, ${g}, ${b}, 0.24)`);
  gradient.addColorStop(1, `rgba(${r}, ${g}, ${b}, 0)`);
  return gradient;
}
