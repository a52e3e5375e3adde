/** The arithmetic of the waiting page: no page, no network. Times are milliseconds of a clock that never steps back. */

/** What is shown of one place: neither rank nor time left rises, unless the line was slowed or the state changed. */
export class Line {
  state = "";
  rank = null;
  #due = null;
  #since = 0; // when this rank was reached, and the time left then
  #span = 0;

  /** @param {number} first the rank that the place began with, 0 if not known yet */
  constructor(first = 0) {
    this.first = first;
  }

  /** Take an answer that came at `now`; `opensIn` is the time until the zone opens, or null. */
  take({ state, slowed, waiting }, now, opensIn = null) {
    const free = slowed || state !== this.state || this.#due === null;
    const eta = waiting.etaSeconds === null ? null : waiting.etaSeconds * 1000;
    const left = opensIn ?? eta;
    const due = left === null ? null : now + left;
    this.state = state;
    this.#due = due === null || free ? due : Math.min(this.#due, due);
    const rank = waiting.rank || null;
    if (rank === null || this.rank === null || free || rank < this.rank) {
      if (rank !== this.rank) [this.#since, this.#span] = [now, this.#due === null ? 0 : this.#due - now];
      this.rank = rank;
    }
    if (rank) this.first = Math.max(this.first, this.rank);
  }

  /** Whole seconds left, 0 for "any moment", null when nobody knows. */
  left(now) {
    return this.#due === null ? null : Math.max(0, Math.ceil((this.#due - now) / 1000));
  }

  /** 0 where the place began, 1 at the door. The step to the next rank is walked by the time that it takes. */
  progress(now) {
    if (!this.rank) return 0;
    const step = this.#span > 0 ? Math.min(0.95, Math.max(0, (now - this.#since) / this.#span)) : 0;
    return Math.min(1, (this.first - this.rank + step) / this.first);
  }
}

/** When to ask again: ±10% so that a crowd spreads, less often unseen, never past a third of the idle limit. */
export function pollIn(periodMs, { hidden, idleMs }, random = Math.random()) {
  return Math.min((hidden ? 3 : 1) * periodMs * (0.9 + 0.2 * random), idleMs / 3);
}

/** After so many failures in a row: anywhere below a bound that doubles, but not before the server's Retry-After. */
export function backoffIn(failures, idleMs, retryAfterS = 0, random = Math.random()) {
  const bound = Math.min(1000 * 2 ** failures, idleMs / 3);
  return retryAfterS ? retryAfterS * 1000 + random * Math.min(bound, 2000) : Math.max(250, random * bound);
}

/** Where to go once admitted: to this site or to an origin of the zone; null for anything else. */
export function destination(next, base, origins) {
  try {
    const url = new URL(next || "/", base);
    return [new URL(base).origin, ...origins].includes(url.origin) ? url : null;
  } catch {
    return null;
  }
}

/** That address with the pass, on other sites under a name of ours: `pass` may mean something there. */
export function withPass(url, pass, base) {
  const target = new URL(url);
  target.searchParams.set(target.origin === new URL(base).origin ? "pass" : "fullhouse_pass", pass);
  return target.href;
}

/** 65 -> "1:05", 3700 -> "1:01:40" */
export function clock(seconds) {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (part) => String(part).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Whether a screen reader should hear the place again: when it halved, at the front each step; `said` is the last time. */
export function worthSaying(said, rank, now) {
  if (!said || rank === null) return !said;
  const past = now - said.at;
  return past >= 120_000 || (past >= 10_000 && rank < said.rank && (rank <= 3 || rank * 2 <= said.rank));
}
