// What a viewer chooses of a stream: quality, sound, captions. Each is shown where there is a choice.

import { $, h, setText } from './dom.js';

const AUTO = '-1';
const TEXTS = new Set(['captions', 'subtitles']);

/** The choices of a video element, in the menu of its page. */
export class Tracks {
  #hls = null;
  #isOn = false; // an engine plays that has tracks
  #language = null; // of captions that the viewer wants; '': none

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.video = video;
    $('quality').addEventListener('change', ({ target }) => this.#setQuality(Number(target.value)));
    $('sound').addEventListener('change', ({ target }) => this.#setSound(Number(target.value)));
    $('captions').addEventListener('change', ({ target }) => this.#setCaptions(target.value));
    $('captions-toggle').addEventListener('click', () => this.#toggleCaptions());
    for (const list of [video.textTracks, video.audioTracks]) {
      for (const name of ['addtrack', 'removetrack', 'change']) {
        list?.addEventListener(name, () => this.#show());
      }
    }
    this.#show();
  }

  /**
   * Offer what an engine plays.
   *
   * @param {object|null} hls hls.js; null: the browser plays HLS by itself.
   * @param {object} [Hls] Its class.
   */
  follow(hls, Hls) {
    this.#isOn = true;
    this.#hls = hls;
    if (hls) {
      const { MANIFEST_PARSED, LEVELS_UPDATED, LEVEL_SWITCHED } = Hls.Events;
      const { AUDIO_TRACKS_UPDATED, AUDIO_TRACK_SWITCHED } = Hls.Events;
      const told = [MANIFEST_PARSED, LEVELS_UPDATED, LEVEL_SWITCHED];
      told.push(AUDIO_TRACKS_UPDATED, AUDIO_TRACK_SWITCHED);
      for (const name of told) hls.on(name, () => this.#show());
    }
    this.#show();
  }

  /** The engine is done. */
  leave() {
    this.#isOn = false;
    this.#hls = null;
    this.#show();
  }

  // ---------------------------------------------------------------- what the viewer chooses

  #setQuality(level) {
    if (this.#hls) this.#hls.nextLevel = level;
    this.#show();
  }

  #setSound(index) {
    if (this.#hls) this.#hls.audioTrack = index;
    else [...this.video.audioTracks].forEach((each, i) => (each.enabled = i === index));
  }

  #setCaptions(language) {
    this.#language = language;
    for (const track of this.#texts()) {
      track.mode = language !== '' && keyOf(track) === language ? 'showing' : 'disabled';
    }
    this.#show();
  }

  #toggleCaptions() {
    const texts = this.#texts();
    const isShown = texts.some(({ mode }) => mode === 'showing');
    this.#setCaptions(isShown || !texts.length ? '' : keyOf(texts[0]));
  }

  // ---------------------------------------------------------------- showing it

  #texts() {
    return this.#isOn ? [...this.video.textTracks].filter(({ kind }) => TEXTS.has(kind)) : [];
  }

  #show() {
    this.#showQuality();
    this.#showSound();
    this.#showCaptions();
  }

  #showQuality() {
    const levels = this.#hls?.levels ?? [];
    const isAuto = this.#hls?.autoLevelEnabled ?? true;
    const current = levels[this.#hls?.currentLevel];
    const auto = isAuto && current ? `Automatic (${nameOf(current)})` : 'Automatic';
    const options = [[AUTO, auto], ...levels.map((level, i) => [String(i), nameOf(level)]).reverse()];
    const chosen = isAuto ? AUTO : String(this.#hls.loadLevel);
    offer('quality', levels.length > 1 ? options : [], chosen);
  }

  #showSound() {
    const native = this.#isOn && !this.#hls ? [...(this.video.audioTracks ?? [])] : [];
    const tracks = this.#hls?.audioTracks ?? native;
    const options = tracks.map((track, i) => [String(i), labelOf(track, `Sound ${i + 1}`)]);
    const chosen = this.#hls ? this.#hls.audioTrack : native.findIndex(({ enabled }) => enabled);
    offer('sound', tracks.length > 1 ? options : [], String(chosen));
  }

  #showCaptions() {
    const texts = this.#texts();
    const wanted = texts.find((track) => this.#language && keyOf(track) === this.#language);
    if (wanted?.mode === 'disabled') wanted.mode = 'showing'; // of an engine that began anew
    const shown = texts.find(({ mode }) => mode === 'showing');
    const options = texts.map((track, i) => [keyOf(track), labelOf(track, `Captions ${i + 1}`)]);
    offer('captions', texts.length ? [['', 'Off'], ...options] : [], shown ? keyOf(shown) : '');
    const toggle = $('captions-toggle');
    toggle.hidden = !texts.length;
    toggle.setAttribute('aria-pressed', String(Boolean(shown)));
  }
}

/** Fill a choice; without options it is not shown. */
function offer(id, options, chosen) {
  const select = $(id);
  select.closest('label').hidden = !options.length;
  const before = [...select.options];
  const isSame =
    before.length === options.length && options.every(([value], i) => before[i].value === value);
  if (isSame) options.forEach(([, text], i) => setText(before[i], text));
  else select.replaceChildren(...options.map(([value, text]) => h('option', { value }, text)));
  select.value = chosen;
}

function nameOf(level) {
  return level.height ? `${level.height}p` : `${Math.round(level.bitrate / 1000)} kbit/s`;
}

function keyOf({ language, label }) {
  return `${language} ${label}`;
}

function labelOf(track, otherwise) {
  return track.name || track.label || track.lang || track.language || otherwise;
}
