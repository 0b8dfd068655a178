/* The page of the listening test for participants. The server decides what comes next and stores the
   ratings; this page plays the sounds and shows the questions. Texts of the survey are inserted as text,
   never as markup. */

const KEPT = "nst-survey";
const TONES = ["first", "second", "third"];
const LONGEST_WAIT = 30, PATIENCE = 30000;  // longest time between two attempts (s), and for a reply (ms)
const SLOWEST = 4;  // a reply gets as much more time as a connection of this rate needs (bytes per ms)
const WHOLE = 0.9;  // share of a sound that must have been played when it ends; the server uses it too
const ATTEMPTS = 5;  // number of attempts to send a rating that the server refuses as too early
const find = id => document.getElementById(id);
const all = selector => document.querySelectorAll(selector);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const tabs = new BroadcastChannel(KEPT);  // other tabs with the same test

let about = null;  // the public part of the survey
let session = null;  // the state of this participant, from the server
let seen = new Set();  // the notes that were shown since the page was opened
let current = {};  // what is on the screen: section, player, place of the sound, whether it is sending

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/* ---- what this device stores: token, code, loud, unchecked, pending ---- */

let kept = {};
const shelf = () => `${KEPT} ${about.key}`;  // each survey that was ever at this address has its own

/* Read the storage again, because another tab may have changed it. Reload if the participant is another. */
function recall() {
  const before = kept.token;
  try {
    kept = JSON.parse(localStorage.getItem(shelf()) ?? "{}");
  } catch { /* no storage: the values last as long as the page is open */ }
  if (!session || kept.token === before) return;
  session = null;
  location.reload();
  throw new Error("Another person takes part in another tab now.");
}

function keep(changes) {
  recall();
  replace({...kept, ...changes});
}

function replace(values) {
  kept = values;
  try {
    localStorage.setItem(shelf(), JSON.stringify(kept));
  } catch { /* as above */ }
}

function forget() {
  replace({});
  session = null;
  seen = new Set();
  release([]);
}

/* ---- asking the server ---- */

class Trouble extends Error {
  constructor(status, message, {after = null, rating = null} = {}) {
    super(message);
    Object.assign(this, {status, after, rating});
  }

  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

async function ask(method, path, {body, token = kept.token} = {}) {
  const headers = {};
  if (token) headers.Authorization = "Bearer " + token;
  if (body) headers["Content-Type"] = "application/json";
  const stop = new AbortController();
  let response, content, timer;
  const wait = (bytes = 0) => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), PATIENCE + bytes / SLOWEST);
  };
  try {
    wait();
    response = await fetch("api/" + path, {
      method, headers, signal: stop.signal, credentials: "omit", body: body && JSON.stringify(body),
    });
    wait(Number(response.headers.get("Content-Length")));
    const sound = (response.headers.get("Content-Type") ?? "").startsWith("audio/");
    content = await (sound ? response.blob() : response.json());
  } catch {
    throw new Trouble(response && !response.ok ? response.status : 0, "The connection is lost.");
  } finally {
    clearTimeout(timer);
  }
  if (response.ok) return content;
  const after = Number(response.headers.get("Retry-After")) || null;
  throw new Trouble(response.status, content.error, {after, rating: content.rating});
}

const waiting = new Map();  // task that waits for the server -> message about it

/* Repeat a request until there is a reply, and show a message meanwhile. */
async function patiently(task, comfort = "") {
  const name = Symbol("task");
  try {
    for (let wait = 1; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
      try {
        return await task();
      } catch (error) {
        if (!error.passes) throw error;
        const why = error.status ? "The server is busy." : "The connection is lost.";
        waiting.set(name, `${why} ${comfort || "Trying again…"}`);
        tell();
        await pause(error.after ?? wait);
      }
    }
  } finally {
    waiting.delete(name);
    tell();
  }
}

/* Wait, or until the browser is online again. */
function pause(seconds) {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, 1000 * seconds);
    addEventListener("online", done);
  });
}

const sounds = new Map();  // path -> promise of the sound's address in memory

function sound(path) {
  if (!sounds.has(path)) {
    const loading = patiently(() => ask("GET", path)).then(blob => URL.createObjectURL(blob));
    sounds.set(path, loading);
    loading.catch(() => sounds.delete(path));
  }
  return sounds.get(path);
}

