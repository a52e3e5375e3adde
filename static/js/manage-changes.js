/** The last changes of a zone, with the buttons that undo them: renewed while nobody is about to press one. */

import { put } from "./manage-words.js";

// A finger that has left does not point at anything, whatever `:hover` still says.
const POINTER = matchMedia("(hover: hover)");

export class ChangeList {
  #newest; // what tells the list that is shown from any other
  #pending = ""; // the same of the one that is to come; empty: none is
  #isOwed = false; // it was asked for, and did not come

  /**
   * @param {HTMLElement} list
   * @param {object} options
   * @param {string} options.newest of the list that the server wrote
   * @param {string} options.url where it writes it anew
   * @param {HTMLElement} options.notice says that the list has to wait
   * @param {string} options.newer in these words
   */
  constructor(list, { newest, url, notice, newer }) {
    this.list = list;
    this.notice = notice;
    this.newer = newer;
    this.panel = list.closest("section");
    this.url = url;
    this.#newest = newest;
    list.addEventListener("click", (event) => this.#letGo(event));
  }

  /**
   * To be called with every frame, so that what had to wait comes as soon as it may.
   *
   * @param {object[]} [changes] the last ones, newest first, if the frame has them
   * @param {boolean} [isLate] whether they may be of before what is shown
   */
  follow(changes, isLate = false) {
    if (changes && !(isLate && (changes[0]?.id ?? 0) < (Number.parseInt(this.#newest) || 0))) {
      const last = changes.length ? `${changes[0].id}:${changes.map((change) => change.undone_by)}` : "";
      this.#pending = last === this.#newest ? "" : last;
    }
    const isHeld = this.#pending !== "" && this.#isInHand();
    put(this.notice, isHeld || this.#isOwed ? this.newer : "");
    if (this.#pending && !isHeld) this.#renew();
  }

  /** A question that was closed with the mouse or a finger has not kept the focus, which would hold the list. */
  #letGo({ target, detail }) {
    const question = target.closest("summary")?.parentElement;
    if (question?.open && detail > 0) setTimeout(() => question.querySelector("summary").blur());
  }

  /** Whether somebody points at the list, or is about to answer a question in it: no button may move under their hand. */
  #isInHand() {
    const { list, panel } = this;
    const isPointedAt = POINTER.matches && panel.matches(":hover");
    return isPointedAt || list.matches(":focus-within") || list.querySelector("details[open]") !== null;
  }

  /** As the server writes it: words, names, and the forms that undo. */
  async #renew() {
    const asked = this.#pending;
    this.#pending = "";
    const text = await this.#fetched();
    this.#isOwed = text === null;
    if (text === null || this.#isInHand()) this.#pending ||= asked; // the next frame tries again
    else {
      this.list.innerHTML = text;
      this.#newest = asked;
    }
  }

  /** The list as HTML; null if the server cannot, or sends elsewhere, as it does who is signed out. */
  async #fetched() {
    try {
      const answer = await fetch(`${this.url}?part=1`, { redirect: "error" });
      return answer.ok ? await answer.text() : null;
    } catch {
      return null;
    }
  }
}
