/* The line above every screen: a notice, and what the page is waiting for. */

import {find} from "./base.js";

export const waiting = new Map();  // task that waits for the server -> message about it
let notice = "";

export function refresh() {
  const text = [notice, ...new Set(waiting.values())].filter(Boolean).join(" ");
  if (find("said").textContent !== text) find("said").textContent = text;
}

export function announce(text) {
  notice = text;
  refresh();
}
