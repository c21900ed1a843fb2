// The live edge: a player is kept near the end of what it has buffered, and told how far it is.
//
// The edge is where the stream is now, in the player's time. It is estimated from the buffer's end:
// data come in bursts, and the burst that came soonest tells it best.
//
//     buffer  |================|          newest data that came
//                    ^         :  ^ edge  = largest (end − time of arrival) lately + now
//                 current      :
//                    |<- behind ->|

const WINDOW_S = 10; // arrivals that the edge is estimated from
const LEAST_S = 0.35; // behind the edge, at best: what decoders and uneven arrival need
const MOST_S = 1.5; // after stalls
const STALL_STEP_S = 0.15; // more after each stall …
const CALM_S = 30; // … and a third of it less after so long without one
const JUMP_S = 1.2; // further behind than this: seek
const FASTEST = 1.2;
const SLOWEST = 0.96;
const SLACK_S = 0.08; // near enough

/** Follows the end of a video element's buffer. */
export class LiveEdge {
  /** @param {HTMLVideoElement} video Plays from a buffer that grows. */
  constructor(video) {
    this.video = video;
    this.target = LEAST_S;
    this.jumps = 0;
    this.arrivals = []; // { at, offset }, seconds
    this.end = 0;
    this.calmSince = performance.now() / 1000;
  }

  /** Seconds behind the edge; null while nothing is known. */
  get behind() {
    const edge = this.#edge(performance.now() / 1000);
    return edge === null ? null : Math.max(0, edge - this.video.currentTime);
  }

  /** The player had to wait for data: stay further behind. */
  stalled() {
    this.target = Math.min(MOST_S, this.target + STALL_STEP_S);
    this.calmSince = performance.now() / 1000;
  }

  /** Go to the edge at once. */
  jump() {
    const { buffered } = this.video;
    if (!buffered.length) return;
    const last = buffered.length - 1;
    const to = Math.max(buffered.start(last), buffered.end(last) - this.target);
    if (to > this.video.currentTime + SLACK_S) {
      this.video.currentTime = to;
      this.jumps += 1;
    }
  }

  /** Call some times a second: take note of what came, and catch up. */
  tick() {
    const now = performance.now() / 1000;
    this.#note(now);
    if (now - this.calmSince > CALM_S) {
      this.calmSince = now;
      this.target = Math.max(LEAST_S, this.target - STALL_STEP_S / 3);
    }
    const { video, behind } = this;
    if (behind === null || video.paused || video.seeking) return;
    const over = behind - this.target;
    if (over > JUMP_S || this.#isInHole()) this.jump();
    else video.playbackRate = rate(over);
  }

  #note(now) {
    const { buffered } = this.video;
    if (!buffered.length) return;
    const end = buffered.end(buffered.length - 1);
    if (end === this.end) return;
    this.end = end;
    this.arrivals = this.arrivals.filter(({ at }) => now - at < WINDOW_S);
    this.arrivals.push({ at: now, offset: end - now });
  }

  #edge(now) {
    if (!this.arrivals.length) return null;
    return now + Math.max(...this.arrivals.map(({ offset }) => offset));
  }

  /** The player stands where nothing comes any more, and there is something further on. */
  #isInHole() {
    const { buffered, currentTime, readyState } = this.video;
    if (readyState > 2 || buffered.length < 2) return false;
    return currentTime < buffered.start(buffered.length - 1);
  }
}

/** How fast to play when it is so many seconds too far behind. */
function rate(over) {
  if (over > SLACK_S) return Math.min(FASTEST, 1 + over / 2);
  if (over < -SLACK_S) return SLOWEST;
  return 1;
}
