/** The stage and posters: what cannot be loaded or played makes way for the generated picture beneath it. */

for (const media of document.querySelectorAll("[data-poster], [data-video]")) {
  // The picture may have failed before this module ran.
  if (media.error || (media.complete && media.naturalWidth === 0)) media.remove();
  else media.addEventListener("error", () => media.remove());
}
