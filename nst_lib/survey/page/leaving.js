/* Leaving the test: for a while with a link, or for good with the withdrawal code. */

import {all, find} from "./base.js";
import {once, show} from "./screens.js";
import {ask, patiently, release} from "./server.js";
import {state} from "./state.js";
import {announce} from "./status.js";
import {kept, replace, tabs} from "./storage.js";
import {say} from "./texts.js";

export const dialog = document.querySelector("dialog");
const letters = code => code.toLowerCase().replace(/[^a-z0-9]/g, "");

/* Forget the participant of this device. */
export function forget() {
  replace({});
  state.session = null;
  state.seen = new Set();
  release();
}

/* Write the withdrawal code where it can be used. */
export function fill() {
  for (const input of all(".withdraw input")) input.value = kept.code ?? "";
}

for (const form of all("form.withdraw")) {
  form.append(find("withdrawing").content.cloneNode(true));
  const [input, said] = [form.querySelector("input"), form.querySelector(".answer")];
  form.onsubmit = once(async event => {
    event.preventDefault();
    said.textContent = "";
    if (!confirm(say("withdraw.sure"))) return;
    const code = input.value.trim(), own = kept.code && letters(kept.code) === letters(code);
    said.textContent = await withdraw(code, own);
    if (said.textContent) return;
    input.value = "";
    dialog.close();
    if (!kept.code || own) forget();
    tabs.postMessage("withdrawn");
    show("gone");
    announce("");
  });
}

/* Delete whoever has this code. Return what went wrong, or an empty text. */
async function withdraw(code, own) {
  let attempts = 0;
  const send = () => {
    attempts += 1;
    return ask("POST", "withdraw", {body: {code}});
  };
  try {
    await patiently(send);
  } catch (error) {
    if (error.status !== 404) return error.message;
    const lost = attempts > 1;  // the reply to an attempt that succeeded
    if (!lost || !own) return say(lost ? "withdraw.lost" : "withdraw.unknown");
  }
  return "";
}

find("leave").onclick = () => {
  state.current.view?.stop();
  find("link").value = new URL(`#${[kept.token, kept.code].filter(Boolean).join(".")}`, location.href);
  fill();
  dialog.showModal();
};

dialog.addEventListener("close", () => state.current.section.querySelector("h1").focus());

for (const button of all("[data-copy]")) {
  button.onclick = async () => {
    const source = find(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.value);
      button.textContent = say("copied");
    } catch {
      if (source.select) source.select();
      else getSelection().selectAllChildren(source);
      button.textContent = say("selected");
    }
    setTimeout(() => { button.textContent = say("copy"); }, 3000);
  };
}

addEventListener("beforeunload", event => {
  if (kept.pending) event.preventDefault();
});
