/* An answer that is one of several labels. */

import {make} from "./base.js";
import {say} from "./texts.js";

const FEW = 6, SHORT = 6;  // number of labels that fit into a line, and of letters where there are more

/* A scale never breaks into lines: many labels stand close together or, if they are long, one below the other. */
function layout(labels) {
  if (labels.length <= FEW) return "";
  return labels.every(label => label.length <= SHORT) ? "close" : "below";
}

export class Choices {
  /* Without numbers, the labels stand alone: they are short names. */
  constructor(labels, {numbers = true} = {}) {
    this.changed = () => {};
    this.count = labels.length;
    this.hint = "trial.choose";
    this.keys = [[["1", String(Math.min(labels.length, 9))], "keys.choose"]];
    const options = labels.map((label, n) => make("label", {},
      make("input", {type: "radio", name: "choice", value: n}),
      make("span", {}, ...(numbers ? [make("b", {}, String(n + 1)), " "] : []), label)));
    const box = make("div", {class: `choices ${layout(labels)}`}, ...options);
    box.style.setProperty("--count", labels.length);
    this.element = make("fieldset", {disabled: ""}, make("legend", {class: "quiet"}, say("trial.answer")), box);
    this.element.addEventListener("change", () => this.changed());
  }

  /* Index of the label; null while there is no answer. */
  get value() {
    const input = this.element.querySelector(":checked");
    return input ? Number(input.value) : null;
  }

  get open() {
    return !this.element.disabled;
  }

  set open(on) {
    this.element.disabled = !on;
  }

  has(key) {
    return /^[1-9]$/.test(key) && Number(key) <= this.count;
  }

  press(key) {
    const input = this.element.querySelector(`input[value="${Number(key) - 1}"]`);
    input.focus();
    if (!input.checked) input.click();
  }
}
