// The page of a recording or a media file: hls.js or the browser plays it, a bar shows and changes the place.

import { $, setText } from '../common/dom.js';
import { menu } from '../common/menu.js';
import { Tracks } from '../common/tracks.js';
import { offerClips } from './clip.js';
import { clock, moment } from './times.js';

const STEP_S = 10;
const NEEDS_TOKEN = 'It needs a token, which you get from whoever offers it.';
const IDLE_MS = 2800;
const RECOVERIES = 3; // from errors of the browser's decoder
const FRAME_S = 0.25; // the longest last picture

const root = document.documentElement;
root.classList.toggle('framed', window.self !== window.top);
const told = JSON.parse(root.dataset.recording);
const video = $('video');
const stage = $('stage');
const base = new URL(root.dataset.root, new URL(location.pathname, location.origin));

const tracks = new Tracks(video);

let hls = null;
let isSeeking = false;
let idleTimer = null;

/** Address of media of this recording or file, with what lets the viewer in. */
function media(suffix) {
  const address = new URL(`${told.place}${suffix}`, base);
  address.search = location.search;
  return address.href;
}

// ------------------------------------------------------------------ playing

async function start() {
  if (told.problem) return say(told.problem_title, told.problem);
  const { default: Hls } = await import('../libraries/hls.mjs');
  if (Hls.isSupported()) playBy(Hls);
  else if (video.canPlayType('application/vnd.apple.mpegurl')) playByItself();
  else return say('This browser cannot play it', 'It has no Media Source Extensions.');
  video.play().catch(() => ($('big-play').hidden = false));
}

function playBy(Hls) {
  let recoveries = RECOVERIES;
  hls = window.headend_hls = new Hls({ enableWorker: false });
  hls.on(Hls.Events.ERROR, (_, { type, details, fatal }) => {
    if (!fatal) return;
    if (type === Hls.ErrorTypes.MEDIA_ERROR && recoveries-- > 0) hls.recoverMediaError();
    else say('It cannot be played', details);
  });
  video.addEventListener('waiting', () => endAtLast(Hls));
  tracks.follow(hls, Hls);
  hls.loadSource(media('/index.m3u8'));
  hls.attachMedia(video);
}

/** End where all is played. hls.js does so itself, but not behind a hole that it has jumped. */
function endAtLast(Hls) {
  const isOver = hls.latestLevelDetails?.live === false;
  if (isOver && video.duration - video.currentTime < FRAME_S) hls.trigger(Hls.Events.BUFFER_EOS, {});
}

function playByItself() {
  tracks.follow(null);
  video.src = media('/index.m3u8');
  video.addEventListener('error', () =>
    say('This recording cannot be played', video.error?.message ?? ''),
  );
}

function say(title, text) {
  stage.dataset.state = 'failed';
  setText($('notice-title'), title);
  setText($('notice-text'), text);
  $('token-form').hidden = !told.needs_token;
  const hasToken = new URLSearchParams(location.search).has('token');
  if (told.needs_token && !hasToken) setText($('notice-text'), NEEDS_TOKEN);
  $('notice').hidden = false;
  $('bar').hidden = true;
}

/** Ask for the page again, with a token. */
function enter(event) {
  event.preventDefault();
  const address = new URL(location.href);
  address.searchParams.set('token', $('token').value.trim());
  location.replace(address);
}

// ------------------------------------------------------------------ what the viewer does

function toggle() {
  if (video.paused) video.play();
  else video.pause();
}

function seekTo(seconds) {
  const end = length();
  video.currentTime = Math.min(Math.max(0, seconds), end);
  show();
}

function setMuted(isMuted) {
  video.muted = isMuted;
  if (!isMuted && video.volume === 0) video.volume = 1;
}

function setVolume(volume) {
  video.volume = Math.min(1, Math.max(0, volume));
  video.muted = volume <= 0;
}

