/** The last changes of a zone, with the buttons that undo them: renewed while nobody is about to press one. */

export class ChangeList {
  #newest; // what tells the list that is shown from any other
  #pending = ""; // the same of the one that is to come; empty: none is

  /**
   * @param {HTMLElement} list
   * @param {object} options
   * @param {string} options.newest of the list that the server wrote
   * @param {string} options.url where it writes it anew
   */
  constructor(list, { newest, url }) {
    this.list = list;
    this.panel = list.closest("section");
    this.url = url;
    this.#newest = newest;
  }

  /**
   * To be called with every frame, so that what had to wait comes as soon as it may.
   *
   * @param {object[]} [changes] the last ones, newest first, if the frame has them
   */
  follow(changes) {
    if (changes) {
      const last = changes.length ? `${changes[0].id}:${changes.map((change) => change.undone_by)}` : "";
      this.#pending = last === this.#newest ? "" : last;
    }
    if (this.#pending && !this.#isInHand()) this.#renew();
  }

  /** Whether somebody points at the list, or is about to answer a question in it: no button may move under their hand. */
  #isInHand() {
    const { list, panel } = this;
    return panel.matches(":hover") || list.matches(":focus-within") || list.querySelector("details[open]") !== null;
  }

  /** As the server writes it: words, names, and the forms that undo. */
  async #renew() {
    const asked = this.#pending;
    this.#pending = "";
    try {
      const answer = await fetch(`${this.url}?part=1`);
      if (!answer.ok) return;
      const text = await answer.text();
      if (this.#isInHand()) this.#pending ||= asked; // since it was asked for
      else {
        this.list.innerHTML = text;
        this.#newest = asked;
      }
    } catch {
      this.#pending ||= asked; // the next frame tries again
    }
  }
}
