/* The page of the listening test for participants: the order of its screens. The server decides what comes next and
   stores the answers; this page plays the sounds and shows the questions. Texts of the survey are inserted as text,
   never as markup. */

import {find, make} from "./base.js";
import {channels, headphones, volume} from "./checks.js";
import {deliver, pathsOf} from "./delivery.js";
import "./keys.js";
import {KINDS} from "./kinds/index.js";
import {fill, forget} from "./leaving.js";
import {note, once, show, whenUnknown} from "./screens.js";
import {ask, patiently, release} from "./server.js";
import {state} from "./state.js";
import {announce} from "./status.js";
import {kept, recall, replace, tabs} from "./storage.js";
import {say, speak} from "./texts.js";
import {question} from "./trial.js";
import {admit, isAnother, meet, tidy, welcome} from "./welcome.js";

/* Continue at the place that the server says. */
async function resume(text = "") {
  if (kept.pending?.answer) text = await deliver(kept.pending) || text;
  state.session = await patiently(() => ask("GET", "session"));
  tidy();
  if (state.session.next === null) await finish();
  proceed(text);
}

/* Ask for what the server only says at the end. */
async function finish() {
  if (state.about.parameter && !state.session.completion) state.session = await patiently(() => ask("GET", "session"));
}

function proceed(text = "") {
  const {session} = state, {next, screens} = session;
  const sounds = next !== null && screens.slice(next).some(screen => screen.sounds.length);
  const upcoming = next === null ? [] : pathsOf(session, next);
  const again = () => proceed();
  if (session.screened_out !== null) screened();
  else if (next === null) thanks();
  else if (sounds && !kept.loud) volume(again);
  else if (sounds && session.channel_checks && session.channels === null) channels(again, upcoming);
  else if (sounds && session.checks && session.headphones === null && (session.headphones_required || !kept.unchecked)) headphones(again, upcoming);
  else if (!prepare(next)) present(next);
  announce(text);
}

/* ---- what comes next ---- */

/* Return the screens of the same block, in their order. */
const alike = (block, training) => [...state.session.screens.keys()].filter(k => {
  const screen = state.session.screens[k];
  return screen.block === block && screen.training === training;
});

const answered = places => places.filter(k => state.session.answered.includes(k)).length;

/* The question of a screen. */
function wordingOf(screen) {
  const block = state.session.blocks[screen.block];
  return screen.view.wording ?? KINDS[block.kind].wording?.() ?? "";
}

/* Show a note before a block, between its practice and its test, or for a break. Return whether there is one. */
function prepare(k) {
  const {screens, blocks, rest_every: rest} = state.session, screen = screens[k];
  if (!screen.sounds.length) return false;
  const {block, training} = screen, kind = blocks[block].kind, Kind = KINDS[kind];
  const places = alike(block, training), done = answered(places), n = places.length;
  const practised = !training && alike(block, true).length > 0;
  const parts = [...new Set(screens.filter(one => one.sounds.length).map(one => one.block))];
  const part = {k: parts.indexOf(block) + 1, n: parts.length}, several = part.n > 1;
  const read = (name, heading, texts) => {
    if (state.seen.has(name)) return false;
    note(heading, texts, [say("continue"), () => { state.seen.add(name); proceed(); }]);
    return true;
  };
  if (training) {
    return read(`${block} practice`, several ? say("note.part_practice", part) : say("note.practice"), [
      say(`${kind}.practice`, {n}), ...asked(places), ...Kind.notes(blocks[block]), ...(Kind.free ? [say("note.free")] : [])]);
  }
  if (!done) {
    return read(`${block} test`, several ? say("note.part", part) : say("note.test"), [
      say(`${kind}.test`, {n}), ...asked(places), ...(practised ? [] : Kind.notes(blocks[block])),
      ...(Kind.repeats ? [say("note.repeats")] : []), ...(Kind.free && !practised ? [say("note.free")] : [])]);
  }
  if (done % rest) return false;
  return read(`${block} ${done}`, say("note.break"), [say("note.break_text", {done, n})]);
}

