// A log as lines: only visible lines are fetched, however long the log is, and the server searches it.

import { later, make, marked } from "../dom.js";

export function showLog(paper, file, url) {
  const said = make("span", { class: "told", role: "status" });
  const search = make("input", { type: "search", id: "paper-search", autocomplete: "off", "data-paper-search": true });
  const log = make("div", { class: "log" });
  const pane = make("div", { class: "pane", tabindex: "0", role: "region", "aria-label": file.name }, log);
  let next = 0, more = true, busy = false, turn = 0;

  const lineOf = (number, text, wanted, found) => {
    const label = found
      ? make("button", { class: "jump", type: "button", title: "Show this line in its context", on: { click: () => jump(number) } }, String(number + 1))
      : String(number + 1);
    return make("div", { "data-row": true, "data-line": number }, make("span", {}, label), make("span", {}, ...marked(text, wanted)));
  };

  async function ask(parameters) {
    const answer = await fetch(`${url}/lines?${new URLSearchParams(parameters)}`);
    if (!answer.ok) throw new Error(`the archive answered ${answer.status}`);
    return answer.json();
  }

  async function fill() {
    if (busy || !more) return;
    busy = true;
    const mine = turn;
    try {
      const part = await ask({ first: next });
      if (mine !== turn) return;
      log.append(...part.lines.map((line, at) => lineOf(part.first + at, line)));
      next = part.first + part.lines.length;
      more = part.more;
      said.textContent = `${next.toLocaleString("en")} lines${more ? " so far" : ""}`;
    } catch (wrong) {
      more = false;
      said.textContent = `Cannot be shown: ${wrong.message}`;
    } finally {
      if (mine === turn) busy = false;
    }
  }

  function begin(from) {
    turn += 1;
    busy = false; next = from; more = true;
    log.replaceChildren();
    return fill();
  }

  async function jump(number) {
    search.value = "";
    await begin(Math.max(0, number - 20));
    const line = log.querySelector(`[data-line="${number}"]`);
    line?.classList.add("here");
    line?.scrollIntoView({ block: "center" });
    pane.focus();
  }

  const find = later(async () => {
    const wanted = search.value.trim();
    if (!wanted) { await begin(0); return; }
    turn += 1;
    const mine = turn;
    said.textContent = "Searching…";
    try {
      const answer = await ask({ q: wanted });
      if (mine !== turn) return;
      more = false;
      log.replaceChildren(...answer.found.map(([number, line]) => lineOf(number, line, wanted, true)));
      const count = answer.found.length.toLocaleString("en");
      said.textContent = answer.more ? `first ${count} matching lines` : `${count} matching lines`;
    } catch (wrong) {
      said.textContent = `Cannot be searched: ${wrong.message}`;
    }
  });

  search.addEventListener("input", find);
  pane.addEventListener("scroll", () => {
    if (pane.scrollTop + pane.clientHeight * 2 > pane.scrollHeight) fill();
  }, { passive: true });
  paper.replaceChildren(
    make("div", { class: "tools" }, make("label", { class: "grow", for: "paper-search" }, "Search in this log", search), said),
    pane,
  );
  return fill();
}
