/**
 * A number whose changed digits slide in. The element's `data-value` always holds the exact figure.
 *
 * The digits are separate elements only while they move; at rest the figure is plain text again, as a screen reader
 * or a copy to the clipboard wants it.
 */

import { number } from "./format.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const SLIDE = { duration: 260, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" };

/** Show `value` in `element`; null shows a dash. Nothing is touched when the figure is already there. */
export function showNumber(element, value) {
  const before = element.dataset.value ?? "";
  const after = value === null ? "" : String(value);
  if (before === after) return;
  const text = value === null ? "—" : number(value);
  const old = [...element.textContent.trim()];
  element.dataset.value = after;
  element.textContent = text;
  const moves = before && after && !still.matches && document.visibilityState === "visible";
  if (moves) slide(element, old, [...text], value > Number(before) ? 0.25 : -0.25);
}

async function slide(element, old, chars, em) {
  const digits = chars.map((char) => Object.assign(document.createElement("span"), { textContent: char }));
  element.replaceChildren(...digits);
  // Compare from the right, where the ones stand, so that 999 -> 1,000 moves what really moved.
  const changed = digits.filter((digit, index) => old.at(index - chars.length) !== digit.textContent);
  const from = [{ transform: `translateY(${em}em)`, opacity: 0.3 }, { transform: "none", opacity: 1 }];
  await Promise.all(changed.map((digit) => digit.animate(from, SLIDE).finished));
  // A newer figure may have taken the place meanwhile.
  if (digits[0].parentNode === element) element.textContent = chars.join("");
}
