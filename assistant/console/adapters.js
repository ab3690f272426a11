// The view of adapters: what each is for, its versions, and their figures.

import { get } from "./api.js";
import { element, fill } from "./dom.js";
import { moment, number, words } from "./language.js";
import { notice } from "./problem.js";

export function adaptersView() {
  const list = element("div", { class: "adapters" });

  async function load() {
    fill(list, element("p", { class: "small" }, words.loading));
    try {
      const { adapters } = await get("/v1/adapters");
      fill(list, adapters.length > 0 ? byName(adapters).map(adapterCard) : element("p", {}, words.noAdapters));
    } catch (problem) {
      fill(list, notice(problem, load));
    }
  }

  load();
  return element("section", { class: "view" }, element("h1", {}, words.views.adapters), element("p", { class: "lead" }, words.adaptersLead), list);
}

/** The versions of each adapter, the newest first. */
function byName(adapters) {
  const names = [...new Set(adapters.map((adapter) => adapter.name))];
  return names.map((name) => adapters.filter((adapter) => adapter.name === name).sort((one, other) => other.version - one.version));
}

function adapterCard(versions) {
  const { name, description } = versions[0];
  const known = words.tasks[name];
  return element(
    "section",
    { class: "panel adapter" },
    element("h2", {}, known?.name ?? name),
    element("p", { class: "foreign", lang: known?.description ? null : "en" }, known?.description ?? description),
    element("p", { class: "small" }, element("code", {}, name)),
    versions.map(versionCard),
  );
}

function versionCard(adapter) {
  const figures = Object.entries(adapter.figures ?? {}).map(([name, value]) => fact(words.figures[name] ?? name, number(value, { maximumFractionDigits: 3 })));
  return element(
    "div",
    { class: "version" },
    element("div", { class: "version-head" }, element("h3", {}, words.version(adapter.version)), element("span", { class: `pill ${adapter.state}` }, words.adapterStates[adapter.state] ?? adapter.state)),
    element(
      "dl",
      {},
      figures,
      fact(words.kind, words.adapterKinds[adapter.kind] ?? adapter.kind),
      fact(words.created, moment(adapter.created_at)),
      adapter.activated_at ? fact(words.activated, moment(adapter.activated_at)) : null,
      fact(words.digest, element("code", { title: adapter.digest }, adapter.digest.slice(0, 12))),
      fact(words.baseDigest, element("code", { title: adapter.base_digest }, adapter.base_digest.slice(0, 12))),
    ),
  );
}

function fact(name, value) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, value));
}
