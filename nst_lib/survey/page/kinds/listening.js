/* What several kinds have in common: sounds that have to be played to the end, and then one answer. */

import {make} from "../base.js";
import {Players} from "../player.js";
import {list, say} from "../texts.js";

export class Listening {
  /* sounds: as Players takes them; input: Choices or a Line */
  constructor({box, sounds, input, changed, hint}) {
    Object.assign(this, {input, hint});
    this.sounds = sounds;
    this.several = sounds.length > 1;
    const place = make("div", {class: "players"});
    box.append(place, input.element);
    this.players = new Players(place, sounds, {
      begun: () => { if (!input.open) hint(say("trial.playing")); },
      ended: whole => this.advise(whole),
    });
    this.begin();
    input.changed = () => {
      hint("");
      changed();
    };
  }

  begin() {
    this.hint(say(this.several ? "trial.listen_all" : "trial.listen"));
  }

  advise(whole) {
    this.input.open = this.players.heard;
    if (!whole && !this.players.heard) this.hint(say("trial.whole"));
    else if (!this.players.heard) this.hint(say("trial.left", {names: list(this.players.left)}));
    else this.hint(this.input.value === null ? say(this.input.hint) : "");
  }

  load() {
    return this.players.load();
  }

  get ready() {
    return this.players.heard && this.input.value !== null;
  }

  get plays() {
    return this.players.plays;
  }

  get keys() {
    const names = this.sounds.filter(one => one.key).map(({key, name}) => [[key], "keys.play_named", {name}]);
    return [["keys.space", this.several ? "keys.play_next" : "keys.play"], ...names, ...this.input.keys];
  }

  /* Handle a key; return whether it is one of this screen. */
  press(key) {
    const n = this.sounds.findIndex(one => one.key === key.toUpperCase());
    if (key === " ") this.players.toggle();
    else if (n >= 0) this.players.all[n].toggle();
    else if (!this.input.has(key)) return false;
    else if (this.input.open) this.input.press(key);
    else this.hint(say(this.several ? "trial.first_all" : "trial.first"));
    return true;
  }

  lock(on) {
    this.input.open = !on && this.players.heard;
  }

  stop() {
    this.players.stop();
  }

  close() {
    this.players.close();
  }
}
