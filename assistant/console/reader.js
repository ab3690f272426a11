// A document's text in a panel, open at a passage that is highlighted. Offsets are code points, as the service counts them.

import { get } from "./api.js";
import { element, fill, newId } from "./dom.js";
import { languageOf, words } from "./language.js";
import { placeWords } from "./place.js";
import { notice } from "./problem.js";
import { may } from "./session.js";

/** Characters that are fetched around a passage; more only when asked for. */
const AROUND = 20_000;

/** Open the document of a citation or passage at its place. */
export function openPassage(place) {
  return open(place);
}

/** Open a version from its beginning. */
export function openText(version) {
  return open({ ...version, start: 0, end: 0 });
}

/** Close what is open, as going back in the history does. */
export function closeReader() {
  document.querySelector("dialog.reader")?.close();
}

function open(place) {
  const id = newId();
  const title = element("h2", { id, class: "foreign", tabindex: "-1" }, place.title ?? place.document_id);
  const text = element("div", { class: "text", tabindex: "0", role: "region", "aria-label": words.documentText, "aria-busy": "true" }, element("p", { class: "small" }, words.loading));
  const dialog = element(
    "dialog",
    { class: "reader", "aria-labelledby": id, onclose: closed },
    element(
      "header",
      {},
      element("div", {}, title, element("p", { class: "small foreign placed" }, placeWords(place))),
      element("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, words.close),
    ),
    text,
  );

  function closed() {
    dialog.remove();
    if (location.hash.startsWith(`#documents/${encodeURIComponent(place.document_id)}/`)) history.replaceState(null, "", location.hash.split("/")[0]);
  }

  async function load(start, end) {
    try {
      const path = `/v1/documents/${encodeURIComponent(place.document_id)}/versions/${place.version}`;
      const range = end === null ? "" : `?start=${start}&end=${end}`;
      const [shown, version] = await Promise.all([get(`${path}/text${range}`), get(path)]);
      title.textContent = version.title;
      title.lang = languageOf(version.title);
      fill(text, contents(shown, place, () => load(0, null)));
      text.lang = version.language === "zh" ? "zh-CN" : "en";
      const mark = text.querySelector("mark");
      if (mark) centre(mark, text);
    } catch (problem) {
      fill(text, notice(problem));
    }
    text.setAttribute("aria-busy", "false");
  }

  document.body.append(dialog);
  dialog.showModal();
  text.focus();
  if (may("documents")) load(Math.max(0, place.start - AROUND), place.end + AROUND);
  else fill(text, element("p", { class: "small" }, words.onlyThePassage), element("p", {}, element("mark", {}, place.quote ?? place.text ?? "")));
}

/** The text with its passage marked; a part of a long document says at its ends that there is more. */
function contents(shown, place, all) {
  const letters = Array.from(shown.text);
  const start = Math.min(letters.length, Math.max(0, place.start - shown.start));
  const end = Math.min(letters.length, Math.max(start, place.end - shown.start));
  const more = () => element("p", { class: "small" }, words.moreText, " ", element("button", { type: "button", onclick: all }, words.wholeText));
  return [
    shown.start > 0 ? more() : null,
    paragraphs(letters.slice(0, start).join(""), letters.slice(start, end).join(""), letters.slice(end).join(""), place),
    shown.end < shown.length ? more() : null,
  ];
}

/** A paragraph for each line; of the passage, each line's part is marked. */
function paragraphs(before, passage, after, place) {
  const lines = [element("p")];
  let label = pageLabel(place);
  const add = (text, wrap) =>
    text.split("\n").forEach((part, at) => {
      if (at > 0) lines.push(element("p"));
      if (part) lines.at(-1).append(wrap(part));
    });
  add(before, (part) => part);
  add(passage, (part) => {
    const mark = element("mark", {}, part);
    if (label) lines.at(-1).append(label);
    label = null;
    return mark;
  });
  add(after, (part) => part);
  return lines.filter((line) => line.hasChildNodes());
}

function pageLabel(place) {
  return place.page === null || place.page === undefined ? null : element("span", { class: "page", lang: document.documentElement.lang }, words.page(place.page));
}

/** Scrolls the panel only, not the page behind it. */
function centre(mark, panel) {
  panel.scrollTop = mark.offsetTop - panel.offsetTop - Math.max(40, (panel.clientHeight - mark.offsetHeight) / 2);
}
