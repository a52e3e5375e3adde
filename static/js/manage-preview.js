/** What would become of the line at the N that is typed: asked while somebody types, and again as the line moves. */

import { put } from "./manage-words.js";

const ASK_AFTER_MS = 250;
// A server looks at a line once in two seconds (LOOK_KEPT_S), however many pages ask.
const AGAIN_AFTER_MS = 5_000;

export class Preview {
  #asked = 0;
  #askedAt = performance.now();
  #timer = 0;
  #seen = ""; // the line and the rules that the words are about; the first frame may be of others than the page

  /**
   * @param {HTMLElement} place where it is told
   * @param {HTMLInputElement} field of N
   * @param {string} url that tells it, given `?per_minute=`
   */
  constructor(place, field, url) {
    Object.assign(this, { place, field, url });
    field.addEventListener("input", () => this.#askSoon(ASK_AFTER_MS, { isTyped: true }));
  }

  /** To be called with every frame. */
  follow(row) {
    const seen = about(row);
    if (seen === this.#seen || document.hidden) return;
    this.#seen = seen;
    if (!this.#timer) this.#askSoon(Math.max(0, this.#askedAt + AGAIN_AFTER_MS - performance.now()), { isTyped: false });
  }

  /** The field was given another N by the page itself. */
  renew() {
    this.#askSoon(0, { isTyped: false });
  }

  #askSoon(delay, how) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(how), delay);
  }

  /** Answers that were overtaken are dropped. Only what was typed for is read out and drawn as on its way. */
  async #ask({ isTyped }) {
    const { place, field, url } = this;
    const number = (this.#asked += 1);
    this.#timer = 0;
    this.#askedAt = performance.now();
    place.ariaLive = isTyped ? "polite" : "off";
    place.classList.toggle("asking", isTyped);
    try {
      const answer = await fetch(`${url}?${new URLSearchParams({ per_minute: field.value })}`);
      if (!answer.ok && answer.status !== 400) return;
      const { text } = await answer.json();
      if (number !== this.#asked) return;
      put(place, text);
      place.classList.toggle("wrong", !answer.ok);
    } catch {
      // no network, which the page says elsewhere
    } finally {
      if (number === this.#asked) place.classList.remove("asking");
    }
  }
}

/** What the words are made of; before an opening, the time as well. */
function about({ waiting, per_minute, mode, entering_per_minute, state, opens_at_ms: opensAt, at }) {
  const passing = waiting && opensAt !== null && opensAt > at ? Math.floor(at / AGAIN_AFTER_MS) : "";
  return [waiting, per_minute, mode, entering_per_minute, state, passing].join();
}
