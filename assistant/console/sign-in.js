// Asking for a key. The field has no name, so that no form could ever put it into an address.

import { get } from "./api.js";
import { element, fill, newId } from "./dom.js";
import { chooseLanguage, otherLanguage, words } from "./language.js";
import { notice } from "./problem.js";
import { closeReader } from "./reader.js";
import { begin, tryKey } from "./session.js";

export function showSignIn(signedIn, reason = null) {
  document.title = `${words.signIn} · bankassist`;
  closeReader();
  const id = newId();
  const field = element("input", { id, type: "password", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "off", "aria-describedby": `${id}-hint` });
  const button = element("button", { class: "primary" }, words.signIn);
  const message = element("div", {}, reason ? notice(reason) : null);

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    fill(message);
    tryKey(field.value.trim());
    try {
      begin(await get("/v1/me"));
      signedIn();
    } catch (problem) {
      tryKey(null);
      fill(message, notice(problem));
      button.disabled = false;
      field.select();
      field.focus();
    }
  }

  function switchLanguage() {
    chooseLanguage([otherLanguage()]);
    showSignIn(signedIn);
    document.querySelector(".language").focus();
  }

  fill(
    document.body,
    element(
      "main",
      { class: "sign-in" },
      element("p", { class: "brand" }, element("img", { src: "/console/icon.svg", alt: "", width: 36, height: 36 }), "bankassist"),
      element("h1", {}, words.signInTitle),
      element("p", { class: "lead" }, words.signInLead),
      element(
        "form",
        { onsubmit: submit },
        element("label", { for: id }, words.key),
        field,
        element("p", { id: `${id}-hint`, class: "small" }, words.keyHint),
        message,
        button,
      ),
      element("button", { type: "button", class: "quiet language", lang: words.otherLanguageTag, onclick: switchLanguage }, words.otherLanguage),
    ),
  );
  field.focus();
}