function release(needed) {
  for (const [path, loading] of sounds) {
    if (needed.includes(path)) continue;
    sounds.delete(path);
    loading.then(address => URL.revokeObjectURL(address), () => {});
  }
}

/* ---- saying and showing ---- */

let notice = "";

function tell() {
  const text = [notice, ...new Set(waiting.values())].filter(Boolean).join(" ");
  if (find("said").textContent !== text) find("said").textContent = text;
}

function say(text) {
  notice = text;
  tell();
}

function trouble(error) {
  if (error.status !== 401 || !kept.token) {
    say(error.message);
    return;
  }
  forget();
  welcome("The server does not know this device any more. You have withdrawn, or the test has changed.");
}

/* Return a task that cannot be started again while it runs. */
function once(task) {
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

function show(id, {heading = "", player = null, place = null} = {}) {
  for (const one of Object.values(players)) one.stop();
  for (const section of all("main > section")) section.hidden = section.id !== id;
  const section = find(id), title = section.querySelector("h1");
  if (heading) title.textContent = heading;
  document.title = [...new Set([title.textContent, about.title])].join(" · ");
  find("name").hidden = id === "welcome";
  document.querySelector("footer").hidden = !["loudness", "note", "trial"].includes(id);
  current = {section, player, place};
  scrollTo(0, 0);
  title.focus({preventScroll: true});
}

function note(heading, texts, next, aside = null) {
  show("note", {heading});
  const section = find("note"), [main, other] = section.querySelectorAll("button");
  section.querySelector(".text").replaceChildren(...texts.map(text => make("p", {}, text)));
  [main.textContent, main.onclick] = next;
  other.hidden = !aside;
  [other.textContent, other.onclick] = aside ?? ["", null];
}

const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

/* ---- playing ---- */

class Player {
  constructor(box, {loop = false, begun = () => {}, ended = () => {}} = {}) {
    box.append(find("player").content.cloneNode(true));
    [this.audio, this.button, this.bar, this.time] = box.children;
    Object.assign(this, {begun, ended, plays: 0, path: null});
    this.audio.loop = loop;
    this.button.onclick = () => this.toggle();
    for (const type of ["play", "pause", "loadedmetadata", "timeupdate"])
      this.audio.addEventListener(type, () => this.show());
    this.audio.addEventListener("playing", () => {
      this.begun();
      this.follow();
    });
    this.audio.addEventListener("ended", () => this.end());
    this.audio.addEventListener("error", () => this.fail());
  }

  async load(path) {
    this.stop();
    Object.assign(this, {path, plays: 0});
    this.audio.removeAttribute("src");
    this.audio.load();
    this.button.disabled = true;
    this.show();
    const address = await sound(path);
    if (this.path !== path) return;
    this.audio.src = address;
    this.button.disabled = false;
  }

  async toggle() {
    if (this.button.disabled) return;
    if (!this.audio.paused) {
      this.stop();
      return;
    }
    this.audio.currentTime = 0;
    try {
      await this.audio.play();
    } catch (error) {
      if (error.name === "NotAllowedError") say("The browser blocked the sound. Please press Play.");
    }
  }

  stop() {
    this.audio.pause();
    if (this.audio.readyState) this.audio.currentTime = 0;
  }

  get whole() {
    const {played, duration} = this.audio;
    let seconds = 0;
    for (let n = 0; n < played.length; n++) seconds += played.end(n) - played.start(n);
    return seconds >= WHOLE * duration;
  }

  end() {
    if (this.whole) this.plays += 1;
    this.show();
    this.ended(this.whole);
  }

  fail() {
    if (!this.audio.hasAttribute("src")) return;
    sounds.delete(this.path);
    say("The browser cannot play this sound. Loading it again…");
    pause(2).then(() => this.load(this.path)).then(() => say(""), trouble);
  }

  show() {
    const {paused, currentTime, duration, ended} = this.audio;
    const whole = Number.isFinite(duration) ? duration : 0;
    this.button.textContent = !paused ? "Stop" : this.plays ? "Play again" : "Play";
    this.bar.value = whole ? (ended ? 1 : currentTime / whole) : 0;
    this.time.textContent = whole ? `${currentTime.toFixed(1)} of ${whole.toFixed(1)} s` : "loading…";
  }

  follow() {
    this.show();
    if (!this.audio.paused && !still.matches) requestAnimationFrame(() => this.follow());
  }
}

const players = {
  loudness: new Player(find("loudness").querySelector(".player"), {
    loop: true,
    begun: () => { find("loudness").querySelector(".main").disabled = false; },
  }),
  trial: new Player(find("trial").querySelector(".player"), {
    begun: () => { if (find("trial").querySelector("fieldset").disabled) hint("Playing…"); },
    ended: whole => {
      find("trial").querySelector("fieldset").disabled = !whole;
      hint(!whole ? "Please play the whole sound." : chosen() ? "" : "Now choose an answer.");
    },
  }),
};

/* ---- one sound and one question: a trial, or a question of the headphone check ---- */

const form = find("trial").querySelector("form");
const chosen = () => form.querySelector(":checked")?.value;

function hint(text) {
  find("hint").textContent = text;
}

function question({heading, progress, wording, labels, path, place, upcoming, answer}) {
  const begun = performance.now();
  show("trial", {heading, player: players.trial, place});
  find("done").hidden = !progress;
  if (progress) [find("done").value, find("done").max] = progress;
  find("wording").textContent = wording;
  find("last").textContent = labels.length;
  form.querySelector("fieldset").disabled = form.querySelector(".main").disabled = true;
  form.querySelector(".choices").replaceChildren(...labels.map((label, n) => make("label", {},
    make("input", {type: "radio", name: "choice", value: n + 1}), make("span", {}, make("b", {}, String(n + 1)), " " + label))));
  hint("Play the sound to its end. Then choose an answer.");
  release([path, ...upcoming]);
  players.trial.load(path).then(() => upcoming.forEach(one => sound(one).catch(() => {}))).catch(trouble);
  form.onsubmit = once(async event => {
    event.preventDefault();
    const value = Number(chosen());
    if (!value) return;
    form.querySelector("fieldset").disabled = form.querySelector(".main").disabled = true;
    hint("");
    const screen = current;
    screen.sending = true;
    const seconds = Math.min((performance.now() - begun) / 1000, 86400);
    try {
      await answer(value, {plays: Math.min(players.trial.plays, 1000), seconds: Number(seconds.toFixed(1))});
    } catch (error) {
      screen.sending = false;
      form.querySelector("fieldset").disabled = form.querySelector(".main").disabled = false;
      throw error;
    }
  });
}

form.addEventListener("change", () => {
  form.querySelector(".main").disabled = !chosen();
  hint("");
});

/* ---- the screens, in their order ---- */

function welcome(text = "") {
  show("welcome", {heading: about.title});
  find("closed").hidden = about.open;
  find("join").hidden = find("needs").hidden = !about.open;
  find("minutes").textContent = `about ${count(Math.max(1, Math.round(about.minutes)), "minute")}`;
  find("consent").replaceChildren(...about.consent.split(/\n\s*\n/).map(part => make("p", {}, part)));
  say(text);
}

find("join").onsubmit = once(async event => {
  event.preventDefault();
  recall();
  if (!kept.token) {  // otherwise, another tab of this device has begun the test
    const body = {consent: true, simulated: false};
    const {token, code} = await patiently(() => ask("POST", "participants", {body}));
    replace({token, code});
  }
  await resume();
});

/* Continue at the place that the server says. */
async function resume(text = "") {
  if (kept.pending) text = await deliver(kept.pending) || text;
  session = await patiently(() => ask("GET", "session"));
  proceed(text);
}

function proceed(text = "") {
  const {trials, next} = session, done = rated().length;
  const test = trials.filter(trial => !trial.training).length, practice = trials.length - test;
  const read = (name, ...rest) => note(...rest, ["Continue", () => { seen.add(name); proceed(); }]);
  if (next === null) thanks();
  else if (!kept.loud) loudness();
  else if (session.checks && session.headphones === null && !kept.unchecked) headphones();
  else if (trials[next].training && !seen.has("practice"))
    read("practice", "Practice", [
      `You begin with ${practice === 1 ? "one practice sound" : count(practice, "practice sound")}, to get to know ` +
      "the sounds and the scale. Practice ratings do not count.",
      "There are no right or wrong answers. Please say how each sound seems to you."]);
  else if (!trials[next].training && !done && !seen.has("test"))
    read("test", "The test", [
      `Now you will hear ${count(test, "sound")}, one after the other. Play each sound to its end, as often as you like. ` +
      "Then rate it.",
      "Some sounds come twice. Please rate what you hear now, and do not try to remember your earlier rating."]);
  else if (!trials[next].training && done && done % session.rest_every === 0 && !seen.has(done))
    read(done, "Time for a break", [
      `You have rated ${done} of ${count(test, "sound")}. If you like, take your headphones off for a minute.`]);
  else rate(next);
  say(text);
}

const rated = () => session.answered.filter(k => !session.trials[k].training);

function loudness() {
  show("loudness", {player: players.loudness});
  const main = find("loudness").querySelector(".main");
  main.disabled = true;
  main.onclick = () => { keep({loud: true}); proceed(); };
  players.loudness.load("loudness").catch(trouble);
}

function headphones() {
  note("Headphone check", [
    `${count(session.checks, "short question")} will show whether you are wearing headphones. In each question you ` +
    "hear three tones, and one is quieter than the other two. This is easy with headphones, and difficult with " +
    "loudspeakers.",
    "You can take part with or without headphones."],
  ["Begin", () => check([])],
  ["I have no headphones: skip this", () => { keep({unchecked: true}); proceed(); }]);
}

function check(answers) {
  const k = answers.length;
  question({
    heading: `Headphone check, ${k + 1} of ${session.checks}`,
    progress: [k, session.checks],
    wording: "Which of the three tones is the quietest?",
    labels: TONES,
    path: `headphones/${k}`,
    upcoming: k + 1 < session.checks ? [`headphones/${k + 1}`] : [place(session.next)],
    answer: async value => {
      const given = [...answers, value - 1];
      if (given.length < session.checks) check(given);
      else await checked(given);
    },
  });
}

async function checked(answers) {
  const {passed} = await patiently(() => ask("PUT", "headphones", {body: {answers}}));
  session.headphones = passed;
  const texts = passed ? ["Thank you. Please keep your headphones on until the end of the test."]
    : ["It seems that you are not wearing headphones. If you have headphones, please put them on now. If you have " +
      "none, please continue without them."];
  note("Headphone check", texts, ["Continue", () => proceed()]);
}

const place = k => `trials/${k}/sound`;

function rate(k) {
  const {trials} = session, trial = trials[k], alike = trials.map((_, n) => n)
    .filter(n => trials[n].training === trial.training);
  const number = alike.indexOf(k) + 1, what = trial.training ? "Practice" : "Sound";
  question({
    heading: `${what} ${number} of ${alike.length}`,
    progress: trial.training ? null : [rated().length, alike.length],
    wording: trial.wording,
    labels: session.labels,
    path: place(k),
    place: k,
    upcoming: k + 1 < trials.length ? [place(k + 1)] : [],
    answer: async (rating, listening) => {
      const text = await deliver({k, rating, ...listening});
      if (!session) return;
      proceed(text);
      tabs.postMessage("rated");
    },
  });
}

/* Send a rating. A server that was restarted does not know that the sound was requested: request it again, and wait. */
async function submit(k, body) {
  const comfort = "Your rating is stored on this device and will be sent as soon as possible.";
  for (let attempt = 1; ; attempt++) {
    try {
      return await patiently(() => ask("PUT", `trials/${k}/rating`, {body}), comfort);
    } catch (error) {
      if (error.status !== 403 || attempt === ATTEMPTS) throw error;
      say("Your rating is stored on this device and will be sent in a few seconds.");
      if (error.after) await pause(error.after);
      else await patiently(() => ask("GET", place(k)), comfort);
    }
  }
}

const REFUSED = {
  403: "The server did not accept your rating, because it came too early. Please play the sound again and rate it.",
  409: "You have already rated this sound, in another tab or on another device. Your first rating counts.",
};

/* Send a rating until the server has it. Return a message for the participant, or an empty text. */
async function deliver({k, ...body}) {
  keep({pending: {k, ...body}});
  let text = "", next;
  try {
    ({next} = await submit(k, body));
  } catch (error) {
    text = REFUSED[error.status];
    if (!text) throw error;
  } finally {
    if (kept.token) keep({pending: null});
  }
  if (!session) return text;
  if (next === undefined) session = await patiently(() => ask("GET", "session"));
  else {
    session.answered.push(k);
    session.next = next;
  }
  return text;
}

function thanks() {
  show("thanks");
  document.querySelector("#thanks .thanks").textContent = session.thanks;
  document.querySelector("#thanks output").textContent = kept.code ?? "";
  find("withdrawal").hidden = !kept.code;
  find("elsewhere").hidden = Boolean(kept.code);
  fill();
  release([]);
}

find("next").onclick = () => {
  const written = !kept.code || confirm("The withdrawal code will not be shown again. Have you written it down?");
  if (!written) return;
  forget();
  welcome();
};

/* Follow another tab, in which the participant has continued or withdrawn. */
const follow = once(async () => {
  recall();
  if (!session || current.sending) return;
  const found = await patiently(() => ask("GET", "session"));
  if (!session || current.sending) return;
  session = found;
  if (session.next === null || session.answered.includes(current.place)) proceed("You have continued in another tab.");
});

tabs.onmessage = follow;
addEventListener("storage", once(async () => { if (session) recall(); }));
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && session && current.place !== null) follow();
});

