// JSON as a tree: each level is created when it is opened, so that a large one shows at once.

import { clean, make } from "../dom.js";

const MOST = 500;

function leaf(key, value) {
  const kind = value === null ? "null" : typeof value;
  const text = kind === "string" ? `"${clean(value)}"` : String(value);
  return make("div", { class: "leaf" }, key === null ? null : make("span", { class: "key" }, `${clean(key)}: `), make("span", { class: kind }, text));
}

function branch(key, value, open) {
  const pairs = Array.isArray(value) ? value.map((each, at) => [at, each]) : Object.entries(value);
  const words = Array.isArray(value) ? `[${pairs.length}]` : `{${pairs.length}}`;
  const details = make("details", {}, make("summary", {}, key === null ? null : make("span", { class: "key" }, `${clean(key)}: `), words));
  const fill = (from) => {
    details.append(...pairs.slice(from, from + MOST).map(([name, each]) => node(name, each, false)));
    if (pairs.length > from + MOST) {
      const rest = make("button", { type: "button", on: { click: () => { rest.remove(); fill(from + MOST); } } }, `${pairs.length - from - MOST} more`);
      details.append(rest);
    }
  };
  details.addEventListener("toggle", () => fill(0), { once: true });
  details.open = open;
  return details;
}

export function node(key, value, open = false) {
  return value !== null && typeof value === "object" ? branch(key, value, open) : leaf(key, value);
}

export function showTree(paper, file, value) {
  paper.replaceChildren(make("div", { class: "pane", tabindex: "0", role: "region", "aria-label": file.name }, make("div", { class: "tree" }, node(null, value, true))));
}
