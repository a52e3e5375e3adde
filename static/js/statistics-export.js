/**
 * Downloads with a progress bar. A link is fetched in parts and saved when it is whole; rows are lines, so that counting
 * line ends tells how far it has come. Without this module the links are plain downloads.
 */

import { fill, number } from "./format.js";

const NEWLINE = 10;
// A short file is there before anybody could read a bar.
const SHOW_AFTER_MS = 300;
const DRAW_EVERY_MS = 80;

class Refused extends Error {
  constructor(response) {
    super(`status ${response.status}`);
    this.status = response.status;
    this.wait = Number(response.headers.get("Retry-After")) || 5;
  }
}

/** The name that the server gives the file. */
function nameOf(response) {
  const said = response.headers.get("Content-Disposition") ?? "";
  const encoded = said.match(/filename\*=utf-8''([^;]+)/i);
  return encoded ? decodeURIComponent(encoded[1]) : (said.match(/filename="([^"]+)"/)?.[1] ?? "fullhouse");
}

function lineEnds(bytes) {
  let found = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) found++;
  return found;
}

function save(parts, name, type) {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export function watchDownloads(section) {
  const [running, outcome] = ["[data-running]", "[data-outcome]"].map((one) => section.querySelector(one));
  const bar = running.querySelector("progress");
  const count = running.querySelector("[data-count]");
  const links = [...section.querySelectorAll("a[download]")];
  const texts = section.dataset;
  let stop = null;

  const tell = (kind, text) => {
    outcome.className = `notice ${kind}`;
    outcome.textContent = text;
    outcome.hidden = !text;
  };
  const show = (done, total) => {
    bar.max = Math.max(total, 1);
    bar.value = Math.min(done, total);
    count.textContent = fill(texts.progress, { done: number(Math.min(done, total)), total: number(total) });
  };

  async function download(link) {
    stop = new AbortController();
    for (const one of links) one.setAttribute("aria-disabled", "true");
    tell("", "");
    const shown = setTimeout(() => (running.hidden = false), SHOW_AFTER_MS);
    bar.removeAttribute("value");
    count.textContent = "";
    let done = 0;
    try {
      const response = await fetch(link.href, { signal: stop.signal });
      if (!response.ok) throw new Refused(response);
      const total = Number(response.headers.get("X-Total-Rows"));
      const parts = [];
      let drawn = 0;
      // The first line is no row: the names of the columns, or the beginning of the object.
      for (let lines = -1, reader = response.body.getReader(); ; ) {
        const part = await reader.read();
        if (part.done) break;
        parts.push(part.value);
        lines += lineEnds(part.value);
        done = Math.max(lines, 0);
        if (performance.now() - drawn < DRAW_EVERY_MS) continue;
        drawn = performance.now();
        show(done, total);
      }
      save(parts, nameOf(response), response.headers.get("Content-Type"));
      tell("success", fill(texts.saved, { name: nameOf(response), total: number(total) }));
    } catch (error) {
      if (stop.signal.aborted) tell("", texts.stopped);
      else if (error instanceof Refused && error.status === 429) tell("warning", fill(texts.busy, { n: error.wait }));
      else if (error instanceof Refused && error.status < 500) tell("error", texts.gone);
      else tell("error", fill(texts.failed, { done: number(done) }));
    } finally {
      clearTimeout(shown);
      // The button that stops it goes away, and must not take the keyboard's place along.
      if (running.contains(document.activeElement)) link.focus();
      running.hidden = true;
      for (const one of links) one.removeAttribute("aria-disabled");
      stop = null;
    }
  }

  section.addEventListener("click", (event) => {
    const link = event.target.closest("a[download]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (!stop) download(link);
  });
  running.querySelector("[data-cancel]").addEventListener("click", () => stop?.abort());
}
