// Counts of what viewers notice: first picture, stalls, latency. They are `window.headend`.

/** Figures of this page; times in seconds since it was opened, where nothing else is said. */
export class Metrics {
  state = 'starting';
  way = null; // how it is played
  firstPicture = null; // from opening the page
  latency = null; // live latency now
  stalls = 0; // times that the player had to wait for data
  stalled = 0; // seconds of that
  switches = 0; // times that a way of playing was given up
  jumps = 0; // seeks to the live edge

  #stalledSince = null;

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.video = video;
    const seen = () => {
      this.firstPicture ??= performance.now() / 1000;
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(seen);
    else video.addEventListener('loadeddata', seen, { once: true });
  }

  /** Pictures shown and dropped so far. */
  get pictures() {
    const quality = this.video.getVideoPlaybackQuality?.();
    return { shown: quality?.totalVideoFrames ?? 0, dropped: quality?.droppedVideoFrames ?? 0 };
  }

  get currentTime() {
    return this.video.currentTime;
  }

  stallBegan() {
    this.#stalledSince ??= performance.now() / 1000;
  }

  /** @param {boolean} isCounted Whether it was a stall: not, for instance, an interrupted stream. */
  stallEnded(isCounted) {
    if (this.#stalledSince === null) return;
    if (isCounted) {
      this.stalls += 1;
      this.stalled += performance.now() / 1000 - this.#stalledSince;
    }
    this.#stalledSince = null;
  }
}
