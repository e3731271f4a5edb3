// The session's commands (log.json): each with its time in the video and its picture.
// Source: Sauce Labs' command log: method, path, request, result, start_time (epoch seconds), duration (s), screenshot (a number).

import { clean, later, make, marked, milliseconds } from "../dom.js";
import { node } from "./tree.js";

const MOST = 2000;

export function showCommands(paper, file, commands, stage) {
  if (!Array.isArray(commands)) throw new Error("it is not a list of commands");
  const search = make("input", { id: "paper-search", type: "search", autocomplete: "off", "data-paper-search": true });
  const said = make("span", { class: "told", role: "status" });
  const body = make("tbody");
  const detail = make("div", { class: "detail", hidden: true, role: "region", "aria-label": "Command", tabindex: "0" });
  const known = commands.map((each) => ({
    each,
    text: `${each?.method ?? ""} ${each?.path ?? ""} ${JSON.stringify(each?.request ?? null)} ${JSON.stringify(each?.result ?? null)}`.toLowerCase(),
    second: Number.isFinite(each?.start_time) && stage.startedAt ? each.start_time - stage.startedAt : null,
  }));

  function row({ each, second }, wanted) {
    const wrong = Number(each?.HTTPStatus) >= 400 || (each?.result && typeof each.result === "object" && "error" in each.result);
    const open = () => {
      for (const other of body.querySelectorAll(".here")) other.classList.remove("here");
      made.classList.add("here");
      if (second !== null) stage.seek(second);
      if (Number.isInteger(each?.screenshot)) stage.picture(each.screenshot);
      detail.hidden = false;
      detail.replaceChildren(make("div", { class: "tree" }, node(null, each ?? null, true)));
    };
    const request = each?.request && Object.keys(each.request).length ? JSON.stringify(each.request) : "";
    const made = make("tr", { "data-row": true, tabindex: "0", on: { click: open, keydown: (event) => { if (event.key === "Enter") open(); } } },
      make("td", { class: "number" }, second === null ? "–" : `${Math.max(0, second).toFixed(1)} s`),
      make("td", { class: wrong ? "wrong" : null }, clean(each?.method ?? "")),
      make("td", {}, ...marked(each?.path ?? "", wanted), request ? make("span", { class: "faint" }, " ", ...marked(request.slice(0, 200), wanted)) : null),
      make("td", { class: "number optional" }, Number.isFinite(each?.duration) ? milliseconds(each.duration * 1000) : ""),
      make("td", { class: "optional" }, Number.isInteger(each?.screenshot) ? `▣ ${each.screenshot}` : ""));
    return made;
  }

  function filter() {
    const wanted = search.value.trim();
    const found = known.filter((one) => one.text.includes(wanted.toLowerCase()));
    body.replaceChildren(...found.slice(0, MOST).map((one) => row(one, wanted)));
    said.textContent = `${found.length.toLocaleString("en")} of ${known.length.toLocaleString("en")} commands`;
  }

  search.addEventListener("input", later(filter, 120));
  const head = [["At", "number"], ["Method"], ["Command"], ["Took", "number optional"], ["Picture", "optional"]];
  paper.replaceChildren(
    make("div", { class: "tools" }, make("label", { class: "grow", for: "paper-search" }, "Search in the commands", search), said),
    make("div", { class: "pane", tabindex: "0", role: "region", "aria-label": file.name },
      make("table", { class: "grid" }, make("thead", {}, make("tr", {}, ...head.map(([text, kind]) => make("th", { scope: "col", class: kind }, text)))), body)),
    detail);
  filter();
}
