// The view of questions: a form, and below it the answers, the newest first.

import { get } from "./api.js";
import { element, fill, newId } from "./dom.js";
import { words } from "./language.js";
import { may } from "./session.js";
import { turn } from "./turn.js";

export function askView() {
  const question = element("textarea", { id: newId(), rows: 3, required: true, onkeydown: sendOnEnter });
  const asOf = element("input", { id: newId(), type: "date", min: "1900-01-01", max: "2999-12-31" });
  const adapter = element("select", { id: newId() }, element("option", { value: "auto" }, words.automatic), element("option", { value: "base" }, words.onlyBaseModel));
  const form = element("form", { class: "ask", onsubmit: submit });
  const turns = element("div", { class: "turns" });
  const empty = element("p", { class: "lead" }, words.askLead);

  function submit(event) {
    event.preventDefault();
    if (!question.value.trim()) return question.focus();
    start({ question: question.value.trim(), adapter: adapter.value, as_of: asOf.value || null });
    question.value = "";
  }

  function start(asked) {
    empty.hidden = true;
    const asking = turn(asked, start);
    turns.prepend(asking);
    // on a small screen the answer would begin below the fold
    if (asking.getBoundingClientRect().top > innerHeight * 0.7) asking.scrollIntoView({ block: "start" });
  }

  form.append(
    element("label", { for: question.id, class: "hidden" }, words.question),
    question,
    element(
      "div",
      { class: "options" },
      element("div", {}, element("label", { for: adapter.id }, words.answeredBy), adapter),
      element("div", {}, element("label", { for: asOf.id }, words.asOf), asOf),
      element("button", { class: "primary" }, words.ask),
    ),
    element("p", { class: "small hint" }, words.askHint),
  );
  question.setAttribute("placeholder", words.questionPlaceholder);
  if (may("adapters")) offerAdapters(adapter);
  return element("section", { class: "view" }, element("h1", {}, words.askTitle), empty, form, turns);
}

/** Enter sends; not the Enter that ends the typing of a Chinese word. */
function sendOnEnter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.target.form.requestSubmit();
}

/** The adapters that this key may use: the active version by name, others with their number. */
async function offerAdapters(select) {
  try {
    const { adapters } = await get("/v1/adapters");
    const active = adapters.filter((adapter) => adapter.state === "active");
    const others = adapters.filter((adapter) => adapter.state !== "active");
    select.append(
      ...active.map((adapter) => element("option", { value: adapter.name }, `${words.tasks[adapter.name]?.name ?? adapter.name} (${words.version(adapter.version)})`)),
    );
    if (others.length > 0) {
      const group = element("optgroup", { label: words.notInUse });
      fill(group, others.map((adapter) => element("option", { value: `${adapter.name}@${adapter.version}` }, `${words.tasks[adapter.name]?.name ?? adapter.name} (${words.version(adapter.version)}, ${words.adapterStates[adapter.state] ?? adapter.state})`)));
      select.append(group);
    }
  } catch {
    // without the list, "automatic" and the base model are left to choose from
  }
}
