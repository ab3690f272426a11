// What surrounds every view: the name of the house, the way between views, who is signed in.

import { adaptersView } from "./adapters.js";
import { askView } from "./ask.js";
import { documentsView } from "./documents.js";
import { element, fill } from "./dom.js";
import { words } from "./language.js";
import { closeReader, openText } from "./reader.js";
import { currentCaller, end, may } from "./session.js";

/** Each view: its name in the address, the scopes of which it needs one, how it is made. */
const VIEWS = [
  { name: "ask", scopes: ["ask"], make: askView },
  { name: "documents", scopes: ["documents", "ingest"], make: documentsView },
  { name: "adapters", scopes: ["adapters"], make: adaptersView },
];

let leave = () => {};

export function showFrame() {
  leave();
  const open = VIEWS.filter((view) => view.scopes.some(may));
  const made = new Map(); // a view is kept, so that an answer still arrives while another view is looked at
  const links = new Map(open.map((view) => [view.name, element("a", { href: `#${view.name}` }, words.views[view.name])]));
  const main = element("main", { id: "main", tabindex: "-1" });

  let shown = null;

  function show() {
    const [name, documentId, version] = location.hash.slice(1).split("/").map(decodeURIComponentSafely);
    const wanted = VIEWS.find((view) => view.name === name) ?? open[0];
    for (const [linked, link] of links) {
      if (linked === wanted?.name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = `${wanted ? words.views[wanted.name] : words.nothingOpen} · bankassist`;
    if (wanted && open.includes(wanted)) {
      if (!made.has(wanted.name)) made.set(wanted.name, wanted.make());
      if (shown !== wanted) fill(main, made.get(wanted.name));
      closeReader();
      if (documentId && /^[1-9]\d{0,8}$/.test(version ?? "")) openText({ document_id: documentId, version: Number(version) });
    } else {
      fill(main, missing(wanted));
    }
    if (shown !== null && shown !== wanted) main.focus();
    shown = wanted ?? null;
  }

  const changed = () => show();
  addEventListener("hashchange", changed);
  leave = () => removeEventListener("hashchange", changed);
  fill(
    document.body,
    element("a", { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) }, words.skip),
    element(
      "header",
      { class: "frame" },
      element("p", { class: "brand" }, element("img", { src: "/console/icon.svg", alt: "", width: 28, height: 28 }), "bankassist"),
      links.size > 0 ? element("nav", { "aria-label": words.navigation }, [...links.values()]) : null,
      element(
        "div",
        { class: "account" },
        element("span", { class: "caller", title: words.signedInAs }, currentCaller().name),
        element("button", { type: "button", class: "quiet", onclick: () => end() }, words.signOut),
      ),
    ),
    main,
  );
  show();
  if (!document.querySelector("dialog")) (main.querySelector("textarea") ?? main).focus();
}

/** The view that a key does not open, said plainly. */
function missing(view) {
  return element(
    "section",
    { class: "view" },
    element("h1", {}, view ? words.views[view.name] : words.nothingOpen),
    element("div", { class: "notice refusal" }, element("p", { class: "notice-title" }, view ? words.missingScope(view.scopes[0]) : words.missingEveryScope), element("p", {}, words.missingScopeAdvice)),
  );
}

function decodeURIComponentSafely(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