/* ---- leaving: for a while, or for good ---- */

const dialog = document.querySelector("dialog");
const letters = code => code.toLowerCase().replace(/[^a-z0-9]/g, "");

function fill() {
  for (const input of all(".withdraw input")) input.value = kept.code ?? "";
}

for (const withdraw of all("form.withdraw")) {
  withdraw.append(find("withdrawing").content.cloneNode(true));
  const [input, said] = [withdraw.querySelector("input"), withdraw.querySelector(".answer")];
  withdraw.onsubmit = once(async event => {
    event.preventDefault();
    said.textContent = "";
    if (!confirm("Delete all your ratings and all other data about you? This cannot be undone.")) return;
    const code = input.value.trim(), own = kept.code && letters(kept.code) === letters(code);
    let attempts = 0;
    const send = () => {
      attempts += 1;
      return ask("POST", "withdraw", {body: {code}});
    };
    try {
      await patiently(send);
    } catch (error) {
      const lost = error.status === 404 && attempts > 1;  // the reply to an attempt that succeeded
      if (!lost || !own) {
        said.textContent = lost ? "No participant has this code now. Either all your data are deleted, or the code has a typing error."
          : error.status === 404 ? "No participant of this test has this code. Please check it for typing errors." : error.message;
        return;
      }
    }
    input.value = "";
    dialog.close();
    if (!kept.code || own) forget();
    tabs.postMessage("withdrawn");
    show("gone");
    say("");
  });
}

