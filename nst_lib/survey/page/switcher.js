/* Several sounds at one common place: switching between them is heard without a gap or a click.

   All sounds run in step from decoded samples, and only the chosen one is let through. Two sounds cross as
   exponentials whose sum is one, so that a sound that is the same in both is not changed. */

const RATE = 48000;  // Hz, at which sounds are decoded
const CROSS = 0.005;  // time constant of a crossing in seconds: it is over after about five of them
const EDGE = 0.005;  // fade at both ends of a sound in seconds
const LEAD = 0.03;  // time to prepare all sounds in seconds

let context = null;  // begins with the first sound that is played, as browsers demand

export class Switcher {
  constructor({changed = () => {}} = {}) {
    Object.assign(this, {changed, buffers: [], own: [], heard: [], plays: [], chosen: 0, loop: true, wanted: false, tracks: null});
  }

  /* Decode sounds, and make all of them as long as the longest. */
  async load(blobs) {
    const decoder = new OfflineAudioContext(2, 1, RATE);
    const found = await Promise.all(blobs.map(async blob => decoder.decodeAudioData(await blob.arrayBuffer())));
    const length = Math.max(...found.map(one => one.length));
    this.own = found.map(one => one.duration);
    this.heard = found.map(() => 0);
    this.plays = found.map(() => 0);
    this.buffers = found.map(one => padded(one, length));
  }

  get duration() {
    return this.buffers[0]?.duration ?? 0;
  }

  get playing() {
    return this.tracks !== null;
  }

  /* Seconds since the beginning of the sounds. */
  get position() {
    if (!this.playing) return 0;
    return Math.max(0, context.currentTime - this.begun) % this.duration;
  }

  async play() {
    if (!this.buffers.length) return;
    this.wanted = true;
    context ??= new AudioContext({latencyHint: "interactive"});
    await context.resume();
    if (this.playing || !this.wanted) return;
    this.begun = this.marked = context.currentTime + LEAD;
    this.tracks = this.buffers.map((buffer, n) => {
      const source = new AudioBufferSourceNode(context, {buffer, loop: this.loop});
      const gain = new GainNode(context, {gain: n === this.chosen ? 1 : 0});
      source.connect(gain).connect(context.destination);
      source.start(this.begun);
      return {source, gain: gain.gain};
    });
    const {tracks} = this;
    tracks[0].source.onended = () => { if (this.tracks === tracks) this.stop(); };
    this.plays[this.chosen] += 1;
    this.timer = setInterval(() => this.mark(), 100);
    this.changed();
  }

  stop() {
    this.wanted = false;
    if (!this.playing) return;
    this.mark();
    clearInterval(this.timer);
    const {currentTime} = context;
    for (const {source, gain} of this.tracks) {
      gain.setTargetAtTime(0, currentTime, CROSS);
      source.stop(currentTime + 10 * CROSS);
    }
    this.tracks = null;
    this.changed();
  }

  /* Let another sound through. */
  choose(n) {
    if (this.playing && n !== this.chosen) {
      this.mark();
      this.tracks.forEach(({gain}, k) => gain.setTargetAtTime(k === n ? 1 : 0, context.currentTime, CROSS));
      this.plays[n] += 1;
    }
    this.chosen = n;
    this.changed();
  }

  repeat(on) {
    this.loop = on;
    for (const {source} of this.tracks ?? []) source.loop = on;
  }

  /* Add the time since the last mark to the sound that was let through. */
  mark() {
    const now = Math.max(context.currentTime, this.marked);
    this.heard[this.chosen] += now - this.marked;
    this.marked = now;
    this.changed();
  }
}

/* Return samples with silence after them, and without a step at their ends. */
function padded(found, length) {
  const {numberOfChannels, sampleRate} = found;
  const buffer = new AudioBuffer({numberOfChannels, sampleRate, length});
  const fade = Math.min(Math.round(EDGE * sampleRate), Math.floor(found.length / 2));
  for (let channel = 0; channel < numberOfChannels; channel++) {
    const samples = found.getChannelData(channel).slice();
    for (let n = 0; n < fade; n++) {
      samples[n] *= n / fade;
      samples[samples.length - 1 - n] *= n / fade;
    }
    buffer.copyToChannel(samples, channel);
  }
  return buffer;
}
