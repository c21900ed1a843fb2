// A player that goes on for as long as the page is open: it waits, tries, falls back.
//
//     wait until it is on ─► try the ways to play it, best first ─► it ended or failed ─► …
//
// `view` is told what to say; see controls.js.

import { lacking, ways } from './choice.js';
import { FlvEngine } from './flv.js';
import { HlsEngine, NativeEngine } from './hls.js';
import { Busy } from './stream.js';

const LOOK_MS = 250;
const STUCK_S = 3; // without a new picture: ask the server how the stream is
const SOLID_S = 10; // a way that played so long is tried again when it fails
const PARK_S = 30; // paused for longer: load no more
const AGAIN_S = 3; // between two rounds of attempts, more each time …
const LONGEST_S = 15; // … up to this
const PRIVATE_S = 30;
const PAST_S = 6; // behind the live edge, what a viewer has gone back to

const ENGINES = { flv: FlvEngine, hls: HlsEngine, native: NativeEngine };

/** Why an attempt was broken off that had not failed. */
class Interruption extends Error {}

/** No picture or sound came although the stream is live. */
class NothingCame extends Error {}

export class Player {
  /**
   * @param {HTMLVideoElement} video
   * @param {import('./stream.js').Stream} stream
   * @param {object} view
   * @param {import('./metrics.js').Metrics} metrics
   * @param {'auto'|'flv'|'hls'} mode
   */
  constructor(video, stream, view, metrics, mode) {
    Object.assign(this, { video, stream, view, metrics, mode });
    this.engine = null;
    this.isPausedByViewer = false;
    this.isAskedFor = false; // the viewer wants the server to be asked at once
    this.wantsTouch = false; // the browser plays nothing before the viewer has touched the page
    this.attempt = new AbortController();
    this.failures = 0;
    // Not before: a new source pauses the element.
    video.addEventListener('loadeddata', () => this.isPausedByViewer || this.#start());
    video.addEventListener('waiting', () => this.#wait());
    video.addEventListener('playing', () => this.#goOn());
  }

  // ---------------------------------------------------------------- what the viewer wants

  setMode(mode) {
    this.mode = mode;
    this.#interrupt();
  }

  retry() {
    this.isAskedFor = true;
    this.#interrupt();
  }

  pause() {
    this.isPausedByViewer = true;
    this.video.pause();
  }

  play() {
    this.isPausedByViewer = this.wantsTouch = false;
    if (!this.stream.dvr) this.goLive();
    this.#start();
  }

  /** Go to a place that was, or is: near the edge that is live. */
  seek(place) {
    const edge = this.engine?.liveEdge?.() ?? null;
    if (edge === null) return;
    if (place > edge - PAST_S) return this.goLive();
    this.engine.isInPast = true;
    this.video.currentTime = place;
  }

  goLive() {
    this.metrics.jumps += 1;
    if (this.engine) this.engine.isInPast = false;
    this.engine?.jump();
  }

  // ---------------------------------------------------------------- the loop

  async run() {
    for (;;) {
      this.attempt = new AbortController();
      try {
        if (!this.stream.isOn) await this.#await();
        else if (this.isPausedByViewer) await this.#until(() => !this.isPausedByViewer);
        else await this.#round();
      } catch (error) {
        if (!(error instanceof Interruption)) throw error;
      }
    }
  }

  /** Wait until the stream is on. */
  async #await() {
    const { state, detail } = this.stream.told;
    this.#say(state, detail);
    if (state === 'invalid') return this.#sleep(Infinity);
    if (state === 'private' && !this.isAskedFor) {
      // A token that was refused does not get better, and asking again may look like guessing.
      await this.#sleep(this.stream.token === null ? PRIVATE_S : Infinity);
    }
    this.isAskedFor = false;
    const began = performance.now();
    await this.#ask(state !== 'private');
    if (!this.stream.isOn && performance.now() - began < 1000 * AGAIN_S) {
      await this.#sleep(AGAIN_S * (1 + Math.random()));
    }
  }

  /** Try the ways to play it, until one has played to the stream's end. */
  async #round() {
    this.reason = null;
    const useless = new Set(); // kinds of ways that connect and bring nothing
    for (const way of ways(this.stream, this.mode)) {
      if (useless.has(way.kind)) continue;
      let failed = await this.#try(way);
      while (failed?.played > SOLID_S && this.stream.isLive) {
        await this.#sleep(1);
        failed = await this.#try(way);
      }
      await this.#ask(false);
      if (failed === null) {
        // What ended may be on again at once; HLS plays to its end some time after.
        if (this.stream.isOn) await this.#sleep(1);
        return;
      }
      if (!this.stream.isOn) return;
      if (failed.isEmpty) useless.add(way.kind);
      this.metrics.switches += 1;
    }
    this.failures += 1;
    const said = this.reason && `The last try said: ${this.reason}`;
    this.#say('failed', said ?? lacking(this.stream, this.mode));
    await this.#sleep(Math.min(LONGEST_S, AGAIN_S * this.failures));
    await this.#ask(false);
  }

  /**
   * Play in one way.
   *
   * @returns {Promise<{played: number, isEmpty: boolean}|null>} How long it had played when it
   *     failed, in seconds, and whether nothing came; null: it played to the end.
   */
  async #try(way) {
    const engine = (this.engine = new ENGINES[way.kind](this.video, this.stream, way));
    const attempt = this.attempt;
    const own = new AbortController();
    attempt.signal.addEventListener('abort', () => own.abort(attempt.signal.reason));
    const began = performance.now();
    let isEmpty = false;
    this.wantsTouch = false;
    this.#say('starting', '');
    this.view.playsBy(engine.name, way);
    engine.onTracks = (hls, Hls) => this.view.tracks.follow(hls, Hls);
    this.metrics.way = engine.name;
    const playing = engine.run(own.signal);
    const watching = this.#watch(own.signal).catch((error) => own.abort(error));
    try {
      await playing;
      if (this.hasPlayed) return null;
      this.reason = `${engine.name}: it ended before anything came`;
    } catch (error) {
      if (error instanceof Interruption) throw error;
      this.reason = error.message;
      isEmpty = error instanceof NothingCame && !this.hasPlayed;
    } finally {
      own.abort(new Interruption('over'));
      await watching;
      this.engine = null;
      this.view.tracks.leave();
      this.metrics.latency = null;
      this.metrics.stallEnded(false);
      this.view.latency(null, 0);
    }
    return { played: this.hasPlayed ? (performance.now() - began) / 1000 : 0, isEmpty };
  }

