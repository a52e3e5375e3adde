/** The studio: the count and the clock of the stream that is on now. It watches from outside: it counts as nobody. */

import { followCounts } from "./counts.js";
import { keepTime } from "./elapsed.js";
import "./stage.js";

const notice = document.querySelector("[data-stale-notice]");

keepTime(document);
followCounts({
  onCount: (id, viewers) => viewers === null && location.reload(),
  onFresh: (fresh) => (notice.hidden = fresh),
});
