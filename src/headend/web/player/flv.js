// FLV over a WebSocket or HTTP, played with mpegts.js.

import { LiveEdge } from './edge.js';

const TICK_MS = 100;

let library = null;

/** Load mpegts.js, once; it is no module. */
function load() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = new URL('../libraries/mpegts.js', import.meta.url).href;
    script.onload = () => resolve(globalThis.mpegts);
    script.onerror = () => {
      library = null;
      reject(new Error('mpegts.js is not there'));
    };
    document.head.append(script);
  });
  return library;
}

/**
 * One attempt to play; `run` once.
 *
 * `patience` is how long it may show nothing new although the stream is live, in seconds.
 */
export class FlvEngine {
  /**
   * @param {HTMLVideoElement} video
   * @param {import('./stream.js').Stream} stream
   * @param {import('./choice.js').Way} way
   */
  constructor(video, stream, way) {
    this.patience = 6;
    this.name = way.isSocket ? 'WebSocket-FLV' : 'HTTP-FLV';
    this.video = video;
    this.stream = stream;
    this.way = way;
    this.edge = new LiveEdge(video);
  }

  /** Seconds from the server's receiving a picture to showing it; null while nothing is known. */
  latency() {
    const { behind } = this.edge;
    return behind === null ? null : behind + this.stream.told.delay_s;
  }

  jump() {
    this.edge.jump();
  }

  stalled() {
    this.edge.stalled();
  }

  /**
   * Play until the stream ends.
   *
   * @throws {Error} It cannot be played, or not any more; or `signal` was given.
   */
  async run(signal) {
    const mpegts = await load();
    signal.throwIfAborted();
    mpegts.LoggingControl.enableAll = false;
    const player = mpegts.createPlayer(this.#source(), CONFIG);
    const ticking = setInterval(() => this.edge.tick(), TICK_MS);
    try {
      await new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        player.on(mpegts.Events.ERROR, (type, detail, info) => {
          reject(new Error(`${this.name}: ${info?.msg || detail || type}`));
        });
        player.on(mpegts.Events.LOADING_COMPLETE, resolve);
        // The first picture is shown at once; the newest keyframe may be seconds old, though.
        this.video.addEventListener('loadeddata', () => this.edge.jump(), { once: true, signal });
        player.attachMediaElement(this.video);
        player.load();
      });
    } finally {
      clearInterval(ticking);
      this.video.playbackRate = 1;
      player.destroy();
    }
  }

  #source() {
    const source = {
      type: 'flv',
      isLive: true,
      url: this.stream.media('.flv', { isSocket: this.way.isSocket }),
    };
    return this.way.lacks === 'sound' ? { ...source, hasAudio: false } : source;
  }
}

const CONFIG = {
  isLive: true,
  enableStashBuffer: false, // what comes is shown
  lazyLoad: false,
  autoCleanupSourceBuffer: true,
  autoCleanupMaxBackwardDuration: 30,
  autoCleanupMinBackwardDuration: 15,
};
