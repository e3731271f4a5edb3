// The keys of the lists of jobs and builds.

import { isTyping, onKeys, walker } from "./keys.js";

const list = document.querySelector("[data-list]");
const search = document.querySelector("[data-search]");
const rows = walker(() => [...document.querySelectorAll("[data-list] tbody tr")], (row) => row.querySelector("a"));
const follow = (selector) => { const link = document.querySelector(selector); link?.click(); return Boolean(link); };

onKeys({
  j: () => { rows.step(1); },
  ArrowDown: () => { rows.step(1); },
  k: () => { rows.step(-1); },
  ArrowUp: () => { rows.step(-1); },
  Enter: (event) => {
    if (event.target.closest?.("a, button, input, select")) return false;
    rows.at()?.querySelector("a")?.click();
    return Boolean(rows.at());
  },
  "/": () => { search?.focus(); search?.select(); },
  n: () => follow("a[rel=next]"),
  p: () => follow("a[rel=prev]"),
  b: () => { if (list?.dataset.builds) location.assign(list.dataset.builds); },
  Escape: (event) => {
    if (isTyping(event.target)) { event.target.blur(); return; }
    if (location.search && list) location.assign(list.dataset.clear);
    else if (location.search) location.assign(location.pathname);
  },
});

for (const row of document.querySelectorAll("[data-list] tbody tr")) {
  row.addEventListener("click", (event) => {
    if (!event.target.closest("a") && !String(getSelection())) row.querySelector("a")?.click();
  });
}
for (const box of document.querySelectorAll(".filters input[type=checkbox], .filters select")) {
  box.addEventListener("change", () => box.form.requestSubmit());
}
