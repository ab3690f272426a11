// One question and its answer as it arrives: route, passages, checked sentences, the whole.

import { ask, Problem } from "./api.js";
import { element, fill, newId } from "./dom.js";
import { day, languageOf, number, words } from "./language.js";
import { notice } from "./problem.js";
import { proposal } from "./rating.js";
import { routeLine } from "./route.js";
import { sentenceItem } from "./sentence.js";
import { passageList, sourceList } from "./sources.js";

/** The article of a question; `again` asks it once more. */
export function turn(asked, again) {
  const title = newId();
  const parts = Object.fromEntries(["route", "banner", "sources", "passages", "meta"].map((name) => [name, element("div", { class: name })]));
  const sentences = element("ol", { class: "sentences", "aria-live": "polite", "aria-label": words.answer });
  const status = element("p", { class: "status", role: "status" }, words.looking);
  const stop = new AbortController();
  const stopButton = element("button", { type: "button", class: "quiet stop", onclick: () => stop.abort() }, words.stop);
  const working = element("div", { class: "working" }, status, stopButton);
  const article = element(
    "article",
    { class: "turn", "aria-labelledby": title, "aria-busy": "true" },
    element("h2", { id: title, lang: languageOf(asked.question), class: "foreign" }, asked.question),
    asked.as_of ? element("p", { class: "small as-of" }, words.rulesOf(day(asked.as_of))) : null,
    parts.route,
    parts.banner,
    sentences,
    working,
    parts.sources,
    parts.passages,
    parts.meta,
  );
  const seen = { passages: [], citations: [], texts: [] };
  const place = (n) => seen.citations.find((citation) => citation.n === n) ?? seen.passages[n - 1];

  const arrived = {
    route(route) {
      fill(parts.route, routeLine(route, asked.adapter !== "auto"));
    },
    passages({ passages }) {
      seen.passages = passages;
      status.textContent = words.reading(passages.length);
    },
    sentence(sentence) {
      seen.texts.push(sentence.text);
      sentences.append(sentenceItem(sentence, place));
    },
    answer(answer) {
      seen.citations = answer.citations;
      const texts = answer.sentences.map((sentence) => sentence.text);
      // what was shown while it arrived stays as it is, so that it is not read out twice
      if (texts.join("\n") !== seen.texts.join("\n")) fill(sentences, answer.sentences.map((sentence) => sentenceItem(sentence, place)));
      conclude(answer, parts, seen.passages);
      if (answer.kind !== "answered") sentences.remove();
      status.textContent = words.kinds[answer.kind];
    },
    error(document) {
      throw Problem.of(document);
    },
  };

  function broken(problem, bannerWords) {
    article.classList.add("incomplete");
    const some = seen.texts.length > 0;
    fill(parts.banner, problem ? notice(problem, () => again(asked), words.askAgain, some ? words.incomplete : null) : stopped(some, () => again(asked)));
    status.textContent = bannerWords;
    if (!some) sentences.remove();
  }

  async function run() {
    let complete = false;
    try {
      for await (const event of ask(asked, stop.signal)) {
        arrived[event.name]?.(event.data);
        complete ||= event.name === "answer";
      }
      if (!complete) broken(new Problem(0, "broken_off", "", ""), words.brokenOff);
    } catch (error) {
      if (stop.signal.aborted) broken(null, words.stopped);
      else if (error instanceof Problem) broken(error, words.failed);
      else broken(new Problem(0, "broken_off", "", ""), words.brokenOff);
    }
    article.setAttribute("aria-busy", "false");
    working.classList.add("done");
    stopButton.remove();
  }

  run();
  return article;
}

/** Everything that only the whole answer tells. */
function conclude(answer, parts, passages) {
  if (answer.kind !== "answered") fill(parts.banner, refusal(answer));
  else if (answer.structured) fill(parts.banner, proposal(answer.structured));
  if (answer.citations.length > 0) fill(parts.sources, sourceList(answer.citations));
  else if (passages.length > 0) fill(parts.passages, passageList(passages));
  const grounding = answer.grounding;
  fill(
    parts.meta,
    element("span", {}, words.rulesOf(day(answer.as_of))),
    answer.kind === "answered" && answer.status !== "unchecked" ? element("span", {}, words.numbersChecked(grounding.numbers_checked)) : null,
    grounding.sentences_dropped > 0 ? element("span", {}, words.dropped(grounding.sentences_dropped)) : null,
    answer.index_fallback ? element("span", {}, words.indexFallback) : null,
    element("span", {}, words.seconds(number(answer.timings.total ?? 0))),
    element("span", {}, `${words.record} `, element("code", {}, answer.audit_id)),
  );
}

function refusal(answer) {
  const [title, advice] = words.refusals[answer.reason] ?? [answer.text, words.refusalUnknown];
  return element(
    "div",
    { class: "notice refusal" },
    element("p", { class: "notice-title" }, title),
    element("p", {}, advice),
    element("p", { class: "small" }, `${words.reason} `, element("code", {}, answer.reason ?? answer.kind)),
  );
}

function stopped(some, retry) {
  return element(
    "div",
    { class: "notice" },
    element("p", { class: "notice-title" }, words.stopped),
    some ? element("p", {}, words.incomplete) : null,
    element("button", { type: "button", onclick: retry }, words.askAgain),
  );
}
