// What a viewer sees and touches: the notice over the picture, the bar, the keys.

import { $, setText } from '../common/dom.js';
import { capital, codec, size } from '../common/format.js';
import { Tracks } from '../common/tracks.js';

const IDLE_MS = 2800;
const BEHIND_S = 1.5; // more than meant to be: the live button says so

// What is said in each state: pill, title, text; no title: the picture is shown.
const SAYINGS = {
  starting: ['', 'Connecting …', ''],
  playing: ['Live', '', ''],
  interrupted: [
    'Interrupted',
    'The broadcast is interrupted',
    'The encoder lost its connection. It goes on here by itself when it is back.',
  ],
  offline: [
    'Offline',
    'This stream is offline',
    'It starts here by itself as soon as somebody publishes it.',
  ],
  private: ['Private', 'This stream is private', ''],
  invalid: ['', 'There is no such stream', ''],
  unreachable: ['No connection', 'The server cannot be reached', 'Trying again …'],
  busy: ['', 'The server is busy', 'Trying again …'],
  failed: ['Not played', 'This stream cannot be played', ''],
};
const NEEDS_TOKEN = 'It needs a token, which you get from whoever offers it.';
const BUSY = new Set(['starting', 'interrupted', 'offline', 'unreachable', 'busy']);

export class Controls {
  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.video = video;
    this.tracks = new Tracks(video);
    this.stage = $('stage');
    this.player = null;
    this.isSaying = false;
    this.isSeeking = false; // the seek bar is held
    this.isInPast = false;
    this.edge = 0;
    this.idleTimer = null;
  }

  /** Listen to the viewer. */
  attach(player) {
    const { video, stage } = this;
    this.player = player;
    const on = (id, call) => $(id).addEventListener('click', call);
    on('play', () => this.#toggle());
    on('big-play', () => this.#toggle());
    on('mute', () => this.#setMuted(!video.muted));
    on('unmute', () => this.#setMuted(false));
    on('live', () => {
      player.goLive();
      player.play();
    });
    on('retry', () => player.retry());
    $('token-form').addEventListener('submit', (event) => {
      event.preventDefault();
      player.stream.setToken($('token').value.trim());
      player.retry();
    });
    on('full', () => this.#toggleFull());
    on('pip', () => this.#togglePicture());
    $('pip').hidden = !document.pictureInPictureEnabled;
    $('seek').hidden = !player.stream.dvr;
    this.stage.classList.toggle('has-past', player.stream.dvr > 0);
    $('seek').addEventListener('input', () => (this.isSeeking = true));
    $('seek').addEventListener('change', (event) => {
      this.isSeeking = false;
      player.seek(this.edge + Number(event.target.value));
    });
    $('volume').addEventListener('input', (event) => this.#setVolume(event.target.value / 100));
    $('mode').addEventListener('change', (event) => player.setMode(event.target.value));
    video.addEventListener('click', (event) => this.#touch(event));
    video.addEventListener('dblclick', () => this.#toggleFull());
    for (const name of ['play', 'pause', 'volumechange']) {
      video.addEventListener(name, () => this.#show());
    }
    document.addEventListener('keydown', (event) => this.#key(event));
    document.addEventListener('fullscreenchange', () => this.#show());
    for (const name of ['pointermove', 'pointerdown', 'keydown', 'focusin']) {
      stage.addEventListener(name, () => this.#wake());
    }
    document.addEventListener('visibilitychange', () => {
      const isLate = !video.paused && !this.isInPast && this.behind > BEHIND_S;
      if (!document.hidden && isLate) player.goLive();
    });
    this.#show();
    this.#wake();
  }

  // ---------------------------------------------------------------- what the player tells

  say(state, detail) {
    const [pill, title, text] = SAYINGS[state];
    this.stage.dataset.state = state;
    this.isSaying = title !== '';
    $('notice').hidden = !this.isSaying;
    $('spinner').hidden = !BUSY.has(state);
    const { stream } = this.player;
    const wantsToken = state === 'private' && stream.told.needs_token;
    $('token-form').hidden = !wantsToken;
    $('retry').hidden = wantsToken || !['private', 'failed'].includes(state);
    const isFirst = wantsToken && stream.token === null;
    setText($('notice-title'), title);
    setText($('notice-text'), isFirst ? NEEDS_TOKEN : text || sentence(detail));
    setText($('pill'), pill);
    $('pill').hidden = pill === '';
    $('pill').className =
      `pill ${{ playing: 'live', interrupted: 'warn', failed: 'bad' }[state] ?? ''}`;
    if (state === 'playing') $('big-play').hidden = true;
    $('unmute').hidden = state !== 'playing' || !this.video.muted || !this.#hasSound();
    this.#wake();
  }

  /** @param {number|null} seconds Live latency. @param {number} target What it is meant to be. */
  latency(seconds, target) {
    this.behind = seconds === null ? 0 : seconds - target;
    setText($('latency'), seconds === null ? '' : `${seconds.toFixed(1)} s`);
    $('live').classList.toggle('behind', this.behind > 2 * BEHIND_S || this.video.paused);
    $('live').setAttribute(
      'aria-label',
      seconds === null ? 'Live: go there' : `Live ${seconds.toFixed(1)} s behind: go there`,
    );
  }

  /**
   * Show how far the viewer can go back.
   *
   * @param {number|null} edge Live, as the player counts. @param {boolean} isInPast It is not live.
   */
  past(edge, isInPast) {
    this.isInPast = isInPast;
    const { seekable, currentTime } = this.video;
    if (edge === null || !this.player.stream.dvr || !seekable.length) return;
    this.edge = edge;
    const seek = $('seek');
    seek.min = Math.min(0, Math.round(seekable.start(0) - edge));
    if (!this.isSeeking) seek.value = isInPast ? currentTime - edge : 0;
    const back = Math.round(-seek.value);
    seek.setAttribute('aria-valuetext', back > 0 ? `${back} seconds ago` : 'Live');
  }

  playsBy(name, way) {
    const said = way.lacks ? `${name}, without the ${way.lacks}: it cannot be played here` : name;
    setText($('facts'), [...describe(this.player.stream), said].join(' · '));
  }

  paused() {
    this.#show();
  }

  /** The browser plays nothing before the viewer has touched the page. */
  wantsTouch() {
    $('big-play').hidden = false;
    $('notice').hidden = true;
    $('big-play').focus({ preventScroll: true });
  }

  // ---------------------------------------------------------------- what the viewer does

  #toggle() {
    $('big-play').hidden = true;
    if (this.video.paused) this.player.play();
    else this.player.pause();
  }

  #touch(event) {
    // A finger first brings the bar; a mouse has brought it already.
    if (event.pointerType === 'touch' || matchMedia('(hover: none)').matches) return;
    if (!this.isSaying) this.#toggle();
  }

  #setMuted(isMuted) {
    this.video.muted = isMuted;
    if (!isMuted && this.video.volume === 0) this.video.volume = 1;
  }

  #setVolume(volume) {
    this.video.volume = Math.min(1, Math.max(0, volume));
    this.video.muted = volume <= 0;
  }

  async #toggleFull() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else if (this.stage.requestFullscreen) await this.stage.requestFullscreen();
    else this.video.webkitEnterFullscreen?.(); // iPhone
  }

  async #togglePicture() {
    if (document.pictureInPictureElement) await document.exitPictureInPicture();
    else if (this.video.readyState) await this.video.requestPictureInPicture();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isInField = event.target.closest('input, select, textarea, summary, button, a');
    const keys = {
      k: () => this.#toggle(),
      m: () => this.#setMuted(!this.video.muted),
      l: () => $('live').click(),
      f: () => this.#toggleFull(),
      ' ': () => this.#toggle(),
      ArrowUp: () => this.#setVolume((this.video.muted ? 0 : this.video.volume) + 0.1),
      ArrowDown: () => this.#setVolume((this.video.muted ? 0 : this.video.volume) - 0.1),
    };
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    // Space and arrows mean something else to a control that has the focus.
    if (!act || (isInField && (event.key.length > 1 || event.key === ' '))) return;
    if (event.target.closest('input:not([type=range]), textarea, select')) return;
    event.preventDefault();
    act();
  }

  // ---------------------------------------------------------------- showing it

  #show() {
    const { video, stage } = this;
    stage.classList.toggle('paused', video.paused);
    stage.classList.toggle('muted', video.muted);
    $('play').setAttribute('aria-label', video.paused ? 'Play' : 'Pause');
    $('mute').setAttribute('aria-label', video.muted ? 'Turn sound on' : 'Turn sound off');
    $('full').setAttribute(
      'aria-label',
      document.fullscreenElement ? 'Leave full screen' : 'Full screen',
    );
    $('volume').value = video.muted ? 0 : Math.round(100 * video.volume);
    if (!video.muted) $('unmute').hidden = true;
    this.#wake();
  }

  /** Show the bar, and let it go after a while of quiet. */
  #wake() {
    this.stage.classList.remove('idle');
    clearTimeout(this.idleTimer);
    this.idleTimer = setTimeout(() => {
      const isQuiet = !this.video.paused && !this.isSaying;
      this.stage.classList.toggle('idle', isQuiet);
    }, IDLE_MS);
  }

  #hasSound() {
    const { tracks } = this.player.stream.told;
    return (
      !tracks.length ||
      tracks.some((track) => track.kind === 'audio') ||
      this.video.webkitAudioDecodedByteCount > 0
    );
  }
}

/** What is known of a stream, in words. */
function describe(stream) {
  const [video, audio] = [stream.track('video'), stream.track('audio')];
  const facts = [];
  if (video?.width) facts.push(size(video.width, video.height));
  if (video?.frame_rate) facts.push(`${Math.round(100 * video.frame_rate) / 100} pictures/s`);
  const codecs = [video, audio].filter(Boolean).map((track) => codec(track.codec));
  if (codecs.length) facts.push(codecs.join(' and '));
  return facts;
}

function sentence(text) {
  const whole = capital(text);
  return whole && !/[.!?]$/.test(whole) ? `${whole}.` : whole;
}
