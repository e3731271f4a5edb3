// Creates elements. Text is always text, never markup.

export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, String(value));
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Return one line without control characters and those that change the writing direction. */
export const clean = (text) => String(text).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "\uFFFD");

/** Return the parts of the text, with each occurrence of `wanted` marked. */
export function marked(text, wanted) {
  const line = clean(String(text).replaceAll("\t", "    "));
  if (!wanted) return [line];
  const lower = line.toLowerCase(), needle = wanted.toLowerCase(), parts = [];
  // Some letters become longer in lower case, and then positions do not fit: mark nothing.
  if (lower.length !== line.length) return [line];
  let from = 0;
  for (let at = lower.indexOf(needle); at >= 0; at = lower.indexOf(needle, from)) {
    parts.push(line.slice(from, at), make("mark", {}, line.slice(at, at + needle.length)));
    from = at + needle.length;
  }
  return [...parts, line.slice(from)];
}

export function size(bytes) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (bytes < 1000) return unit === "B" ? `${bytes} B` : `${bytes.toFixed(1)} ${unit}`;
    bytes /= 1000;
  }
  return `${bytes.toFixed(1)} TB`;
}

export const milliseconds = (ms) => (ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.round(ms)} ms`);

export function later(act, wait = 200) {
  let timer = 0;
  return (...given) => { clearTimeout(timer); timer = setTimeout(() => act(...given), wait); };
}
