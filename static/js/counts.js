/**
 * Counts of many streams on one page, over one socket.
 *
 * Every element with `data-count-of="ID"` shows that stream's viewers now, `data-house` those of all streams. All ids
 * of the page are watched, not just those on the screen: most visitors then watch the same set, and the server encodes
 * one message for all of them.
 */

import { showNumber } from "./digits.js";
import { LiveSocket } from "./socket.js";

const MOST_IDS = 60; // the server's limit for one watch

/**
 * @param {object} options
 * @param {(id: string, viewers: number | null) => void} options.onCount null: the stream is not live any more
 * @param {(fresh: boolean) => void} options.onFresh whether the figures can be believed
 */
export function followCounts({ onCount, onFresh }) {
  const places = new Map();
  for (const element of document.querySelectorAll("[data-count-of]")) places.set(element.dataset.countOf, element);
  if (!places.size) return;

  const house = document.querySelector("[data-house]");
  let pings = 0;
  const socket = new LiveSocket({
    address: () => "/ws/directory/",
    hello: () => ({ type: "watch", ids: [...places.keys()].slice(0, MOST_IDS).map(Number) }),
    probe: () => ({ type: "ping", id: ++pings }),
    onFrame(frame) {
      if (frame.type === "stale") return onFresh(false);
      if (frame.type !== "counts") return;
      onFresh(true);
      if (house) showNumber(house, frame.house);
      for (const [id, viewers] of Object.entries(frame.counts)) {
        showNumber(places.get(id), viewers);
        onCount(id, viewers);
      }
    },
    onState: (state) => state.name === "waiting" && onFresh(false),
  });
  socket.start();
}