/* Return the question of these screens; the first one, if they differ. */
function asked(places) {
  const wordings = new Set(places.map(k => wordingOf(state.session.screens[k]))), [first] = wordings;
  if (!first) return [];
  return [make("p", {class: "lead"}, say(wordings.size > 1 ? "note.first_question" : "note.question")),
    make("blockquote", {}, first)];
}

/* Show a screen of the test. */
function present(k) {
  const {session} = state, {screens, blocks} = session, screen = screens[k], block = blocks[screen.block];
  const places = alike(screen.block, screen.training), number = {k: places.indexOf(k) + 1, n: places.length};
  const tested = [...screens.keys()].filter(n => !screens[n].training && screens[n].sounds.length);
  const heading = !screen.sounds.length ? block.title
    : say(screen.training ? "trial.practice" : `${block.kind}.number`, number);
  question({
    heading,
    progress: screen.training || !screen.sounds.length ? null : [answered(tested), tested.length],
    Kind: KINDS[block.kind],
    block,
    wording: wordingOf(screen),
    paths: pathsOf(session, k),
    place: k,
    upcoming: pathsOf(session, k + 1),
    answer: async (answer, listening) => {
      const text = await deliver({k, answer, ...listening});
      if (!state.session) return;
      if (state.session.next === null) await finish();
      proceed(text);
      tabs.postMessage("answered");
    },
  });
}

/* ---- the end ---- */

function back(link, url) {
  link.hidden = !url;
  if (url) link.href = url;
}

function farewell(id) {
  state.current.view?.close();
  show(id);
  fill();
  release();
}

function thanks() {
  const {thanks: text, completion} = state.session;
  farewell("thanks");
  find("thanked").replaceChildren(...text.split(/\n\s*\n/).map(part => make("p", {}, part)));
  find("code").textContent = kept.code ?? "";
  find("withdrawal").hidden = !kept.code;
  find("elsewhere").hidden = Boolean(kept.code);
  find("completion").hidden = !completion?.code;
  find("completed").textContent = completion?.code ?? "";
  back(find("back"), completion?.url);
  find("close").hidden = Boolean(completion?.url);
  find("next").hidden = Boolean(state.about.parameter);
}

function screened() {
  farewell("screened");
  back(find("away"), state.session.screened_out);
}

find("next").onclick = () => {
  if (kept.code && !confirm(say("thanks.written"))) return;
  forget();
  welcome();
};

/* ---- other tabs ---- */

/* Follow another tab, in which the participant has continued or withdrawn. */
const follow = once(async () => {
  recall();
  if (!state.session || state.current.sending) return;
  const found = await patiently(() => ask("GET", "session"));
  if (!state.session || state.current.sending) return;
  state.session = found;
  if (found.next === null || found.answered.includes(state.current.place)) proceed(say("tab.continued"));
});

tabs.onmessage = follow;
addEventListener("storage", once(async () => { if (state.session) recall(); }));
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && state.session && state.current.place !== null) follow();
});

/* ---- beginning ---- */

/* Continue as the participant of a link. Return a message, or an empty text. */
async function adopt() {
  const [, token, code] = location.hash.match(/^#([\w-]{20,})(?:\.([\w-]+))?$/) ?? [];
  if (!token) return "";
  history.replaceState(null, "", location.pathname + location.search);
  if (token === kept.token) return "";
  try {
    await patiently(() => ask("GET", "session", {token}));
  } catch (error) {
    if (error.status !== 401) throw error;
    return say("unknown.link");
  }
  forget();
  replace({token, code});
  return "";
}

const begin = once(async () => {
  state.about = await patiently(() => ask("GET", "survey", {token: null}));
  speak(state.about.language);
  recall();
  meet();
  find("name").textContent = state.about.title;
  const text = await adopt();
  if (kept.token && !await isAnother()) await resume(text);
  else welcome(text);
});

whenUnknown(text => {
  forget();
  welcome(text);
});
admit(resume);
addEventListener("hashchange", () => { if (location.hash) begin(); });
begin();
