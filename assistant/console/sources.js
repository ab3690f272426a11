// Where an answer comes from: its citations, or the passages that were found when there is no answer.

import { element, newId } from "./dom.js";
import { languageOf, words } from "./language.js";
import { placeWords } from "./place.js";
import { openPassage } from "./reader.js";

export function sourceList(citations) {
  const title = newId();
  return element(
    "section",
    { "aria-labelledby": title },
    element("h3", { id: title }, words.sources),
    element("ul", { class: "cards" }, citations.map((citation) => card(citation, citation.quote, String(citation.n)))),
  );
}

export function passageList(passages) {
  return element(
    "details",
    { class: "quiet-details" },
    element("summary", {}, words.nearest(passages.length)),
    element("ul", { class: "cards" }, passages.map((passage, at) => card(passage, passage.text, String(at + 1)))),
  );
}

function card(place, text, number) {
  return element(
    "li",
    {},
    element(
      "button",
      { type: "button", class: "card", onclick: () => openPassage(place) },
      element("span", { class: "card-number", "aria-hidden": "true" }, number),
      element("span", { class: "card-title foreign", lang: languageOf(place.title) }, place.title),
      element("span", { class: "small foreign placed" }, placeWords(place)),
      element("span", { class: "quote foreign", lang: languageOf(text) }, text),
    ),
  );
}
