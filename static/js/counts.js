/**
 * Counts of many streams on one page, over one socket.
 *
 * Every element with `data-count-of="ID"` shows that stream's viewers now. Only ids on or near the screen are watched,
 * so a long page costs the server no more than what is looked at.
 */

import { showNumber } from "./digits.js";
import { LiveSocket } from "./socket.js";

const MOST_IDS = 60; // the server's limit for one watch
const SETTLE_MS = 150; // scrolling passes many cards; ask once it slows down

/**
 * @param {object} options
 * @param {Document | Element} options.root where to look for counts
 * @param {(id: string, viewers: number | null) => void} [options.onCount] null: the stream is not live any more
 * @param {(fresh: boolean) => void} [options.onFresh] whether the figures can be believed
 */
export function followCounts({ root, onCount = () => {}, onFresh = () => {} }) {
  const places = Map.groupBy
    ? Map.groupBy(root.querySelectorAll("[data-count-of]"), (element) => element.dataset.countOf)
    : new Map([...root.querySelectorAll("[data-count-of]")].map((element) => [element.dataset.countOf, [element]]));
  if (!places.size) return;

  const seen = new Set();
  let timer = 0;
  const watch = () => ({ type: "watch", ids: [...seen].slice(0, MOST_IDS).map(Number) });

  const socket = new LiveSocket({
    address: () => "/ws/directory/",
    hello: watch,
    probe: watch, // answered with all counts at once
    onFrame(frame) {
      onFresh(frame.type === "counts");
      if (frame.type !== "counts") return;
      for (const [id, viewers] of Object.entries(frame.counts)) {
        for (const element of places.get(id) ?? []) showNumber(element, viewers);
        onCount(id, viewers);
      }
    },
    onState: (state) => state.name === "waiting" && onFresh(false),
  });

  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) seen.add(entry.target.dataset.countOf);
        else seen.delete(entry.target.dataset.countOf);
      }
      clearTimeout(timer);
      timer = setTimeout(() => socket.send(watch()), SETTLE_MS);
    },
    { rootMargin: "50% 0px" },
  );
  for (const elements of places.values()) for (const element of elements) observer.observe(element);
  socket.start();
}
