// Elements from code, never from markup: what a document or a model wrote can only become text.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  check: "m4 10.5 4 4 8-9",
  cross: "m5 5 10 10M15 5 5 15",
  fold: "m6 8 4 4 4-4",
};

/** An element. Names that begin with `on` are listeners; null, undefined and false leave an attribute or a child out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...present(children));
  return made;
}

/** Put these children in the place of all others. */
export function fill(parent, ...children) {
  parent.replaceChildren(...present(children));
}

/** One of our own drawings; the words beside it say what it means. */
export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 20 20");
  drawing.setAttribute("aria-hidden", "true");
  drawing.setAttribute("class", "icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  drawing.append(path);
  return drawing;
}

/** A bar whose length is a share between 0 and 1; the number stands beside it in words. */
export function bar(share) {
  const made = element("span", { class: "bar", "aria-hidden": "true" });
  made.style.setProperty("--share", String(Math.max(0, Math.min(1, share))));
  return made;
}

let last = 0;

/** An id for labels and what they label. */
export function newId() {
  last += 1;
  return `e${last}`;
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}
