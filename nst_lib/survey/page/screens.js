/* Showing one screen at a time, and what happens to a screen whose task fails. */

import {all, find, make} from "./base.js";
import {state} from "./state.js";
import {announce} from "./status.js";
import {kept} from "./storage.js";
import {say} from "./texts.js";

const PAUSED = ["volume", "note", "trial"];  // screens that can be left for a while

/* Show a section. Its view, if it has one, plays sounds and has keys of its own. */
export function show(id, {heading = "", view = null, place = null} = {}) {
  state.current.view?.stop();
  for (const section of all("main > section")) section.hidden = section.id !== id;
  const section = find(id), title = section.querySelector("h1");
  if (heading) title.textContent = heading;
  document.title = [...new Set([title.textContent, state.about.title])].join(" · ");
  find("name").hidden = id === "welcome";
  document.querySelector("footer").hidden = !PAUSED.includes(id);
  state.current = {section, view, place};
  scrollTo(0, 0);
  title.focus({preventScroll: true});
}

/* Show texts, and one or two buttons: [label, task]. */
export function note(heading, texts, next, aside = null) {
  show("note", {heading});
  const section = find("note"), [main, other] = section.querySelectorAll("button");
  section.querySelector(".text").replaceChildren(...texts.map(text => text instanceof Node ? text : make("p", {}, text)));
  [main.textContent, main.onclick] = next;
  other.hidden = !aside;
  [other.textContent, other.onclick] = aside ?? ["", null];
}

let unknown = () => {};

/* Say what to do when the server does not know this device any more. */
export function whenUnknown(task) {
  unknown = task;
}

export function trouble(error) {
  if (error.status === 401 && kept.token) unknown(say("unknown.device"));
  else announce(error.message);
}

/* Return a task that cannot be started again while it runs. */
export function once(task) {
  let running = false;
  return async (...values) => {
    if (running) return;
    running = true;
    try {
      await task(...values);
    } catch (error) {
      trouble(error);
    } finally {
      running = false;
    }
  };
}
