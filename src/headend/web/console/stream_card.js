// A stream on a card of its own: picture, graphs, health, facts, and what can be done with it.

import { h, setText } from '../common/dom.js';
import { bitRate, capital, codec, count, duration, number, size, whole } from '../common/format.js';
import { keep } from '../common/keep.js';
import { address, encoded } from './api.js';
import { Graph } from './graph.js';
import { button, facts } from './parts.js';
import { end, STATES, watch } from './stream_acts.js';

const PICTURE_MS = 5000;

export class Card {
  constructor(app, { path }) {
    this.app = app;
    this.path = path;
    const link = { href: `./watch/${encoded(path)}`, onclick: (event) => watch(app, path, event) };
    this.picture = h('img', { alt: '' });
    this.picture.addEventListener('load', () => this.picture.classList.add('there'));
    this.picture.addEventListener('error', () => this.picture.classList.remove('there'));
    this.pictureAt = -Infinity;
    this.pill = h('span', { class: 'pill' });
    this.title = h('p', { class: 'stream-title' });
    this.tracks = h('p', { class: 'soft' });
    this.graphs = {
      bit_rate: new Graph('Bit rate', bitRate),
      frame_rate: new Graph('Frame rate', (value) => `${value.toFixed(1)}/s`),
      viewers: new Graph('Viewers', whole),
    };
    this.facts = facts({
      keyframes: 'Keyframes',
      viewers: 'Watched over',
      late: 'Late viewers',
      publisher: 'Published from',
      since: 'On air for',
      rules: 'Rules',
    });
    this.health = h('ul', { class: 'health', 'aria-label': `Health of ${path}` });
    this.element = h(
      'li',
      { class: 'card' },
      h('a', { class: 'thumb', ...link, 'aria-label': `Watch ${path}` }, this.picture),
      h(
        'div',
        { class: 'card-body' },
        h('div', { class: 'card-head' }, h('h2', {}, path), this.pill),
        this.title,
        this.tracks,
        this.health,
        h(
          'div',
          { class: 'graphs' },
          Object.values(this.graphs).map((graph) => graph.element),
        ),
        this.facts.element,
        h(
          'div',
          { class: 'actions' },
          h('a', { class: 'button small', ...link }, 'Watch'),
          h(
            'a',
            { class: 'button small', href: `#sessions?${encodeURIComponent(path)}` },
            'Sessions',
          ),
          button('End stream', () => end(app, path), {
            kind: 'small danger',
            name: `End stream ${path}`,
          }),
        ),
      ),
    );
    this.#seed();
  }

  update(stream) {
    const [state, look] = STATES[stream.state];
    setText(this.pill, state);
    this.pill.className = `pill ${look}`;
    setText(this.title, stream.title);
    this.title.hidden = !stream.title;
    setText(this.tracks, stream.tracks.map(describe).join(' · ') || 'No media yet');
    for (const [name, graph] of Object.entries(this.graphs)) graph.add(stream[name]);
    const { values } = this.facts;
    const interval = stream.keyframe_interval_s;
    setText(values.keyframes, interval === null ? '–' : `every ${number(interval)} s`);
    setText(values.viewers, protocols(stream.viewers_by_protocol));
    setText(values.late, stream.late ? `${stream.late}, ${count(stream.skips, 'skip')}` : 'none');
    setText(values.publisher, stream.publisher ?? '–');
    setText(values.rules, stream.rules.join(' · ') || 'none');
    setText(values.since, stream.uptime_s === null ? '–' : duration(stream.uptime_s));
    keep(this.health, stream.health, ({ text }) => text, makeFinding);
    this.#refreshPicture(stream.state === 'live');
  }

  async #seed() {
    try {
      const history = await this.app.api.get(`/rates/${encoded(this.path)}`);
      for (const [name, graph] of Object.entries(this.graphs)) {
        graph.seed(history[name], history.interval_s);
      }
    } catch {
      // it was over before we asked
    }
  }

  #refreshPicture(isLive) {
    const now = performance.now();
    if (!isLive || document.hidden || now - this.pictureAt < PICTURE_MS) return;
    this.pictureAt = now;
    const picture = address(`/thumbnails/${encoded(this.path)}`);
    this.picture.src = `${picture}?width=640&at=${Math.floor(Date.now() / PICTURE_MS)}`;
  }
}

function makeFinding({ level, text }) {
  const isWell = level === 'ok';
  const element = h(
    'li',
    { class: isWell ? 'good' : 'warn' },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, isWell ? '✓' : '!'),
    h('span', {}, capital(text)),
  );
  return { element, update() {} };
}

/** A track in words. */
export function describe(track) {
  const known = [codec(track.codec)];
  if (track.profile) known.push([track.profile, track.level].filter(Boolean).join(' '));
  if (track.width) known.push(size(track.width, track.height));
  if (track.frame_rate) known.push(`${number(track.frame_rate)} pictures/s`);
  if (track.sample_rate) known.push(`${number(track.sample_rate / 1000)} kHz`);
  if (track.channels) {
    known.push({ 1: 'mono', 2: 'stereo' }[track.channels] ?? `${track.channels} channels`);
  }
  return known.join(', ');
}

function protocols(counts) {
  const names = Object.entries(counts).sort((one, other) => other[1] - one[1]);
  return names.map(([name, value]) => `${name.toUpperCase()} ${value}`).join(', ') || 'none';
}
