/**
 * The live directory: counts move, ended streams say so, and cards change places only when nobody could be about to
 * press one: never under the pointer, never with the focus inside, never on a touch screen.
 */

import { followCounts } from "./counts.js";
import { jittered } from "./socket.js";
import "./stage.js";

const ASK_EVERY_MS = 30_000;
const SORT_EVERY_MS = 12_000;
const CALM_MS = 3_000;
const GLIDE = { duration: 520, easing: "cubic-bezier(0.25, 0.8, 0.25, 1)" };

const grid = document.querySelector("[data-cards]");
const notice = document.querySelector("[data-stale-notice]");
const cards = grid ? [...grid.querySelectorAll("[data-stream]")] : [];
const byId = new Map(cards.map((card) => [card.dataset.stream, card]));
const viewers = new Map();

function over(card) {
  card.classList.add("over");
  const badge = card.querySelector(".badge");
  badge.classList.add("over");
  badge.textContent = badge.dataset.over;
}

followCounts({
  onCount(id, count) {
    const card = byId.get(id);
    if (!card) return;
    viewers.set(card, count ?? -1);
    if (count === null) over(card);
  },
  onFresh(fresh) {
    grid?.classList.toggle("stale-figures", !fresh);
    if (notice) notice.hidden = fresh;
  },
});

/**
 * A page without cards has nothing to watch over a socket, so it asks now and then whether its own question has an
 * answer by now, and offers it. It does not reload by itself: somebody may be reading, or typing a search.
 */
function awaitStreams(empty) {
  const offer = empty.querySelector("[data-awake]");
  async function ask() {
    if (document.visibilityState === "visible") {
      try {
        const answer = await fetch(empty.dataset.awaits);
        if (answer.ok && (await answer.json()).total > 0) {
          offer.hidden = false;
          return;
        }
      } catch {
        // no network: the next time asks again
      }
    }
    // Between half and one and a half of it, so that pages opened together do not ask together.
    setTimeout(ask, ASK_EVERY_MS / 2 + jittered(ASK_EVERY_MS));
  }
  setTimeout(ask, ASK_EVERY_MS / 2 + jittered(ASK_EVERY_MS));
}

const empty = document.querySelector("[data-awaits]");
if (empty) awaitStreams(empty);

/** Put cards in the order of their counts and let each glide from where it stood. */
function sort() {
  // Those that somebody put first stay where they are.
  const first = [...grid.querySelectorAll("[data-featured]")];
  const others = [...grid.querySelectorAll("[data-stream]:not([data-featured])")];
  const wanted = [...first, ...others.sort((a, b) => (viewers.get(b) ?? 0) - (viewers.get(a) ?? 0))];
  if (wanted.every((card, index) => card === grid.children[index])) return;
  const before = new Map(wanted.map((card) => [card, card.getBoundingClientRect()]));
  const lead = grid.querySelector(".first");
  grid.append(...wanted);
  if (lead) {
    lead.classList.remove("first");
    wanted[0].classList.add("first");
  }
  for (const card of wanted) {
    const [was, is] = [before.get(card), card.getBoundingClientRect()];
    if (was.left === is.left && was.top === is.top) continue;
    const start = `translate(${was.left - is.left}px, ${was.top - is.top}px)`;
    card.animate([{ transform: start }, { transform: "none" }], GLIDE);
  }
}

const calmPointer = matchMedia("(hover: hover) and (prefers-reduced-motion: no-preference)");
if (grid && cards.length > 1) {
  let touchedAt = 0;
  grid.addEventListener("pointermove", () => (touchedAt = Date.now()));
  window.addEventListener("scroll", () => (touchedAt = Date.now()), { passive: true });
  setInterval(() => {
    const busy = grid.matches(":hover, :focus-within") || Date.now() - touchedAt < CALM_MS;
    // Cards that were never on the screen have no count yet: wait until the order is known.
    const known = [...grid.children].every((card) => viewers.has(card));
    if (calmPointer.matches && !busy && known && document.visibilityState === "visible") sort();
  }, SORT_EVERY_MS);
}
