// An error as a person reads it: what happened, what to do, and where the service's log has more.

import { element } from "./dom.js";
import { words } from "./language.js";

/** A notice. `note` stands above its button; `retry` is what that does, if there is something to try again. */
export function notice(problem, retry = null, retryWords = words.tryAgain, note = null) {
  const [title, advice] = words.problems[problem.code] ?? words.problemsByStatus[problem.status] ?? words.problemUnknown;
  const forPeople = problem.status !== 401; // a wrong key needs no support, and what is said of it is for programs
  return element(
    "div",
    { class: "notice", role: "alert" },
    element("p", { class: "notice-title" }, title),
    element("p", {}, advice),
    problem.detail && forPeople ? element("p", { class: "small" }, `${words.serviceSaid} `, element("q", { lang: "en", class: "foreign" }, problem.detail)) : null,
    problem.trace && forPeople ? element("p", { class: "small" }, `${words.trace} `, element("code", {}, problem.trace)) : null,
    note ? element("p", {}, note) : null,
    retry ? element("button", { type: "button", onclick: retry }, retryWords) : null,
  );
}