async function toggleFull() {
  if (document.fullscreenElement) await document.exitFullscreen();
  else if (stage.requestFullscreen) await stage.requestFullscreen();
  else video.webkitEnterFullscreen?.(); // iPhone
}

const KEYS = {
  ' ': toggle,
  k: toggle,
  m: () => setMuted(!video.muted),
  f: toggleFull,
  ArrowLeft: () => seekTo(video.currentTime - STEP_S),
  ArrowRight: () => seekTo(video.currentTime + STEP_S),
  ArrowUp: () => setVolume((video.muted ? 0 : video.volume) + 0.1),
  ArrowDown: () => setVolume((video.muted ? 0 : video.volume) - 0.1),
};

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  // Space and arrows mean something else to a control that has the focus.
  const isInField = event.target.closest('input, select, button, a');
  if (!act || (isInField && (event.key.length > 1 || event.key === ' '))) return;
  event.preventDefault();
  act();
}

// ------------------------------------------------------------------ showing it

function length() {
  return Number.isFinite(video.duration) ? video.duration : told.duration_s;
}

function show() {
  const whole = Math.round(10 * length()) / 10; // a duration may be 23.999
  const place = isSeeking ? Number($('seek').value) : video.currentTime;
  stage.classList.toggle('paused', video.paused);
  stage.classList.toggle('muted', video.muted);
  $('play').setAttribute('aria-label', video.paused ? 'Play' : 'Pause');
  $('mute').setAttribute('aria-label', video.muted ? 'Turn sound on' : 'Turn sound off');
  $('volume').value = video.muted ? 0 : Math.round(100 * video.volume);
  $('seek').max = whole;
  if (!isSeeking) $('seek').value = place;
  $('seek').setAttribute('aria-valuetext', `${clock(place)} of ${clock(whole)}`);
  setText($('clock'), `${clock(place)} / ${clock(whole)}`);
  const date = hls?.playingDate;
  if (date) setText($('when'), moment(date));
  if (video.readyState > 1 && $('notice').hidden) stage.dataset.state = 'playing';
}

/** Show the bar, and let it go after a while of quiet. */
function wake() {
  stage.classList.remove('idle');
  clearTimeout(idleTimer);
  idleTimer = setTimeout(() => stage.classList.toggle('idle', !video.paused), IDLE_MS);
}

function listen() {
  const on = (id, name, call) => $(id).addEventListener(name, call);
  on('play', 'click', toggle);
  on('big-play', 'click', () => video.play());
  on('mute', 'click', () => setMuted(!video.muted));
  on('full', 'click', toggleFull);
  on('token-form', 'submit', enter);
  on('volume', 'input', (event) => setVolume(event.target.value / 100));
  on('seek', 'input', () => {
    isSeeking = true;
    show();
  });
  on('seek', 'change', (event) => {
    isSeeking = false;
    seekTo(Number(event.target.value));
  });
  video.addEventListener('click', () => matchMedia('(hover: none)').matches || toggle());
  video.addEventListener('dblclick', toggleFull);
  video.addEventListener('playing', () => ($('big-play').hidden = true));
  for (const name of ['play', 'pause', 'volumechange', 'timeupdate', 'durationchange', 'seeked']) {
    video.addEventListener(name, show);
  }
  document.addEventListener('keydown', key);
  for (const name of ['pointermove', 'pointerdown', 'keydown', 'focusin']) {
    stage.addEventListener(name, wake);
  }
  wake();
}

function describe() {
  if (told.problem) return ($('below').hidden = true);
  const facts = [clock(told.duration_s)];
  if (told.started) facts.unshift(moment(new Date(1000 * told.started)));
  setText($('facts'), facts.join(' · '));
  $('pill').hidden = told.is_over;
  setText($('pill'), 'Recording');
  $('pill').className = 'pill live';
  $('download').hidden = !(told.is_over && told.started);
  $('download').href = media('.mp4');
  if (told.is_signed_in) offerClips(told, base, video);
}

listen();
menu('settings', 'menu');
describe();
show();
start();
