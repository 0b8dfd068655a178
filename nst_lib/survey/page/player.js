/* Playing sounds from their beginning to their end, one at a time. */

import {find} from "./base.js";
import {trouble} from "./screens.js";
import {discard, pause, sound} from "./server.js";
import {announce} from "./status.js";
import {number, say} from "./texts.js";

const WHOLE = 0.9;  // share of a sound that must have been played when it ends; the server uses it too
const still = matchMedia("(prefers-reduced-motion: reduce)");

/* One sound. It has a name and a key if there are several on the screen. */
export class Player {
  constructor(box, path, {name = "", key = "Space", loop = false, begun = () => {}, ended = () => {}} = {}) {
    box.append(find("player").content.cloneNode(true));
    const row = box.lastElementChild;
    [this.audio, this.button, this.bar, this.time] = row.children;
    Object.assign(this, {path, name, begun, ended, plays: 0, over: false, heard: false});
    this.bar.setAttribute("aria-label", this.say("played"));
    this.button.setAttribute("aria-keyshortcuts", key);
    this.audio.loop = loop;
    this.button.onclick = () => this.toggle();
    for (const type of ["play", "pause", "loadedmetadata", "timeupdate"])
      this.audio.addEventListener(type, () => this.show());
    this.audio.addEventListener("playing", () => {
      this.begun();
      this.follow();
    });
    this.audio.addEventListener("ended", () => this.end());
    this.audio.addEventListener("error", () => this.fail());
    this.show();
  }

  say(what) {
    return this.name ? say(`player.${what}_named`, {name: this.name}) : say(`player.${what}`);
  }

  get playing() {
    return !this.audio.paused;
  }

  async load() {
    const {address} = await sound(this.path);
    if (this.over) return;
    this.audio.src = address;
    this.button.disabled = false;
  }

  async toggle() {
    if (this.button.disabled) return;
    if (this.playing) {
      this.stop();
      return;
    }
    this.audio.currentTime = 0;
    try {
      await this.audio.play();
    } catch (error) {
      if (error.name === "NotAllowedError") announce(say("player.blocked"));
    }
  }

  stop() {
    this.audio.pause();
    if (this.audio.readyState) this.audio.currentTime = 0;
  }

  /* Stop for good: a sound that is still on its way is not played. */
  close() {
    this.over = true;
    this.stop();
  }

  get whole() {
    const {played, duration} = this.audio;
    let seconds = 0;
    for (let n = 0; n < played.length; n++) seconds += played.end(n) - played.start(n);
    return seconds >= WHOLE * duration;
  }

  end() {
    const {whole} = this;
    if (whole) {
      this.plays += 1;
      this.heard = true;
    }
    this.show();
    this.ended(whole);
  }

  fail() {
    if (!this.audio.hasAttribute("src") || this.over) return;
    this.button.disabled = true;
    this.audio.removeAttribute("src");
    announce(say("player.broken"));
    discard(this.path);
    pause(2).then(() => this.load()).then(() => announce(""), trouble);
  }

  show() {
    const {currentTime, duration, ended} = this.audio;
    const whole = Number.isFinite(duration) ? duration : 0;
    this.button.textContent = this.say(this.playing ? "stop" : this.plays ? "again" : "play");
    this.bar.value = whole ? (ended ? 1 : currentTime / whole) : 0;
    this.time.textContent = whole
      ? say("player.time", {now: number(currentTime, 1), whole: number(whole, 1)}) : say("player.loading");
  }

  follow() {
    this.show();
    if (this.playing && !still.matches) requestAnimationFrame(() => this.follow());
  }
}

/* The sounds of a screen: [{path}], or several [{path, name, key}]. When one begins, the others stop. */
export class Players {
  constructor(box, sounds, {begun = () => {}, ended = () => {}} = {}) {
    this.all = sounds.map(({path, name, key}) => {
      const player = new Player(box, path, {name, key, ended, begun: () => {
        this.last = player;
        for (const other of this.all) if (other !== player) other.stop();
        begun();
      }});
      return player;
    });
    this.last = this.all[0];
  }

  async load() {
    await Promise.all(this.all.map(one => one.load()));
  }

  get heard() {
    return this.all.every(one => one.heard);
  }

  get left() {
    return this.all.filter(one => !one.heard).map(one => one.name);
  }

  get plays() {
    return this.all.map(one => Math.min(one.plays, 1000));
  }

  /* Stop what plays, or play: first what was not heard yet, then the last sound again. */
  toggle() {
    const one = this.all.find(player => player.playing) ?? this.all.find(player => !player.heard) ?? this.last;
    one.toggle();
  }

  stop() {
    for (const one of this.all) one.stop();
  }

  close() {
    for (const one of this.all) one.close();
  }
}
