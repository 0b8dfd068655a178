/* Three sounds, A, B and X: which of the first two is X? */

import {Choices} from "../choices.js";
import {say} from "../texts.js";
import {Listening} from "./listening.js";

const NAMES = ["A", "B", "X"];

export class ABX extends Listening {
  static repeats = true;
  static free = false;

  static notes() {
    return [say("abx.same")];
  }

  static wording() {
    return say("abx.wording");
  }

  constructor({box, paths, changed, hint}) {
    const input = new Choices(["A", "B"], {numbers: false});
    super({box, input, changed, hint, sounds: paths.map((path, n) => ({path, name: NAMES[n], key: NAMES[n]}))});
  }

  give() {
    return {chosen: this.input.value};
  }
}
