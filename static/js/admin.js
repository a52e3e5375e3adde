/**
 * The admin on every page: gives fields that are searched while one types the name that their label says, which the
 * part that draws them leaves out.
 */

function nameFields() {
  for (const shown of document.querySelectorAll(".select2-selection__rendered[id]")) {
    const field = shown.id.replace(/^select2-/, "").replace(/-container$/, "");
    const label = document.querySelector(`label[for="${CSS.escape(field)}"]`);
    if (!label) continue;
    label.id ||= `${field}_label`;
    shown.setAttribute("aria-labelledby", label.id);
    shown.closest(".select2-selection").setAttribute("aria-labelledby", `${label.id} ${shown.id}`);
  }
}

// The fields are drawn by what jQuery runs when the document is ready, which may be later than the page's own load.
window.addEventListener("load", () => (window.django?.jQuery ?? ((run) => run()))(nameFields));