  /**
   * Look after an attempt: is there progress, and if not, why?
   *
   * @throws {Error} There is none although the stream is live.
   */
  async #watch(signal) {
    this.hasPlayed = false;
    let position = this.video.currentTime;
    let moved = performance.now();
    let stuckSince = moved; // the same, but time does not count in which the stream was interrupted
    let asked = moved;
    for (;;) {
      await pause(LOOK_MS, signal);
      const now = performance.now();
      const { video } = this;
      this.#measure();
      if (video.paused && (this.isPausedByViewer || this.wantsTouch || video.readyState > 1)) {
        position = video.currentTime; // an engine's seek to where the media begins plays nothing
        moved = stuckSince = this.isPausedByViewer ? moved : now;
        if (now - moved > 1000 * PARK_S) throw new Interruption('parked');
        if (!this.isPausedByViewer && !this.view.isSaying) this.view.paused();
      } else if (video.currentTime !== position && !video.seeking && !video.paused) {
        position = video.currentTime;
        moved = stuckSince = now;
        if (!this.hasPlayed || this.view.isSaying) this.#playing();
      } else if (now - moved > 1000 * STUCK_S) {
        if (now - asked > 1000 * STUCK_S) {
          asked = now;
          if (video.paused) this.#start(); // some load nothing before
          await this.#ask(false, signal);
        }
        if (!this.stream.isOn) throw new Error('the stream is over');
        if (!this.stream.isLive) {
          stuckSince = performance.now();
          this.#say('interrupted', '');
        } else if (now - stuckSince > 1000 * this.engine.patience) {
          throw new NothingCame(`${this.engine.name}: no picture and no sound came`);
        }
      }
    }
  }

  #measure() {
    this.engine?.look?.();
    const latency = this.video.readyState > 1 ? (this.engine?.latency() ?? null) : null;
    this.metrics.latency = latency;
    this.view.latency(latency, this.engine?.edge?.target ?? 0);
    this.view.past(this.engine?.liveEdge?.() ?? null, this.engine?.isInPast ?? false);
  }

  #playing() {
    this.hasPlayed = true;
    this.failures = 0;
    this.#say('playing', '');
  }

  /** Start the picture; browsers may want a touch first. */
  #start() {
    this.video.play().catch((error) => {
      if (error.name !== 'NotAllowedError') return;
      this.wantsTouch = true;
      this.view.wantsTouch();
    });
  }

  #wait() {
    // A seek is no stall, nor is the time before the first picture.
    if (this.hasPlayed && !this.video.seeking && !this.video.paused) {
      this.metrics.stallBegan();
      this.engine?.stalled();
    }
  }

  #goOn() {
    this.metrics.stallEnded(this.stream.isLive);
  }

  #say(state, detail) {
    this.metrics.state = state;
    this.view.say(state, detail);
  }

  /** Ask the server; while it cannot be reached, say so and go on asking. */
  async #ask(isPatient, signal = this.attempt.signal) {
    for (let failures = 1; ; failures += 1) {
      try {
        // After a failure the viewer wants to know at once that the server is back.
        return await this.stream.ask(isPatient && failures === 1, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#say(error instanceof Busy ? 'busy' : 'unreachable', '');
        await this.#sleep(Math.min(LONGEST_S, failures) * (0.5 + Math.random()), signal);
      }
    }
  }

  #interrupt() {
    this.attempt.abort(new Interruption('wanted by the viewer'));
  }

  async #until(condition) {
    while (!condition()) await this.#sleep(LOOK_MS / 1000);
  }

  /** Wait; Infinity until the viewer wants something. */
  #sleep(seconds, signal = this.attempt.signal) {
    return pause(1000 * seconds, signal);
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = milliseconds === Infinity ? null : setTimeout(done, milliseconds);
    function done() {
      signal.removeEventListener('abort', broken);
      resolve();
    }
    function broken() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    signal.addEventListener('abort', broken, { once: true });
  });
}
