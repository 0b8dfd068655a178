/* What this device stores for a survey: token, code, loud (the volume is set), unchecked (without headphones),
   pending (an answer on its way), tag (a checksum of who takes part; the platform's number itself is not stored). */

import {state} from "./state.js";

export const KEPT = "nst-survey";
export const tabs = new BroadcastChannel(KEPT);  // other tabs with the same test
export let kept = {};

const shelf = () => `${KEPT} ${state.about.key}`;  // each survey that was ever at this address has its own

/* Read the storage again, because another tab may have changed it. Reload if the participant is another. */
export function recall() {
  const before = kept.token;
  try {
    kept = JSON.parse(localStorage.getItem(shelf()) ?? "{}");
  } catch { /* no storage: the values last as long as the page is open */ }
  if (!state.session || kept.token === before) return;
  state.session = null;
  location.reload();
  throw new Error("Another person takes part in another tab now.");
}

export function keep(changes) {
  recall();
  replace({...kept, ...changes});
}

export function replace(values) {
  kept = values;
  try {
    localStorage.setItem(shelf(), JSON.stringify(kept));
  } catch { /* as above */ }
}

/* Return a checksum of a person in this survey; undefined where the browser computes none. */
export async function tag(person) {
  if (!person || !crypto.subtle) return undefined;
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${state.about.key} ${person}`));
  return Array.from(new Uint8Array(bytes), byte => byte.toString(16).padStart(2, "0")).join("");
}
