// The page of one job: video and pictures on one side, logs and requests on the other, and all keys.

import { make } from "../dom.js";
import { isTyping, onKeys, walker } from "../keys.js";
import { showCommands } from "./commands.js";
import { showHar } from "./har.js";
import { showLog } from "./log.js";
import { showTree } from "./tree.js";

const LARGEST = 64 * 1000 * 1000; // a larger JSON is shown as lines: a browser would freeze on the whole of it
const AT_ONCE = 60;
const data = JSON.parse(document.getElementById("data").textContent);
const url = (number) => `${data.base}/files/${number}`;
const paper = document.querySelector("[data-paper]");
const tabs = [...document.querySelectorAll("[role=tab]")];
const video = document.querySelector("[data-video]");
const strip = document.querySelector("[data-strip]");
const shots = data.files.filter((file) => file.kind === "image");

// --- pictures --------------------------------------------------------------------------------------------------------

let shot = 0;
let laid = strip ? strip.children.length : 0;

function layOut(until) {
  while (strip && laid < Math.min(until, shots.length)) {
    const file = shots[laid];
    const image = make("img", { loading: "lazy", decoding: "async", src: url(file.number), alt: file.name });
    strip.append(make("li", {}, make("a", { href: url(file.number), "data-number": file.number, tabindex: "-1" }, image)));
    laid += 1;
  }
}

function showPicture(at, focus = true) {
  if (!shots.length) return;
  shot = Math.max(0, Math.min(shots.length - 1, at));
  layOut(shot + 20);
  const file = shots[shot], figure = document.querySelector("[data-picture]");
  const image = figure.querySelector("img");
  image.src = url(file.number);
  image.alt = `Screenshot ${file.name}`;
  figure.querySelector("a").href = url(file.number);
  figure.querySelector("[data-picture-name]").textContent = file.name;
  strip.querySelector("[aria-current]")?.removeAttribute("aria-current");
  const thumb = strip.children[shot]?.querySelector("a");
  thumb?.setAttribute("aria-current", "true");
  if (focus && thumb) strip.scrollTo({ left: thumb.parentElement.offsetLeft - strip.offsetLeft - strip.clientWidth / 2 + 52 });
}

if (strip) {
  strip.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    showPicture(shots.findIndex((file) => file.number === Number(link.dataset.number)), false);
  });
  strip.addEventListener("scroll", () => {
    if (strip.scrollLeft + 3 * strip.clientWidth > strip.scrollWidth) layOut(laid + AT_ONCE);
  }, { passive: true });
  showPicture(0, false);
}

const stage = {
  startedAt: data.startedAt,
  seek: (second) => { if (video) video.currentTime = Math.max(0, Math.min(second, Number.isFinite(video.duration) ? video.duration : second)); },
  picture: (number) => {
    const at = shots.findIndex((file) => file.name.startsWith(`${String(number).padStart(4, "0")}screenshot`));
    if (at >= 0) showPicture(at);
  },
};

// --- papers ----------------------------------------------------------------------------------------------------------

const rows = walker(() => [...paper.querySelectorAll("[data-row]")], (row) => (row.tabIndex >= 0 ? row : null));
const views = { commands: showCommands, har: showHar, json: showTree };
let turn = 0;

function bringInSight(tab) {
  const list = tab.parentElement, from = tab.offsetLeft - list.offsetLeft;
  if (from < list.scrollLeft) list.scrollLeft = from;
  else if (from + tab.offsetWidth > list.scrollLeft + list.clientWidth) list.scrollLeft = from + tab.offsetWidth - list.clientWidth;
}

async function show(number) {
  const file = data.files[number], mine = ++turn;
  for (const tab of tabs) {
    const isIt = Number(tab.dataset.number) === number;
    tab.setAttribute("aria-selected", String(isIt));
    tab.tabIndex = isIt ? 0 : -1;
    if (isIt) { paper.setAttribute("aria-labelledby", tab.id); bringInSight(tab); }
  }
  rows.reset();
  const view = file.bytes <= LARGEST ? views[file.kind] : undefined;
  if (!view) { await showLog(paper, file, url(number)); return; }
  paper.replaceChildren(make("p", { class: "faint", role: "status" }, "Loading…"));
  try {
    const answer = await fetch(url(number));
    if (!answer.ok) throw new Error(`the archive answered ${answer.status}`);
    const value = JSON.parse(await answer.text());
    if (mine === turn) view(paper, file, value, stage);
  } catch (wrong) {
    if (mine !== turn) return;
    await showLog(paper, file, url(number));
    paper.prepend(make("p", { class: "faint" }, `Shown as text: ${wrong.message}`));
  }
}

tabs.forEach((tab, at) => {
  tab.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(Number(tab.dataset.number));
  });
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined || !tabs[to]) return;
    event.preventDefault();
    tabs[to].focus();
    show(Number(tabs[to].dataset.number));
  });
});
if (tabs.length) show(Number(tabs[0].dataset.number));

// --- keys ------------------------------------------------------------------------------------------------------------

const acts = {
  j: () => { rows.step(1); },
  k: () => { rows.step(-1); },
  ArrowRight: (event) => (event.target === video ? false : showPicture(shot + 1)),
  ArrowLeft: (event) => (event.target === video ? false : showPicture(shot - 1)),
  " ": (event) => {
    if (!video || event.target.closest?.("button, a, summary, video")) return false;
    if (video.paused) video.play().catch(() => {}); else video.pause();
    return true;
  },
  "/": () => { paper?.querySelector("[data-paper-search]")?.focus(); },
  Escape: (event) => {
    if (isTyping(event.target)) { event.target.blur(); return; }
    document.querySelector("[data-back]").click();
  },
};
for (let digit = 1; digit <= 9; digit += 1) {
  acts[String(digit)] = () => { if (tabs[digit - 1]) show(Number(tabs[digit - 1].dataset.number)); };
}
onKeys(acts);
