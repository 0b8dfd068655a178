/* The first screen: what the test is, and consent. And who takes part, where a platform says so. */

import {find, make} from "./base.js";
import {once, show} from "./screens.js";
import {ask, patiently} from "./server.js";
import {state} from "./state.js";
import {announce} from "./status.js";
import {kept, recall, replace, tag} from "./storage.js";
import {say} from "./texts.js";

let person = null;  // what the platform calls the participant; kept nowhere else

/* Read who takes part from the address. */
export function meet() {
  const {parameter} = state.about;
  person = (parameter && new URLSearchParams(location.search).get(parameter)?.trim()) || person;
}

/* Whether the platform sends another person than the one who takes part on this device. */
export async function isAnother() {
  return Boolean(person) && (!kept.tag || kept.tag !== await tag(person));
}

/* Remove from the address what the platform wrote there. */
export function tidy() {
  if (state.about.parameter && location.search) history.replaceState(null, "", location.pathname + location.hash);
}

export function welcome(text = "") {
  const {title, open, parameter, no_consent_url: elsewhere, sounds, minutes, consent} = state.about;
  show("welcome", {heading: title});
  const lost = open && Boolean(parameter) && !person;
  find("closed").hidden = open;
  find("lost").hidden = !lost;
  find("join").hidden = find("needs").hidden = !open || lost;
  find("minutes").textContent = say("welcome.minutes", {n: Math.max(1, Math.round(minutes))});
  find("quiet").hidden = sounds === false;
  find("consent").replaceChildren(...consent.split(/\n\s*\n/).map(part => make("p", {}, part)));
  find("disagree").hidden = !elsewhere;
  if (elsewhere) find("disagree").href = elsewhere;
  announce(text);
}

/* Whoever agrees takes part. */
export function admit(resume) {
  find("join").onsubmit = once(async event => {
    event.preventDefault();
    recall();
    if (!kept.token || await isAnother()) {  // otherwise, another tab of this device has begun the test
      const body = {consent: true, simulated: false, ...(person && {person})};
      try {
        const {token, code} = await patiently(() => ask("POST", "participants", {body, token: null}));
        replace({token, code, tag: await tag(person)});
      } catch (error) {
        if (error.status !== 403) throw error;
        state.about = await patiently(() => ask("GET", "survey"));  // it was closed in the meantime
        welcome(state.about.open ? error.message : "");
        return;
      }
    }
    await resume();
  });
}
