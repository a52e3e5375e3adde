/**
 * A WebSocket that comes back by itself and never lies about its state.
 *
 * - One connection in flight; exponential backoff with full jitter, capped at 30 s, forgotten after 10 s of
 *   stable connection.
 * - The server's close codes decide: come back, fetch a new token first, or stop for good.
 * - Silence is checked: after 25 s we ask for a sign of life, after 45 s the connection counts as dead, because a
 *   network that vanished does not close a socket.
 *
 * States given to `onState`: {name: "connecting"} · {name: "open"} · {name: "waiting", until, why} with why one of
 * "lost", "draining", "full" · {name: "stopped", why} with why one of "ended", "elsewhere", "gone", "removed".
 */

const BASE_MS = 500;
const CAP_MS = 30_000;
const FULL_BASE_MS = 5_000; // a full house needs time, not knocking
const STABLE_MS = 10_000;
const PROBE_AFTER_MS = 25_000; // the server repeats itself every 20 s
const DEAD_AFTER_MS = 45_000;
const ANSWER_MS = 5_000; // after waking up, a living connection answers this fast
const WATCH_EVERY_MS = 5_000;

const CLOSE = {
  tokenInvalid: 4401,
  tokenOfAnother: 4403,
  unknown: 4404,
  elsewhere: 4409,
  ended: 4410,
  removed: 4423,
  draining: 1012,
  full: 1013,
};
const FINAL = {
  [CLOSE.unknown]: "gone",
  [CLOSE.elsewhere]: "elsewhere",
  [CLOSE.ended]: "ended",
  [CLOSE.removed]: "removed",
};

/** Full jitter: anywhere between nothing and the bound, so that a crowd that lost a server does not return as one. */
export function jittered(boundMs) {
  return Math.random() * boundMs;
}

export class LiveSocket {
  #socket = null;
  #timer = 0;
  #guard = 0;
  #attempts = 0;
  #openedAt = 0;
  #heardAt = 0;
  #deadline = Infinity; // when an unanswered probe means a dead connection
  #returnWithin = null; // the server's own hint, while it drains
  #waitingFor = null; // why the timer runs; null while there is nothing to hurry
  #stopped = false;

  /**
   * @param {object} options
   * @param {() => string} options.address path and query to connect to, asked anew each time
   * @param {(frame: object) => void} options.onFrame every frame from the server, parsed
   * @param {(state: object) => void} options.onState see the module's description
   * @param {() => object | null} options.probe a frame that makes the server answer
   * @param {() => object | null} [options.hello] a frame to send first on each connection
   * @param {(code: number) => Promise<string | null>} [options.renew] fetches a new token after a refusal with this
   *   close code; resolves to a reason to stop, or null
   */
  constructor({ address, onFrame, onState, probe, hello = () => null, renew = null }) {
    Object.assign(this, { address, onFrame, onState, probe, hello, renew });
    window.addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#wake());
    // Leaving the page frees the seat at once, and lets the browser keep the page for the back button.
    window.addEventListener("pagehide", () => this.#drop());
    window.addEventListener("pageshow", (event) => event.persisted && this.#connect());
  }

  start() {
    this.#connect();
  }

  /** Send a frame if the connection is open; otherwise `hello` will say it when it opens. */
  send(frame) {
    if (frame && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#waitingFor = null;
    if (this.#stopped || this.#socket) return;
    this.onState({ name: "connecting" });
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.address()}`);
    this.#socket = socket;
    this.#heardAt = Date.now();
    this.#deadline = Infinity;
    socket.onopen = () => {
      this.#openedAt = this.#heardAt = Date.now();
      this.onState({ name: "open" });
      this.send(this.hello());
    };
    socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
    socket.onclose = (event) => this.#closed(event.code);
    clearInterval(this.#guard);
    this.#guard = setInterval(() => this.#watch(), WATCH_EVERY_MS);
  }

  #hear(frame) {
    this.#heardAt = Date.now();
    this.#deadline = Infinity;
    if (frame.type === "reconnect") this.#returnWithin = frame.within_ms;
    if (frame.type !== "pong") this.onFrame(frame);
  }

  /** Forget the socket without waiting for its closing handshake, which a dead network never finishes. */
  #drop() {
    clearTimeout(this.#timer);
    clearInterval(this.#guard);
    const socket = this.#socket;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#socket = null;
  }

  async #closed(code) {
    const stable = this.#openedAt && Date.now() - this.#openedAt > STABLE_MS;
    this.#drop();
    this.#openedAt = 0;
    if (stable) this.#attempts = 0;
    if (code in FINAL) return this.#stop(FINAL[code]);
    if (this.renew && (code === CLOSE.tokenInvalid || code === CLOSE.tokenOfAnother)) {
      this.onState({ name: "connecting" });
      const reason = await this.renew(code);
      if (reason) return this.#stop(reason);
      // A first fresh token deserves a prompt try; a server that keeps refusing gets the usual distance.
      if (this.#attempts++ === 0) return this.#connect();
    }
    const within = this.#returnWithin;
    this.#returnWithin = null;
    if (within !== null || code === CLOSE.draining) return this.#wait(jittered(within ?? BASE_MS * 4), "draining");
    const base = code === CLOSE.full ? FULL_BASE_MS : BASE_MS;
    this.#wait(jittered(Math.min(CAP_MS, base * 2 ** this.#attempts++)), code === CLOSE.full ? "full" : "lost");
  }

  #wait(ms, why) {
    clearTimeout(this.#timer);
    this.#waitingFor = why;
    this.onState({ name: "waiting", until: Date.now() + ms, why });
    this.#timer = setTimeout(() => this.#connect(), ms);
  }

  #stop(why) {
    this.#stopped = true;
    this.#drop();
    this.onState({ name: "stopped", why });
  }

  #watch() {
    const now = Date.now();
    const silence = now - this.#heardAt;
    if (silence > PROBE_AFTER_MS) this.#ask(DEAD_AFTER_MS - PROBE_AFTER_MS);
    if (now > this.#deadline) this.#closed(0);
  }

  /** Ask the server for any answer; without one in time, `#watch` gives the connection up. */
  #ask(withinMs) {
    if (this.#deadline === Infinity) this.send(this.probe());
    this.#deadline = Math.min(this.#deadline, Date.now() + withinMs);
  }

  /** The tab is looked at again or the network is back: prove the connection, or stop waiting for it. */
  #wake() {
    if (this.#socket) this.#ask(ANSWER_MS);
    // A draining or full server said when to come back; being looked at changes nothing about that.
    else if (this.#waitingFor === "lost") this.#wait(jittered(BASE_MS), "lost");
  }
}
