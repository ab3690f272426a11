// A proposed loan rating, which a person decides.

import { bar, element } from "./dom.js";
import { percent, words } from "./language.js";

export function proposal(structured) {
  const probabilities = Object.entries(structured.probabilities ?? {});
  return element(
    "div",
    { class: "notice proposal" },
    element("p", { class: "notice-title" }, words.proposedRating, " ", element("strong", {}, words.ratings[structured.rating] ?? String(structured.rating))),
    probabilities.length > 0
      ? element(
          "ul",
          { class: "alternatives", "aria-label": words.probabilities },
          probabilities.map(([rating, share]) => element("li", {}, element("span", {}, words.ratings[rating] ?? rating), bar(share), element("span", { class: "figure" }, percent(share)))),
        )
      : null,
    element("p", {}, words.pendingReview),
  );
}
