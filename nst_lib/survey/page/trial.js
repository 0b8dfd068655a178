/* One screen with one question: the frame around a view of any kind. See kinds/index.js for what a view has. */

import {find, make} from "./base.js";
import {once, show, trouble} from "./screens.js";
import {release, sound} from "./server.js";
import {state} from "./state.js";
import {say} from "./texts.js";

const LONGEST = 86400;  // s

const form = find("trial").querySelector("form");
const confirm = form.querySelector(".main");

function hint(text) {
  if (find("hint").textContent !== text) find("hint").textContent = text;
}

/* Show a question.

   Kind, block, wording, paths: what the view is made from. progress: [done, all], or null. upcoming: paths to load next.
   answer(given, {plays, seconds}): what happens to the answer. */
export function question({heading, progress, Kind, block, wording, paths, place = null, upcoming, answer}) {
  const begun = performance.now();
  state.current.view?.close();
  find("task").replaceChildren();
  confirm.disabled = true;
  hint("");
  let view = null;
  const changed = () => { if (view) confirm.disabled = !view.ready || Boolean(state.current.sending); };
  view = new Kind({box: find("task"), block, wording, paths, changed, hint});
  show("trial", {heading, view, place});
  find("done").hidden = !progress;
  if (progress) [find("done").value, find("done").max] = progress;
  find("wording").textContent = wording;
  find("wording").hidden = !wording;
  help(view.keys);
  changed();
  release([...paths, ...upcoming]);
  view.load().then(() => upcoming.forEach(one => sound(one).catch(() => {}))).catch(trouble);
  form.onsubmit = once(async event => {
    event.preventDefault();
    const given = view.ready ? view.give() : null;
    if (given === null) return;
    const screen = state.current, seconds = Math.min((performance.now() - begun) / 1000, LONGEST);
    screen.sending = true;
    view.stop();
    view.lock(true);
    confirm.disabled = true;
    hint("");
    try {
      await answer(given, {plays: view.plays, seconds: Number(seconds.toFixed(1))});
    } catch (error) {
      screen.sending = false;
      view.lock(false);
      changed();
      throw error;
    }
  });
}

/* List the keys of a view. */
function help(lines) {
  const name = key => make("kbd", {}, key);
  const named = keys => typeof keys === "string" ? [name(say(keys))]
    : keys.length === 1 || Number(keys[1]) - Number(keys[0]) === 1 ? keys.flatMap(key => [name(key), " "])
    : say("keys.to", {a: "\n", b: "\n"}).split("\n").flatMap((text, n) => n ? [name(keys[n - 1]), text] : [text]);
  const all = [...lines, ["keys.enter", "keys.confirm"]];
  find("trial").querySelector("details").hidden = !lines.length;
  find("list").replaceChildren(...all.flatMap(([keys, message, values]) =>
    [make("dt", {}, ...named(keys)), make("dd", {}, say(message, values))]));
}
