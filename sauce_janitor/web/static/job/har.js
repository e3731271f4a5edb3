// The requests of a HAR file: filtered by method, status, text and time, each with a bar on a common scale.
// Source: HTTP Archive 1.2, entries: startedDateTime, time (ms), request, response.

import { clean, later, make, marked, milliseconds, size } from "../dom.js";
import { node } from "./tree.js";

const MOST = 1000;
const number = (value) => (Number.isFinite(value) ? value : 0);

function read(har) {
  const entries = har?.log?.entries;
  if (!Array.isArray(entries)) throw new Error("it has no log.entries");
  const made = entries.map((entry) => ({
    entry,
    method: String(entry?.request?.method ?? "?").toUpperCase(),
    url: String(entry?.request?.url ?? ""),
    status: number(entry?.response?.status),
    type: String(entry?.response?.content?.mimeType ?? "").split(";")[0],
    bytes: Math.max(0, number(entry?.response?.content?.size)),
    time: Math.max(0, number(entry?.time)),
    at: Date.parse(entry?.startedDateTime ?? ""),
  }));
  const begun = Math.min(...made.map((each) => each.at).filter(Number.isFinite), Infinity);
  for (const each of made) each.from = Number.isFinite(each.at) && Number.isFinite(begun) ? each.at - begun : 0;
  return made;
}

const CLASSES = [["", "All statuses"], ["2", "2xx"], ["3", "3xx"], ["4", "4xx"], ["5", "5xx"], ["wrong", "4xx, 5xx, none"]];
const isWrong = (status) => status === 0 || status >= 400;

export function showHar(paper, file, har) {
  const all = read(har);
  const end = Math.max(1, ...all.slice(0, 100000).map((each) => each.from + each.time));
  const option = (value, text) => make("option", { value }, text);
  const methods = [...new Set(all.map((each) => each.method))].sort();
  const method = make("select", { id: "har-method" }, option("", "All methods"), ...methods.map((each) => option(each, clean(each))));
  const status = make("select", { id: "har-status" }, ...CLASSES.map(([value, text]) => option(value, text)));
  const slow = make("input", { id: "har-slow", type: "number", min: "0", step: "100", inputmode: "numeric", placeholder: "0" });
  const search = make("input", { id: "paper-search", type: "search", autocomplete: "off", "data-paper-search": true });
  const said = make("span", { class: "told", role: "status" });
  const body = make("tbody");
  const detail = make("div", { class: "detail", hidden: true, role: "region", "aria-label": "Request", tabindex: "0" });

  const head = make("tr", {}, ...[["Method"], ["Status"], ["URL", "url"], ["Type", "optional"], ["Size", "number optional"], ["Time", "number"]]
    .map(([text, kind]) => make("th", { scope: "col", class: kind }, text)));

  function row(each, wanted) {
    const bar = make("span");
    bar.style.left = `${(100 * each.from) / end}%`;
    bar.style.width = `${(100 * each.time) / end}%`;
    const open = () => {
      detail.hidden = false;
      detail.replaceChildren(make("p", {}, make("strong", {}, each.method), " ", clean(each.url)), make("div", { class: "tree" }, node("request", each.entry.request ?? null), node("response", each.entry.response ?? null), node("timings", each.entry.timings ?? null)));
    };
    return make("tr", { "data-row": true, tabindex: "0", on: { click: open, keydown: (event) => { if (event.key === "Enter") open(); } } },
      make("td", { class: "keep" }, clean(each.method)),
      make("td", { class: isWrong(each.status) ? "wrong" : null }, each.status || "none"),
      make("td", { class: "url" }, ...marked(each.url, wanted)),
      make("td", { class: "optional keep", title: each.type }, clean(each.type.slice(each.type.indexOf("/") + 1)).slice(0, 14)),
      make("td", { class: "number optional" }, size(each.bytes)),
      make("td", { class: each.time >= 1000 ? "number slow" : "number" }, milliseconds(each.time), make("span", { class: "track", "aria-hidden": "true" }, bar)));
  }

  function filter() {
    const wanted = search.value.trim().toLowerCase(), least = Number(slow.value) || 0;
    const found = all.filter((each) =>
      (!method.value || each.method === method.value) &&
      (!status.value || (status.value === "wrong" ? isWrong(each.status) : Math.floor(each.status / 100) === Number(status.value))) &&
      each.time >= least &&
      (!wanted || each.url.toLowerCase().includes(wanted) || each.type.includes(wanted)));
    body.replaceChildren(...found.slice(0, MOST).map((each) => row(each, search.value.trim())));
    const shown = found.length > MOST ? `, the first ${MOST} shown` : "";
    said.textContent = `${found.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} requests${shown}`;
  }

  for (const field of [method, status]) field.addEventListener("change", filter);
  for (const field of [search, slow]) field.addEventListener("input", later(filter, 120));
  paper.replaceChildren(
    make("div", { class: "tools" },
      make("label", { class: "grow", for: "paper-search" }, "URL or type", search),
      make("label", { for: "har-method" }, "Method", method), make("label", { for: "har-status" }, "Status", status),
      make("label", { for: "har-slow" }, "At least ms", slow), said),
    make("div", { class: "pane", tabindex: "0", role: "region", "aria-label": file.name }, make("table", { class: "grid" }, make("thead", {}, head), body)),
    detail);
  filter();
}
