/* Two sounds, A and B, alone or with a reference: which one is preferred, or neither. */

import {Choices} from "../choices.js";
import {say} from "../texts.js";
import {Listening} from "./listening.js";

export class Pair extends Listening {
  static repeats = true;
  static free = true;

  static notes(block) {
    return [...(block.reference ? [say("pair.reference")] : []), ...(block.ties ? [say("pair.ties")] : [])];
  }

  constructor({box, block, paths, changed, hint}) {
    const {reference, ties} = block;
    const two = [{name: "A", key: "A"}, {name: "B", key: "B"}];
    const named = reference ? [{name: say("player.reference"), key: "R"}, ...two] : two;
    const input = new Choices(["A", "B", ...(ties ? [say("pair.tie")] : [])], {numbers: false});
    super({box, input, changed, hint, sounds: paths.map((path, n) => ({path, ...named[n]}))});
  }

  give() {
    const {value} = this.input;
    return {preferred: value < 2 ? value : null};
  }
}
