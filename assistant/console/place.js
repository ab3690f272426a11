// Where a passage stands, in words.

import { words } from "./language.js";

/** Version, page and headings, as far as they are known. */
export function placeWords(place) {
  const page = place.page === null || place.page === undefined ? null : words.page(place.page);
  const headings = place.heading_path?.length ? place.heading_path.join(" › ") : null;
  return [words.version(place.version), page, headings].filter(Boolean).join(" · ");
}
