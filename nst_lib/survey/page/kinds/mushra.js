/* Several sounds beside a reference, after Recommendation ITU-R BS.1534-3: the listener switches between them at one
   common place, and gives each a score from 0 to 100. The scales are horizontal here, and vertical in BS.1534. */

import {make} from "../base.js";
import {trouble} from "../screens.js";
import {discard, pause, sound} from "../server.js";
import {Slider} from "../slider.js";
import {announce} from "../status.js";
import {Switcher} from "../switcher.js";
import {list, number, say} from "../texts.js";

const ENOUGH = 1, WHOLE = 0.9;  // each sound must have been heard for a second, or for this share of it

export class Mushra {
  static repeats = false;
  static free = true;

  static notes() {
    return [say("mushra.how"), say("mushra.hidden")];
  }

  constructor({box, block, paths, changed, hint}) {
    Object.assign(this, {paths, labels: block.labels, changed, hint, over: false});
    this.switcher = new Switcher({changed: () => this.refresh()});
    this.names = paths.map((_, n) => n ? say("mushra.sound", {n}) : say("mushra.reference"));
    this.sliders = paths.slice(1).map((_, n) => new Slider(this.names[n + 1], {
      describe: score => say("mushra.score", {score, label: this.label(score)}), changed: () => this.refresh(),
    }));
    this.buttons = paths.map((_, n) => this.button(n));
    this.scores = this.sliders.map(() => make("output", {class: "score", "aria-hidden": "true"}));
    this.bands = this.sliders.map(() => make("span", {class: "band", "aria-hidden": "true"}));
    const rows = make("div", {class: "scores"}, this.scale(),
      ...this.sliders.map((one, n) => make("div", {class: "row-of-sound"}, this.buttons[n + 1], one.input, this.scores[n], this.bands[n])));
    rows.style.setProperty("--labels", block.labels.length);
    this.fieldset = make("fieldset", {disabled: ""}, make("legend", {class: "quiet"}, say("mushra.sounds")), rows);
    box.append(this.transport(), make("p", {class: "reference"}, this.buttons[0]), this.fieldset);
    this.buttons[0].disabled = true;
    hint(say("mushra.listen"));
    this.refresh();
  }

  transport() {
    this.main = make("button", {type: "button", class: "play", "aria-keyshortcuts": "Space", disabled: ""});
    this.main.onclick = () => this.toggle();
    this.bar = make("progress", {class: "heard", max: 1, value: 0, "aria-label": say("player.played")});
    this.time = make("span", {class: "time"});
    const repeat = make("input", {type: "checkbox", checked: ""});
    repeat.onchange = () => this.switcher.repeat(repeat.checked);
    return make("div", {class: "player"}, this.main, this.bar, this.time,
      make("label", {class: "tick repeat"}, repeat, make("span", {}, say("mushra.repeat"))));
  }

  button(n) {
    const button = make("button", {type: "button", "aria-pressed": "false"}, n ? String(n) : this.names[0]);
    if (n) button.setAttribute("aria-label", this.names[n]);
    button.onclick = () => this.listen(n);
    return button;
  }

  scale() {
    const bands = this.labels.map(label => make("span", {}, label));
    return make("div", {class: "bands", "aria-hidden": "true"}, ...bands);
  }

  /* The label of a score: those on a border belong to the upper part, but the highest has no part of its own. */
  label(score) {
    return this.labels[Math.min(Math.floor(score / 100 * this.labels.length), this.labels.length - 1)];
  }

  async load() {
    const loaded = await Promise.all(this.paths.map(path => sound(path)));
    try {
      await this.switcher.load(loaded.map(one => one.blob));
    } catch {
      await this.again();
      return;
    }
    if (this.over) return;
    this.fieldset.disabled = this.main.disabled = this.buttons[0].disabled = false;
    this.refresh();
  }

  /* Load sounds anew that the browser could not decode. */
  async again() {
    if (this.over) return;
    announce(say("player.broken"));
    this.paths.forEach(discard);
    await pause(2);
    await this.load();
    announce("");
  }

  toggle() {
    if (this.main.disabled) return;
    if (this.switcher.playing) this.switcher.stop();
    else this.switcher.play().catch(trouble);
  }

  /* Switch to a sound, and play if nothing is playing. */
  listen(n) {
    this.switcher.choose(n);
    this.switcher.play().catch(trouble);
  }

  get unheard() {
    const {heard, own} = this.switcher;
    return this.names.filter((_, n) => !(heard[n] >= Math.min(ENOUGH, WHOLE * own[n])));
  }

  get unrated() {
    return this.names.slice(1).filter((_, n) => this.sliders[n].value === null);
  }

  get ready() {
    return !this.unheard.length && !this.unrated.length;
  }

  get plays() {
    return this.switcher.plays.map(count => Math.min(count, 1000));
  }

  give() {
    return {scores: this.sliders.map(one => one.value)};
  }

  get keys() {
    const last = String(Math.min(this.sliders.length, 9));
    return [["keys.space", "keys.play"], [["1", last], "keys.switch"], [["0"], "keys.reference"],
      ["keys.arrows", "keys.slide"]];
  }

  press(key) {
    if (this.fieldset.disabled) return false;
    const slider = this.sliders[this.switcher.chosen - 1];
    if (key === " ") this.toggle();
    else if (/^\d$/.test(key) && Number(key) < this.paths.length) {
      this.listen(Number(key));
      (this.sliders[Number(key) - 1]?.input ?? this.buttons[0]).focus();
    } else if (slider?.has(key)) slider.press(key);
    else return false;
    return true;
  }

  refresh() {
    const {playing, position, duration, chosen, plays} = this.switcher;
    const seconds = {now: number(position, 1), whole: number(duration, 1)};
    this.main.textContent = say(playing ? "player.stop" : plays.some(Boolean) ? "player.again" : "player.play");
    this.bar.value = duration ? position / duration : 0;
    this.time.textContent = duration ? say("player.time", seconds) : say("player.loading");
    this.buttons.forEach((button, n) => button.setAttribute("aria-pressed", String(playing && n === chosen)));
    this.sliders.forEach(({value}, n) => {
      this.scores[n].textContent = value === null ? "" : number(value);
      this.bands[n].textContent = value === null ? "" : this.label(value);
    });
    if (plays.some(Boolean) || this.unrated.length < this.sliders.length) this.advise();
    this.changed();
  }

  advise() {
    const {unheard, unrated} = this;
    if (unheard.length) this.hint(say("mushra.unheard", {names: list(unheard)}));
    else this.hint(unrated.length ? say("mushra.unrated", {names: list(unrated)}) : "");
  }

  lock(on) {
    this.fieldset.disabled = on;
  }

  stop() {
    this.switcher.stop();
  }

  close() {
    this.over = true;
    this.stop();
  }
}
