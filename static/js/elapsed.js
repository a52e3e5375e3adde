/** How long a stream has been on: every element with `data-elapsed="ISO time"` counts up from that moment. */

import { duration } from "./format.js";

export function keepTime(root) {
  const show = () => {
    for (const element of root.querySelectorAll("[data-elapsed]")) {
      element.textContent = duration((Date.now() - Date.parse(element.dataset.elapsed)) / 1000);
    }
  };
  show();
  setInterval(show, 1000);
}
