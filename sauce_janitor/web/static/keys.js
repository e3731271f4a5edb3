// Keys, and the help that lists them. A key with a modifier, or typed into a field, is left to the browser.

const help = document.getElementById("help");

export function isTyping(target) {
  return target instanceof HTMLElement && (target.matches("input:not([type=checkbox]), select, textarea") || target.isContentEditable);
}

/** Call the function of each key that is pressed outside of fields, and of Escape also in fields. A function returns false to leave the key to the browser. */
export function onKeys(acts) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || help?.open) return;
    if (isTyping(event.target) && event.key !== "Escape") return;
    if (event.key === "?") { help?.showModal(); event.preventDefault(); return; }
    const act = acts[event.key];
    if (act && act(event) !== false) event.preventDefault();
  });
}

for (const button of document.querySelectorAll("[data-help]")) {
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());
}

/** Return a cursor among rows: `step` moves it, and focus announces it to assistive technology. */
export function walker(rows, focusable) {
  let at = -1;
  const go = (to) => {
    const all = rows();
    if (!all.length) return null;
    all[at]?.classList.remove("here");
    at = Math.max(0, Math.min(all.length - 1, to));
    all[at].classList.add("here");
    focusable(all[at])?.focus({ preventScroll: true });
    all[at].scrollIntoView({ block: "nearest" });
    return all[at];
  };
  return { step: (by) => go(at + by), at: () => rows()[at] ?? null, reset: () => { at = -1; } };
}
