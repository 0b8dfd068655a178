/* An answer from 0 to 100 on a line. There is no answer until the slider was moved. */

import {make} from "./base.js";
import {number, say} from "./texts.js";

const MIDDLE = 50;
const STEPS = {ArrowRight: 1, ArrowLeft: -1};

/* A slider alone. `describe` returns a place in words. */
export class Slider {
  constructor(name, {describe = String, changed = () => {}} = {}) {
    Object.assign(this, {describe, changed, moved: false});
    this.input = make("input", {
      type: "range", min: 0, max: 100, step: 1, value: MIDDLE, class: "unset", "aria-label": name,
      "aria-valuetext": say("slider.unset"),
    });
    this.input.addEventListener("input", () => this.move());
    this.input.addEventListener("click", () => this.move());  // in the middle, where it stands already
  }

  get value() {
    return this.moved ? Number(this.input.value) : null;
  }

  move() {
    this.moved = true;
    this.input.classList.remove("unset");
    this.input.setAttribute("aria-valuetext", this.describe(Number(this.input.value)));
    this.changed();
  }

  has(key) {
    return key in STEPS;
  }

  /* Move it by a key that was pressed elsewhere on the screen. */
  press(key) {
    const forwards = document.documentElement.dir === "rtl" ? -1 : 1;
    this.input.focus();
    this.input.value = Number(this.input.value) + forwards * STEPS[key];
    this.move();
  }
}

/* A slider with labels along its line, in place of choices. */
export class Line extends Slider {
  constructor(name, labels) {
    super(name, {describe: value => number(value)});
    this.hint = "trial.slide";
    this.keys = [["keys.arrows", "keys.slide"]];
    const marks = make("div", {class: "marks", "aria-hidden": "true"}, ...labels.map(label => make("span", {}, label)));
    const ends = make("p", {class: "quiet"}, `0: ${labels[0]}. 100: ${labels.at(-1)}.`);
    const line = make("div", {class: "line"}, this.input, marks);
    line.style.setProperty("--labels", labels.length);
    this.element = make("fieldset", {disabled: ""}, make("legend", {class: "quiet"}, say("trial.answer")), ends, line);
  }

  get open() {
    return !this.element.disabled;
  }

  set open(on) {
    this.element.disabled = !on;
  }
}
