// HLS, played with hls.js or by the browser itself.

import { CONFIG } from './hls_config.js';

// The browser has refused media. hls.js appends the same again, and at last stands still.
const REFUSALS = new Set(['bufferAppendError', 'bufferAppendingError']);
const RELOADS = 3; // of the source, within …
const RELOADS_S = 60;
// So far behind its target, and a target duration more, hls.js no longer plays faster: it would stay
// there for good.
const FAR_S = 2;
const HOLD_BACK = 3; // target durations from the end, where players begin
const FAR_FOR_S = 4; // as long as that is borne

/** One attempt to play with hls.js; `run` once. */
export class HlsEngine {
  name = 'HLS';
  patience = 15; // a first segment may be as long as the keyframe interval

  constructor(video, stream) {
    this.video = video;
    this.stream = stream;
    this.hls = null;
    this.hasStalled = false;
    this.farSince = null;
    this.reloads = []; // when, seconds
    this.isInPast = false; // the viewer has gone back, and wants to stay there
  }

  /** Where the live edge is, as the player counts; null while nothing is known. */
  liveEdge() {
    const details = this.hls?.latestLevelDetails;
    if (!details) return null;
    // hls.js tells it of playlists that it asks for again.
    return this.hls.liveSyncPosition ?? details.edge - HOLD_BACK * details.targetduration;
  }

  /** Seconds from the server's receiving a picture to showing it; null while nothing is known. */
  latency() {
    const date = this.hls?.playingDate;
    return date ? Math.max(0, this.stream.now() - date.getTime() / 1000) : null;
  }

  jump() {
    const to = this.hls?.liveSyncPosition;
    if (to && to > this.video.currentTime) this.video.currentTime = to;
  }

  /** A distance that hls.js makes up by itself is left to it. */
  stalled() {
    this.hasStalled = true;
  }

  /** Call now and then: a player that has fallen far behind goes to the live edge. */
  look() {
    const { hls } = this;
    if (!hls || this.isInPast || this.video.paused || this.video.seeking) return;
    const now = performance.now() / 1000;
    const duration = hls.levels[hls.currentLevel]?.details?.targetduration ?? 0;
    if (!(this.latency() > (hls.targetLatency ?? 0) + duration + FAR_S)) this.farSince = null;
    else if (now - (this.farSince ??= now) > FAR_FOR_S) {
      this.farSince = null;
      this.jump();
    }
  }

  #goOn() {
    const target = this.hls?.targetLatency ?? 0;
    if (this.hasStalled && !this.isInPast && this.latency() > target + FAR_S) this.jump();
    this.hasStalled = false;
  }

  #mayReload() {
    const now = performance.now() / 1000;
    this.reloads = this.reloads.filter((at) => now - at < RELOADS_S);
    return this.reloads.push(now) <= RELOADS;
  }

  /**
   * Play until the stream ends.
   *
   * @throws {Error} It cannot be played, or not any more; or `signal` was given.
   */
  async run(signal) {
    const { default: Hls } = await import('../libraries/hls.mjs');
    signal.throwIfAborted();
    if (!Hls.isSupported()) throw new Error('HLS: no Media Source Extensions');
    const hls = (this.hls = new Hls(CONFIG));
    this.onTracks(hls, Hls);
    try {
      await new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        hls.on(Hls.Events.ERROR, (_, { type, details, fatal }) => {
          if (!fatal && !REFUSALS.has(details)) return;
          if (type !== Hls.ErrorTypes.MEDIA_ERROR || !this.#mayReload()) {
            reject(new Error(`HLS: ${details}`));
          } else {
            // At the live edge, with a new buffer. Not before hls.js is done with the error.
            queueMicrotask(() => this.hls?.loadSource(this.stream.media('/index.m3u8')));
          }
        });
        this.video.addEventListener('ended', resolve, { once: true, signal });
        this.video.addEventListener('playing', () => this.#goOn(), { signal });
        hls.loadSource(this.stream.media('/index.m3u8'));
        hls.attachMedia(this.video);
      });
    } finally {
      this.hls = null;
      hls.destroy();
    }
  }
}

/** One attempt to let the browser play HLS; `run` once. */
export class NativeEngine {
  name = 'HLS (native)';
  patience = 15;

  constructor(video, stream) {
    this.video = video;
    this.stream = stream;
  }

  /** As HlsEngine.latency; only Safari tells what the playlist's dates say. */
  latency() {
    const start = this.video.getStartDate?.().getTime();
    if (!start || Number.isNaN(start)) return null;
    return Math.max(0, this.stream.now() - start / 1000 - this.video.currentTime);
  }

  jump() {
    const { seekable } = this.video;
    if (seekable.length) this.video.currentTime = seekable.end(seekable.length - 1);
  }

  stalled() {}

  async run(signal) {
    const { video } = this;
    this.onTracks(null);
    try {
      await new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        video.addEventListener('ended', resolve, { once: true, signal });
        video.addEventListener(
          'error',
          () => reject(new Error(`HLS: ${video.error?.message || 'the browser cannot play it'}`)),
          { once: true, signal },
        );
        video.src = this.stream.media('/index.m3u8');
      });
    } finally {
      video.removeAttribute('src');
      video.load();
    }
  }
}