find("leave").onclick = () => {
  players.trial.stop();
  players.loudness.stop();
  find("link").value = new URL(`#${[kept.token, kept.code].filter(Boolean).join(".")}`, location.href);
  fill();
  dialog.showModal();
};

dialog.addEventListener("close", () => current.section.querySelector("h1").focus());

for (const button of all("[data-copy]")) {
  button.onclick = async () => {
    const source = button.dataset.copy === "link" ? find("link") : document.querySelector("#thanks output");
    try {
      await navigator.clipboard.writeText(source.value);
      button.textContent = "Copied";
    } catch {
      if (source.select) source.select();
      else getSelection().selectAllChildren(source);
      button.textContent = "Selected: copy it";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 3000);
  };
}

addEventListener("beforeunload", event => {
  if (kept.pending) event.preventDefault();
});

/* ---- keys ---- */

function choose(value) {
  const input = form.querySelector(`input[value="${value}"]`);
  if (!input) return false;
  if (form.querySelector("fieldset").disabled) hint("Play the sound to its end first.");
  else {
    input.focus();
    if (!input.checked) input.click();
  }
  return true;
}

document.addEventListener("keydown", event => {
  const {key, target} = event, {section, player} = current;
  if (!section || dialog.open || !find("keys").checked) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.closest("summary, a, button, textarea, input:not([type=radio])")) return;
  let used = false;
  if (key === " " && player && !target.matches("[type=radio]:not(:checked)")) {
    if (!event.repeat) player.toggle();
    used = true;
  } else if (event.repeat) return;
  else if (/^[1-9]$/.test(key) && section.id === "trial") used = choose(key);
  else if (key === "Enter" && !target.closest("input")) {
    section.querySelector(".main:enabled")?.click();
    used = true;
  }
  if (used) event.preventDefault();
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
    return "The server does not know this link. Its participant has withdrawn, or it belongs to another test.";
  }
  forget();
  replace({token, code});
  return "";
}

const begin = once(async () => {
  about = await patiently(() => ask("GET", "survey"));
  recall();
  find("name").textContent = about.title;
  const text = await adopt();
  if (kept.token) await resume(text);
  else welcome(text);
});

addEventListener("hashchange", () => { if (location.hash) begin(); });
begin();
