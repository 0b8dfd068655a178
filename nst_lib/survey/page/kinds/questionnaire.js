/* Questions about the participant on one screen. Nothing is obligatory. */

import {make} from "../base.js";
import {say} from "../texts.js";

/* A field is {element, value, problem}: functions that return the answer ("" or [] if there is none), and what is
   wrong with what was entered. */

function options(type, id, text, labelled) {
  const inputs = labelled.map(([value]) => make("input", {type, name: id, value}));
  const element = make("fieldset", {class: "field"}, make("legend", {}, text), ...inputs.map((input, n) =>
    make("label", {class: "tick"}, input, make("span", {}, labelled[n][1]))));
  return {inputs, element};
}

function entry(id, text, input) {
  const wrong = make("p", {id: `${id}-wrong`, class: "wrong"});
  for (const [name, value] of [["id", id], ["aria-describedby", wrong.id]]) input.setAttribute(name, value);
  return {element: make("div", {class: "field"}, make("label", {for: id}, text), input, wrong), wrong};
}

const fields = {
  choice({text, options: labels}, id) {
    const named = [...labels.map(label => [label, label]), ["", say("questionnaire.none")]];
    const {inputs, element} = options("radio", id, text, named);
    inputs.at(-1).checked = true;
    return {element, value: () => inputs.find(input => input.checked).value, problem: () => ""};
  },

  choices({text, options: labels}, id) {
    const {inputs, element} = options("checkbox", id, text, labels.map(label => [label, label]));
    const value = () => inputs.filter(input => input.checked).map(input => input.value);
    return {element, value, problem: () => ""};
  },

  text({text}, id, longest) {
    const input = make("textarea", {rows: 3, maxlength: longest});
    return {...entry(id, text, input), value: () => input.value.trim(), problem: () => ""};
  },

  number({text, lowest, highest}, id) {
    const input = make("input", {inputmode: "decimal", autocomplete: "off", maxlength: 20});
    const {element, wrong} = entry(id, text, input);
    const value = () => input.value.trim() && Number(input.value.trim().replace(",", "."));
    const problem = () => {
      const given = value();
      const fits = given === "" || (Number.isFinite(given) && given >= (lowest ?? -Infinity) && given <= (highest ?? Infinity));
      wrong.textContent = fits ? "" : range(lowest, highest);
      input.setAttribute("aria-invalid", String(!fits));
      return wrong.textContent;
    };
    return {element, value, problem};
  },
};

function range(lowest, highest) {
  const low = (lowest ?? null) !== null, high = (highest ?? null) !== null;
  const which = low && high ? "range" : low ? "from" : high ? "to" : "any";
  return say(`questionnaire.${which}`, {lowest, highest});
}

export class Questionnaire {
  static repeats = false;
  static free = false;

  static notes() {
    return [];
  }

  constructor({box, block}) {
    this.names = block.fields.map(field => field.name);
    this.fields = block.fields.map((field, n) => fields[field.type](field, `field-${n}`, block.longest ?? 500));
    this.box = make("fieldset", {class: "questions"}, make("legend", {class: "quiet"}, block.title),
      ...this.fields.map(field => field.element));
    box.append(make("p", {class: "soft"}, say("questionnaire.optional")), this.box);
  }

  async load() { /* there are no sounds */ }

  get ready() {
    return true;
  }

  get plays() {
    return [];
  }

  /* Return the answers that were given; null if one has to be corrected first. */
  give() {
    const wrong = this.fields.filter(field => field.problem());
    if (wrong.length) {
      wrong[0].element.querySelector("input").focus();
      return null;
    }
    const given = this.fields.map((field, n) => [this.names[n], field.value()]).filter(([, value]) => value !== "" && value.length !== 0);
    return {fields: Object.fromEntries(given)};
  }

  get keys() {
    return [];
  }

  press() {
    return false;
  }

  lock(on) {
    this.box.disabled = on;
  }

  stop() { /* nothing plays */ }

  close() { /* nothing is on its way */ }
}
