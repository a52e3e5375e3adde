/**
 * The admin's first page: fetches its figures again every few seconds while somebody looks, and puts them in place
 * without taking the focus or the scrolling away. All texts come from the server.
 */

const page = document.querySelector("[data-dashboard]");
const figures = page.querySelector("[data-figures]");
const lost = page.querySelector("[data-lost]");
const signedOut = page.querySelector("[data-signed-out]");
const everyMs = Number(page.dataset.every) * 1000;
const PATIENCE_MS = 10_000;
// Once in a row is a hiccup that nobody needs to be told of.
const MISSES_TOLD = 2;

let misses = 0;
let timer = 0;

/** What has the focus or was scrolled is known by `data-keep`, and is given both back. */
function put(html) {
  const focused = document.activeElement?.closest("[data-figures] [data-keep]")?.dataset.keep;
  const scrolled = [...figures.querySelectorAll("[data-keep]")].map((one) => [one.dataset.keep, one.scrollLeft]);
  figures.innerHTML = html;
  const find = (name) => figures.querySelector(`[data-keep="${CSS.escape(name)}"]`);
  for (const [name, left] of scrolled) if (left) find(name)?.scrollTo(left, 0);
  if (focused) find(focused)?.focus({ preventScroll: true });
}

async function refresh() {
  try {
    const answer = await fetch(page.dataset.dashboard, { redirect: "manual", signal: AbortSignal.timeout(PATIENCE_MS) });
    // The way to the sign-in: asking again would not help.
    if (answer.type === "opaqueredirect" || answer.status === 403 || answer.status === 404) {
      signedOut.hidden = false;
      page.classList.add("old");
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    put(await answer.text());
    misses = 0;
  } catch {
    misses += 1;
  }
  lost.hidden = misses < MISSES_TOLD;
  page.classList.toggle("old", misses >= MISSES_TOLD);
  later();
}

function later() {
  clearTimeout(timer);
  // Half a second to and fro, so that pages opened together do not ask together.
  if (document.visibilityState === "visible") timer = setTimeout(refresh, everyMs + (Math.random() - 0.5) * 1000);
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && signedOut.hidden) {
    clearTimeout(timer);
    refresh();
  }
});
later();
