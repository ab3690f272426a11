// Who answered, how sure the router was, and what else came into question.

import { bar, element } from "./dom.js";
import { percent, said, words } from "./language.js";

/** `chosen`: the person named the adapter. */
export function routeLine(route, chosen) {
  const reason = said(route.reason);
  const [title, sure] = summary(route, chosen);
  return element(
    "details",
    { class: "quiet-details" },
    element("summary", {}, element("span", { class: "summary-words" }, element("span", {}, title), sure ? element("span", { class: "sure" }, bar(route.confidence), sure) : null)),
    element("p", { class: "small sentence-case", lang: reason.lang }, reason.text),
    route.alternatives.length > 0
      ? element(
          "ul",
          { class: "alternatives", "aria-label": words.alternatives },
          route.alternatives.map((other) => element("li", {}, element("span", {}, taskName(other.task)), bar(other.confidence), element("span", { class: "figure" }, percent(other.confidence)))),
        )
      : null,
  );
}

/** Who answered, and how sure the router was: of the adapter, of the nearest one, or that no task fits. */
function summary(route, chosen) {
  const share = percent(route.confidence);
  if (route.version !== null) {
    const name = `${taskName(route.adapter)}${words.comma}${words.version(route.version)}`;
    return chosen ? [words.chosen(name), null] : [name, words.sure(share)];
  }
  if (chosen) return [words.chosen(words.baseModel), null];
  const nearest = route.alternatives[0];
  const unsure = nearest && Math.abs(nearest.confidence - route.confidence) < 0.001;
  return unsure ? [words.noneSure, words.nearestTask(taskName(nearest.task), share)] : [words.outside, words.sure(share)];
}

function taskName(task) {
  return words.tasks[task]?.name ?? task;
}
