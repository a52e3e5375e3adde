/**
 * The theme toggle. A plain script in the head, not a module: it must run before the first paint.
 *
 * The choice is remembered; choosing what the system shows anyway forgets it, so the page follows the system again.
 */
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const key = "fullhouse-theme";

  const read = () => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // storage may be switched off: the toggle then lasts as long as the page
    }
  };
  const write = (theme) => {
    try {
      if (theme) localStorage.setItem(key, theme);
      else localStorage.removeItem(key);
    } catch {
      // as above
    }
  };

  let chosen = read();
  const systemShade = () => (system.matches ? "dark" : "light");
  const apply = () => {
    if (chosen) root.dataset.theme = chosen;
    else delete root.dataset.theme;
    root.dataset.shade = chosen ?? systemShade();
    document.dispatchEvent(new CustomEvent("themechange"));
  };

  apply();
  system.addEventListener("change", apply);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const next = root.dataset.shade === "dark" ? "light" : "dark";
    chosen = next === systemShade() ? null : next;
    write(chosen);
    apply();
  });
})();
