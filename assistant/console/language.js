// The language of the page: that of the browser, English where it is neither English nor Chinese.

import { words as english } from "./words-en.js";
import { words as chinese } from "./words-zh.js";

const LANGUAGES = { en: { words: english, locale: "en-GB", tag: "en" }, zh: { words: chinese, locale: "zh-CN", tag: "zh-CN" } };

/** Every text of the page in its language. */
export let words = english;
let current = "en";

export function chooseLanguage(preferred) {
  const named = preferred.map((tag) => tag.slice(0, 2).toLowerCase());
  current = named.find((name) => name in LANGUAGES) ?? "en";
  words = LANGUAGES[current].words;
  document.documentElement.lang = LANGUAGES[current].tag;
}

export function otherLanguage() {
  return current === "en" ? "zh" : "en";
}

/** A day such as 2026-01-31, whatever the time zone of the browser. */
export function day(text) {
  return new Intl.DateTimeFormat(LANGUAGES[current].locale, { dateStyle: "long", timeZone: "UTC" }).format(new Date(`${text}T00:00:00Z`));
}

export function moment(text) {
  return new Intl.DateTimeFormat(LANGUAGES[current].locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(text));
}

export function number(value, options = {}) {
  return new Intl.NumberFormat(LANGUAGES[current].locale, { maximumFractionDigits: 1, ...options }).format(value);
}

export function percent(share) {
  return number(share, { style: "percent", maximumFractionDigits: 0 });
}

/** What the service says in English about a check or a route, in the language of the page where we know the sentence. */
export function said(text) {
  for (const [pattern, translation] of words.said) {
    if (pattern.test(text)) return { text: text.replace(pattern, translation), lang: null };
  }
  return { text, lang: current === "en" ? null : "en" };
}

/** The language tag for a text that a document or a person wrote, so that fonts and screen readers fit. */
export function languageOf(text) {
  return /\p{Script=Han}/u.test(text) ? "zh-CN" : "en";
}
