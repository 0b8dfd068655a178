/* The keys of the page. The view on the screen decides about all but Enter. */

import {find} from "./base.js";
import {dialog} from "./leaving.js";
import {state} from "./state.js";

const TYPING = "textarea, select, input:not([type=radio], [type=range], [type=checkbox])";
const PRESSED = "summary, a, button, input[type=checkbox]";  // what Space and Enter press

document.addEventListener("keydown", event => {
  const {key, target} = event, {section, view} = state.current;
  if (!section || dialog.open || !find("keys").checked || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.closest(TYPING) || (target.closest(PRESSED) && [" ", "Enter"].includes(key))) return;
  const arrow = key.startsWith("Arrow");
  if (arrow && target.closest("input")) return;  // the input moves by itself
  let used = false;
  if (key === " " && target.matches("[type=radio]:not(:checked)")) return;
  else if (event.repeat && !arrow) used = key === " " && Boolean(view);
  else if (key === "Enter") {
    if (target.closest("input:not([type=range])")) return;
    section.querySelector(".main:enabled")?.click();
    used = true;
  } else used = Boolean(view?.press(key));
  if (used) event.preventDefault();
});
