/**
 * The connection of a managers' page: keeps it, and says what it is really doing.
 *
 * The texts are data attributes of `[data-state-box]`; `data-link` of the page is what the styles know: connecting, live,
 * stale, waiting, stopped; and `data-old`, that its figures are not of now.
 */

import { fill, number, since } from "./format.js";
import { LiveSocket } from "./socket.js";

const OLD_AFTER_MS = 4_000; // the server speaks once a second
const FORBIDDEN = 4403;

/**
 * @param {object} options
 * @param {HTMLElement} options.page carries `data-link` and `data-old`
 * @param {string} options.path of the socket
 * @param {(frame: object) => void} options.onFrame
 * @param {boolean} [options.isOpenToAll] whether the page, unlike its socket, is there for those who may see nothing on it
 */
export function follow({ page, path, onFrame, isOpenToAll = false }) {
  const box = page.querySelector("[data-state-box]");
  const texts = box.dataset;
  const state = box.querySelector("[data-state]");
  const fresh = box.querySelector("[data-fresh]");
  let heardAt = null; // when figures came last; a frame that has none makes them no younger
  let until = 0;
  let pings = 0;

  function show(link, text) {
    if (page.dataset.link !== link) page.dataset.link = link;
    // Knocking makes no figure new: what was heard before is old by now, and what was old stays so.
    if (link !== "connecting" || heardAt !== null) page.toggleAttribute("data-old", link !== "live");
    if (state.textContent !== text) state.textContent = text;
  }

  function tick() {
    const { link } = page.dataset;
    let said = "";
    if (link === "waiting") {
      said = fill(texts.reconnecting, { n: number(Math.max(0, Math.ceil((until - Date.now()) / 1000))) });
    } else if (heardAt && link !== "stopped") {
      const age = Date.now() - heardAt;
      if (link === "live" && age > OLD_AFTER_MS) show("stale", texts.stale);
      if (page.dataset.link !== "live") said = fill(texts.asOf, { ago: since(age / 1000) });
    }
    if (fresh.textContent !== said) fresh.textContent = said;
  }

  /** Refused: is it us who may not any more, or the session, or did the server only change its mind? */
  async function renew(code) {
    try {
      const answer = await fetch(location.pathname, { method: "HEAD", redirect: "manual" });
      if (answer.type === "opaqueredirect") return "signedOut";
      if (answer.status === 404 || answer.status === 403) return "gone";
      if (code === FORBIDDEN && isOpenToAll) return "gone";
    } catch {
      // no network: the next attempt asks again
    }
    return null;
  }

  const socket = new LiveSocket({
    address: () => path,
    probe: () => ({ type: "ping", id: ++pings }),
    renew,
    onState({ name, why, until: when }) {
      if (name === "connecting") show("connecting", texts.connecting);
      else if (name === "waiting") {
        until = when;
        show("waiting", texts[why]);
      } else if (name === "stopped") show("stopped", texts[why] ?? texts.gone);
      tick();
    },
    onFrame(frame) {
      if (frame.type === "reconnect" || frame.type === "pong") return;
      if (frame.type === "stale") show("stale", texts.stale);
      else if (frame.at) {
        heardAt = Date.now();
        show("live", texts.live);
      }
      onFrame(frame);
      tick();
    },
  });
  setInterval(tick, 1000);
  socket.start();
}
