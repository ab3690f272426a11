// Sending files: how much has left, and what became of each file.

import { get, upload } from "./api.js";
import { element, fill, newId } from "./dom.js";
import { number, percent, words } from "./language.js";
import { notice } from "./problem.js";
import { currentCaller, currentKey, may } from "./session.js";

const LOOK_EVERY_MS = 700;
const FORMATS = ".pdf,.docx,.xlsx,.html,.htm,.md,.markdown,.txt";
const ENDED = new Set(["done", "partly_done", "failed", "cancelled"]);

/** The form and the uploads of this session. `arrived` is called when documents came in. */
export function uploadForm(arrived) {
  const files = field("input", { type: "file", multiple: true, required: true, accept: FORMATS });
  const others = field("input", { type: "text", autocomplete: "off", spellcheck: "false" });
  const title = field("input", { type: "text", maxlength: 500, autocomplete: "off" });
  const documentId = field("input", { type: "text", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,127}", autocomplete: "off", spellcheck: "false" });
  const from = field("input", { type: "date" });
  const until = field("input", { type: "date" });
  const level = field("select", {}, Object.entries(words.dataLevels).map(([value, name]) => element("option", { value, selected: value === "internal" }, name)));
  const groups = ["public", ...currentCaller().groups].map((group) => ({ group, box: element("input", { id: newId(), type: "checkbox" }) }));
  const message = element("div", {});
  const jobs = element("ul", { class: "jobs" });
  const button = element("button", { class: "primary" }, words.upload);

  function metadata() {
    const named = groups.filter(({ box }) => box.checked).map(({ group }) => group);
    const typed = others.value.split(/[\s,，、]+/u).filter(Boolean);
    const entries = { groups: [...named, ...typed], title: title.value.trim(), document_id: documentId.value.trim(), valid_from: from.value, valid_until: until.value, data_level: level.value };
    return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== ""));
  }

  async function submit(event) {
    event.preventDefault();
    fill(message);
    const values = metadata();
    if (values.groups.length === 0) {
      fill(message, element("p", { class: "notice", role: "alert" }, words.groupsNeeded));
      return groups[0].box.focus();
    }
    const form = new FormData();
    const chosen = [...files.files];
    for (const file of chosen) form.append("file", file);
    form.append("metadata", JSON.stringify(values));
    const shown = jobItem(chosen.map((file) => file.name));
    jobs.prepend(shown.root);
    button.disabled = true;
    try {
      const { job_id: id } = await upload(form, shown.sending);
      files.value = "";
      watch(id, shown, arrived);
    } catch (problem) {
      shown.root.remove();
      fill(message, notice(problem));
    }
    button.disabled = false;
  }

  /** Prepare the form for the next version of a document. */
  function forDocument(version) {
    root.open = true;
    documentId.value = version.document_id;
    title.value = version.title;
    level.value = version.data_level;
    for (const { group, box } of groups) box.checked = version.groups.includes(group);
    others.value = version.groups.filter((group) => !groups.some((known) => known.group === group)).join(", ");
    more.open = true;
    files.focus();
    root.scrollIntoView({ block: "start" });
  }

  const more = element(
    "details",
    { class: "quiet-details" },
    element("summary", {}, words.moreFields),
    element("div", { class: "fields" }, labelled(words.title, title), labelled(words.documentId, documentId, words.documentIdHint), labelled(words.dataLevel, level)),
  );
  const form = element(
    "form",
    { class: "upload", onsubmit: submit },
    labelled(words.files, files, words.filesHint),
    element(
      "fieldset",
      {},
      element("legend", {}, words.readers),
      groups.map(({ group, box }) => element("label", { class: "choice", for: box.id }, box, group === "public" ? words.everybody : group)),
      may("admin") ? labelled(words.otherGroups, others) : null, // others can give only groups that are theirs
    ),
    element("div", { class: "fields" }, labelled(words.validFrom, from), labelled(words.validUntil, until)),
    more,
    message,
    button,
  );
  const root = element("details", { class: "panel" }, element("summary", {}, words.uploadTitle), form, jobs);
  return { root, forDocument };
}

/** Look at a job until it has ended, or until the session has. */
async function watch(id, shown, arrived) {
  const key = currentKey();
  for (;;) {
    let job;
    try {
      job = await get(`/v1/jobs/${encodeURIComponent(id)}`);
    } catch (problem) {
      return shown.failed(problem, () => watch(id, shown, arrived));
    }
    if (currentKey() !== key) return undefined;
    shown.update(job);
    if (ENDED.has(job.state)) return job.counts.indexed > 0 ? arrived() : undefined;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** One upload: a bar while it is sent and read, then what became of each file. */
function jobItem(names) {
  const state = element("p", { role: "status" }, words.sending(percent(0)));
  const progress = element("progress", { max: 1, value: 0, "aria-label": words.progressOf(names.join(words.comma)) });
  const results = element("ul", { class: "results" });
  const root = element("li", { class: "job" }, element("p", { class: "job-names foreign" }, names.join(words.comma)), progress, state, results);
  return {
    root,
    sending(share) {
      progress.value = share;
      state.textContent = words.sending(percent(share));
    },
    update(job) {
      const done = job.counts.indexed + job.counts.unchanged + job.counts.refused;
      if (ENDED.has(job.state)) progress.remove();
      else if (job.state === "queued" || done === 0) progress.removeAttribute("value"); // the bar moves without an end in sight
      else progress.value = done / job.counts.files;
      state.textContent = job.state === "running" ? words.filesDone(done, job.counts.files) : words.jobStates[job.state];
      root.dataset.state = job.state;
      fill(results, job.files.map(resultItem), job.reason ? element("li", { lang: "en", class: "failed foreign" }, job.reason) : null);
    },
    failed(problem, retry) {
      progress.remove();
      fill(results, element("li", {}, notice(problem, retry)));
    },
  };
}

function resultItem(file) {
  return element(
    "li",
    { class: file.state },
    element("span", { class: "foreign" }, file.path),
    element("span", { class: "small" }, file.state === "refused" ? words.fileStates.refused : `${words.fileStates[file.state]} · ${words.version(file.version)} · ${words.passageCount(number(file.chunks))}`),
    file.reason ? element("span", { class: "small foreign", lang: "en" }, file.reason) : null,
  );
}

function field(tag, attributes, ...children) {
  return element(tag, { id: newId(), ...attributes }, ...children);
}

function labelled(name, control, hint = null) {
  const hintId = hint ? newId() : null;
  if (hintId) control.setAttribute("aria-describedby", hintId);
  return element("div", { class: "field" }, element("label", { for: control.id }, name), control, hint ? element("p", { class: "small", id: hintId }, hint) : null);
}
