/* Before the first sound: the volume, the two sides, and the headphones. */

import {find} from "./base.js";
import {Rating} from "./kinds/rating.js";
import {Player} from "./player.js";
import {note, show, trouble} from "./screens.js";
import {ask, patiently} from "./server.js";
import {state} from "./state.js";
import {keep} from "./storage.js";
import {say} from "./texts.js";
import {question} from "./trial.js";

/* The view of the volume: a player, for the keys. */
class Volume {
  constructor(box, main) {
    box.replaceChildren();
    this.player = new Player(box, "loudness", {loop: true, begun: () => { main.disabled = false; }});
  }

  press(key) {
    if (key !== " ") return false;
    this.player.toggle();
    return true;
  }

  stop() {
    this.player.stop();
  }

  close() {
    this.player.close();
  }
}

export function volume(proceed) {
  const main = find("volume").querySelector(".main");
  main.disabled = true;
  const view = new Volume(find("volume").querySelector(".players"), main);
  show("volume", {view});
  main.onclick = () => {
    view.close();
    keep({loud: true});
    proceed();
  };
  view.player.load().catch(trouble);
}

export function channels(proceed, upcoming) {
  const count = state.session.channel_checks;
  const labels = ["left", "both", "right"].map(place => say(`channels.${place}`));
  const begin = () => questions("channels", count, say("channels.wording"), labels, upcoming, proceed);
  note(say("channels.heading"), [say("channels.text", {n: count})], [say("begin"), begin]);
}

export function headphones(proceed, upcoming) {
  const {about, session} = state, count = session.checks, kind = about.headphones;
  const labels = ["first", "second", "third"].map(place => say(`headphones.${place}`));
  const begin = () => questions("headphones", count, say(`headphones.${kind}_wording`), labels, upcoming, proceed);
  const required = session.headphones_required;
  note(say("headphones.heading"), [
    `${say("headphones.text", {n: count})} ${say(`headphones.${kind}`)}`,
    say(required ? "headphones.required" : "headphones.optional"),
  ], [say("begin"), begin],
  required ? null : [say("headphones.skip"), () => { keep({unchecked: true}); proceed(); }]);
}

/* Ask one question after the other, and send the answers. */
function questions(what, count, wording, labels, upcoming, proceed, answers = []) {
  const k = answers.length, last = k + 1 === count;
  question({
    heading: say(`${what}.number`, {k: k + 1, n: count}),
    progress: [k, count],
    Kind: Rating,
    block: {labels, continuous: false, reference: false},
    wording,
    paths: [`${what}/${k}`],
    upcoming: last ? upcoming : [`${what}/${k + 1}`],
    answer: async ({rating}) => {
      const given = [...answers, rating - 1];
      if (last) await finish(what, given, () => questions(what, count, wording, labels, upcoming, proceed), proceed);
      else questions(what, count, wording, labels, upcoming, proceed, given);
    },
  });
}

async function finish(what, answers, again, proceed) {
  const reply = await patiently(() => ask("PUT", what, {body: {answers}}));
  const heading = say(`${what}.heading`);
  if (reply.again) {
    note(heading, [say(`${what}.again`)], [say("try"), again]);
    return;
  }
  state.session = await patiently(() => ask("GET", "session"));
  if (state.session.screened_out === null)
    note(heading, [say(`${what}.${reply.passed ? "passed" : "failed"}`)], [say("continue"), proceed]);
  else proceed();
}
