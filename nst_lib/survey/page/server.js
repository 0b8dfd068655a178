/* Asking the server, however long it takes. */

import {refresh, waiting} from "./status.js";
import {kept} from "./storage.js";
import {say} from "./texts.js";

const LONGEST_WAIT = 30, PATIENCE = 30000;  // longest time between two attempts (s), and for a reply (ms)
const SLOWEST = 4;  // a reply gets as much more time as a connection of this rate needs (bytes per ms)

export class Trouble extends Error {
  constructor(status, message, after = null) {
    super(message);
    Object.assign(this, {status, after});
  }

  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export async function ask(method, path, {body, token = kept.token} = {}) {
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
    throw new Trouble(response && !response.ok ? response.status : 0, say("connection.lost"));
  } finally {
    clearTimeout(timer);
  }
  if (response.ok) return content;
  throw new Trouble(response.status, say("refused.other", {error: content.error}),
    Number(response.headers.get("Retry-After")) || null);
}

/* Repeat a request until there is a reply, and show a message meanwhile. */
export async function patiently(task, comfort = "") {
  const name = Symbol("task");
  try {
    for (let wait = 1; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
      try {
        return await task();
      } catch (error) {
        if (!error.passes) throw error;
        const why = say(error.status ? "connection.busy" : "connection.lost");
        waiting.set(name, `${why} ${comfort || say("connection.again")}`);
        refresh();
        await pause(error.after ?? wait);
      }
    }
  } finally {
    waiting.delete(name);
    refresh();
  }
}

/* Wait, or until the browser is online again. */
export function pause(seconds) {
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

/* ---- sounds ---- */

const sounds = new Map();  // path -> promise of {blob, address in memory}

export function sound(path) {
  if (!sounds.has(path)) {
    const loading = patiently(() => ask("GET", path)).then(blob => ({blob, address: URL.createObjectURL(blob)}));
    sounds.set(path, loading);
    loading.catch(() => sounds.delete(path));
  }
  return sounds.get(path);
}

/* Request a sound anew when it is needed again. */
export function discard(path) {
  sounds.delete(path);
}

/* Release all sounds that are not needed. */
export function release(needed = []) {
  for (const [path, loading] of sounds) {
    if (needed.includes(path)) continue;
    sounds.delete(path);
    loading.then(({address}) => URL.revokeObjectURL(address), () => {});
  }
}
