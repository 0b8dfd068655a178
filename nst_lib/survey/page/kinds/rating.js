/* One sound, alone or beside a reference, and a place on a scale. */

import {Choices} from "../choices.js";
import {Line} from "../slider.js";
import {say} from "../texts.js";
import {Listening} from "./listening.js";

export class Rating extends Listening {
  static repeats = true;
  static free = true;

  static notes(block) {
    return block.reference ? [say("rating.reference")] : [];
  }

  constructor({box, block, wording, paths, changed, hint}) {
    const {labels, continuous, reference} = block;
    const input = continuous ? new Line(wording, labels) : new Choices(labels);
    const named = [{name: say("player.reference"), key: "R"}, {name: say("player.sound"), key: "S"}];
    super({box, input, changed, hint, sounds: paths.map((path, n) => ({path, ...(reference && named[n])}))});
    this.continuous = continuous;
  }

  give() {
    return {rating: this.continuous ? this.input.value : this.input.value + 1};
  }
}
