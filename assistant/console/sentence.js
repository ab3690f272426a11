// One sentence of an answer: a quiet mark that it was checked, what the checks said on demand, and its citations.

import { element, icon, newId } from "./dom.js";
import { languageOf, said, words } from "./language.js";
import { openPassage } from "./reader.js";

/** `place` gives the citation or passage of a number at the time of the click: the exact one comes with the whole answer. */
export function sentenceItem(sentence, place) {
  const checks = element("ul", { id: newId(), class: "checks", hidden: true }, sentence.checks.map(checkItem));
  return element(
    "li",
    { class: "sentence" },
    sentence.checks.length > 0 ? toggle(sentence, checks) : element("span", {}),
    element(
      "div",
      {},
      element("p", { class: "foreign" }, element("span", { lang: languageOf(sentence.text) }, sentence.text), sentence.citations.map((n) => [" ", chip(n, place)]), corrected(sentence)),
      checks,
    ),
  );
}

function toggle(sentence, checks) {
  const passed = sentence.checks.every((check) => check.passed);
  const button = element("button", { type: "button", class: "mark", "aria-expanded": "false", "aria-controls": checks.id, title: words.checksOf }, icon(passed ? "check" : "cross"));
  button.setAttribute("aria-label", passed ? words.allPassed(sentence.checks.length) : words.notAllPassed);
  button.addEventListener("click", () => {
    checks.hidden = !checks.hidden;
    button.setAttribute("aria-expanded", String(!checks.hidden));
  });
  return button;
}

/** What the model wrote was corrected: said beside the sentence, since who relies on it should know. */
function corrected(sentence) {
  return sentence.checks.some((check) => check.name === "correction") ? [" ", element("span", { class: "corrected" }, words.corrected)] : [];
}

function checkItem(check) {
  const detail = said(check.detail);
  return element(
    "li",
    { class: check.passed ? "passed" : "failed" },
    icon(check.passed ? "check" : "cross"),
    element("span", {}, element("strong", {}, words.checks[check.name] ?? check.name), element("span", { class: "hidden" }, check.passed ? words.passed : words.notPassed)),
    element("span", { lang: detail.lang, class: "foreign" }, detail.text),
  );
}

function chip(n, place) {
  return element("button", { type: "button", class: "chip", "aria-label": words.openSource(n), onclick: () => place(n) && openPassage(place(n)) }, String(n));
}
