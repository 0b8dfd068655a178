/* Bringing an answer to the server, however often that has to be tried. */

import {pause, ask, patiently} from "./server.js";
import {state} from "./state.js";
import {announce} from "./status.js";
import {keep, kept} from "./storage.js";
import {say} from "./texts.js";

const ATTEMPTS = 5;  // number of attempts to send an answer that the server refuses as too early
const REFUSED = {403: "refused.early", 409: "refused.twice"};

export const pathsOf = (session, k) => session.screens[k]?.sounds.map((_, n) => `screens/${k}/sounds/${n}`) ?? [];

/* Send an answer. A server that was restarted does not know that the sounds were requested: request them, and wait. */
async function submit(k, body, paths) {
  const comfort = say("connection.kept");
  for (let attempt = 1; ; attempt++) {
    try {
      return await patiently(() => ask("PUT", `screens/${k}/answer`, {body}), comfort);
    } catch (error) {
      if (error.status !== 403 || attempt === ATTEMPTS) throw error;
      announce(say("connection.soon"));
      if (error.after) await pause(error.after);
      else for (const path of paths) await patiently(() => ask("GET", path), comfort);
    }
  }
}

/* Send an answer until the server has it. Return a message for the participant, or an empty text. */
export async function deliver({k, ...body}) {
  keep({pending: {k, ...body}});
  let text = "", next;
  const paths = body.plays.map((_, n) => `screens/${k}/sounds/${n}`);
  try {
    ({next} = await submit(k, body, paths));
  } catch (error) {
    if (!REFUSED[error.status]) throw error;
    text = say(REFUSED[error.status]);
  } finally {
    if (kept.token) keep({pending: null});
  }
  const {session} = state;
  if (!session) return text;
  if (next === undefined) state.session = await patiently(() => ask("GET", "session"));
  else {
    session.answered.push(k);
    session.next = next;
  }
  return text;
}
