// The view of documents: those that the key may read, their versions, and uploads.

import { get } from "./api.js";
import { element, fill, icon, newId } from "./dom.js";
import { day, languageOf, moment, words } from "./language.js";
import { notice } from "./problem.js";
import { may } from "./session.js";
import { uploadForm } from "./upload.js";

const AT_ONCE = 100;

export function documentsView() {
  const list = element("ul", { class: "documents" });
  const more = element("div", { class: "more" });
  const filter = element("input", { id: newId(), type: "search", autocomplete: "off", oninput: narrow });
  const count = element("p", { class: "small", role: "status" });
  const upload = may("ingest") ? uploadForm(() => may("documents") && begin()) : null;

  function narrow() {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of list.children) row.hidden = !row.dataset.words.includes(wanted);
    const shown = [...list.children].filter((row) => !row.hidden).length;
    count.textContent = words.documentCount(shown);
  }

  async function load(cursor) {
    fill(more, element("p", { class: "small" }, words.loading));
    try {
      const page = await get(`/v1/documents?limit=${AT_ONCE}&cursor=${encodeURIComponent(cursor)}`);
      list.append(...page.documents.map((version) => documentRow(version, upload)));
      fill(more, page.next_cursor ? element("button", { type: "button", onclick: () => load(page.next_cursor) }, words.moreDocuments) : null);
      narrow();
    } catch (problem) {
      fill(more, notice(problem, () => load(cursor)));
    }
  }

  function begin() {
    fill(list);
    return load("");
  }

  if (may("documents")) begin();
  return element(
    "section",
    { class: "view" },
    element("h1", {}, words.views.documents),
    upload?.root,
    may("documents")
      ? element("section", {}, element("div", { class: "list-head" }, element("h2", {}, words.catalogue), element("div", { class: "filter" }, element("label", { for: filter.id }, words.filter), filter)), count, list, more)
      : element("p", { class: "small" }, words.missingScope("documents")),
  );
}

function documentRow(version, upload) {
  const versions = element("div", { id: newId(), class: "versions", hidden: true });
  const button = element(
    "button",
    { type: "button", class: "row", "aria-expanded": "false", "aria-controls": versions.id },
    icon("fold"),
    element("span", { class: "row-title foreign", lang: languageOf(version.title) }, version.title),
    standing(version),
    element("span", { class: "small foreign" }, [version.document_id, words.version(version.version), words.languages[version.language] ?? version.language, version.product].filter(Boolean).join(" · ")),
  );

  async function toggle() {
    const opens = versions.hidden;
    versions.hidden = !opens;
    button.setAttribute("aria-expanded", String(opens));
    if (!opens || versions.childElementCount > 0) return;
    try {
      const document = await get(`/v1/documents/${encodeURIComponent(version.document_id)}`);
      fill(versions, element("ol", { reversed: true }, document.versions.toReversed().map(versionItem)), upload ? newVersion(version, upload) : null);
    } catch (problem) {
      fill(versions, notice(problem));
    }
  }

  button.addEventListener("click", toggle);
  const row = element("li", {}, button, versions);
  row.dataset.words = [version.title, version.document_id, version.product ?? ""].join(" ").toLowerCase();
  return row;
}

function versionItem(version) {
  return element(
    "li",
    { class: "version" },
    element("div", { class: "version-head" }, element("strong", {}, words.version(version.version)), standing(version), openButton(version)),
    element(
      "dl",
      {},
      fact(words.inForce, windows(version)),
      fact(words.readableBy, version.groups.map((group) => (group === "public" ? words.everybody : group)).join(words.comma)),
      fact(words.dataLevel, words.dataLevels[version.data_level] ?? version.data_level),
      fact(words.file, version.file_name),
      fact(words.recorded, moment(version.recorded_at)),
      fact(words.passages, String(version.chunks)),
    ),
  );
}

function openButton(version) {
  if (version.state !== "ready") return null;
  const address = `#documents/${encodeURIComponent(version.document_id)}/${version.version}`; // one that may be passed on: the next reader's own key decides
  return element("a", { class: "button", href: address, "aria-label": words.openVersion(version.title, version.version) }, words.openText);
}

function newVersion(version, upload) {
  return element("button", { type: "button", onclick: () => upload.forDocument(version) }, words.newVersion);
}

function fact(name, value) {
  return element("div", {}, element("dt", {}, name), element("dd", { class: "foreign" }, value));
}

function windows(version) {
  if (version.in_force.length === 0) return words.never;
  return version.in_force.map(([start, end]) => words.fromUntil(start && day(start), end && day(end))).join(words.comma);
}

/** Whether a version counts today, as a word. */
function standing(version) {
  const today = new Date().toLocaleDateString("sv-SE"); // the only common way of writing a day that sorts
  const now = version.in_force.some(([start, end]) => (!start || start <= today) && (!end || today < end));
  const later = version.in_force.find(([start]) => start && start > today);
  if (later && !now && version.state !== "withdrawn") return element("span", { class: "pill" }, words.standings.later(day(later[0])));
  const name = version.state === "withdrawn" ? "withdrawn" : now ? "current" : "past";
  return element("span", { class: `pill ${name}` }, words.standings[name]);
}
