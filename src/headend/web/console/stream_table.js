// Streams as rows of a table that is sorted by its columns.

import { h, setText } from '../common/dom.js';
import { bitRate, codec, count, duration, size, whole } from '../common/format.js';
import { keep } from '../common/keep.js';
import { encoded } from './api.js';
import { button } from './parts.js';
import { end, STATES, watch } from './stream_acts.js';

const RANK = { error: 2, warning: 1, ok: 0 };

// Name, what it is sorted by, and whether the largest comes first.
const COLUMNS = [
  ['Stream', ({ path }) => path, false],
  ['State', ({ state }) => state, false],
  ['Health', (stream) => worst(stream), true],
  ['Viewers', ({ viewers }) => viewers, true],
  ['Bit rate', ({ bit_rate: rate }) => rate, true],
  ['Picture', (stream) => picture(stream)?.height ?? 0, true],
  ['On air for', ({ uptime_s: uptime }) => uptime ?? -1, true],
];

/** The table; `onSort` is called when its order has changed. */
export class StreamTable {
  #column = 0;
  #isDown = false;

  constructor(app, onSort) {
    this.app = app;
    this.body = h('tbody');
    this.heads = COLUMNS.map(([name], i) => {
      const sorting = h('button', { class: 'sort', type: 'button' }, name);
      sorting.addEventListener('click', () => {
        this.#isDown = i === this.#column ? !this.#isDown : COLUMNS[i][2];
        this.#column = i;
        this.#mark();
        onSort();
      });
      return h('th', { scope: 'col' }, sorting);
    });
    const actions = h('th', { scope: 'col' }, h('span', { class: 'hidden-text' }, 'Actions'));
    this.element = h(
      'div',
      { class: 'table-box' },
      h(
        'table',
        { class: 'streams' },
        h('caption', { class: 'hidden-text' }, 'Streams'),
        h('thead', {}, h('tr', {}, this.heads, actions)),
        this.body,
      ),
    );
    this.#mark();
  }

  /** Sort streams as the viewer has chosen. */
  sorted(streams) {
    const valueOf = COLUMNS[this.#column][1];
    const sign = this.#isDown ? -1 : 1;
    const found = streams.map((stream) => [valueOf(stream), stream]);
    found.sort(([a, one], [b, other]) => {
      if (a !== b) return a < b ? -sign : sign;
      return one.path < other.path ? -1 : 1;
    });
    return found.map(([, stream]) => stream);
  }

  update(streams) {
    keep(
      this.body,
      streams,
      ({ path }) => path,
      ({ path }) => new Row(this.app, path),
    );
  }

  #mark() {
    this.heads.forEach((head, i) => {
      const order = this.#isDown ? 'descending' : 'ascending';
      head.setAttribute('aria-sort', i === this.#column ? order : 'none');
    });
  }
}

class Row {
  constructor(app, path) {
    this.title = h('span', { class: 'soft stream-title' });
    this.state = h('span', { class: 'pill' });
    this.health = h('span', { class: 'pill' });
    const texts = COLUMNS.slice(3).map(() => h('td', { class: 'figure' }));
    [this.viewers, this.bitRate, this.picture, this.uptime] = texts;
    const link = { href: `./watch/${encoded(path)}`, onclick: (event) => watch(app, path, event) };
    const cells = [
      h('td', {}, h('a', { href: `#streams?${encodeURIComponent(path)}` }, path), this.title),
      h('td', {}, this.state),
      h('td', {}, this.health),
      ...texts,
      h(
        'td',
        {},
        h('a', { class: 'button small', ...link, 'aria-label': `Watch ${path}` }, 'Watch'),
        ' ',
        button('End', () => end(app, path), { kind: 'small danger', name: `End stream ${path}` }),
      ),
    ];
    COLUMNS.forEach(([name], i) => cells[i].setAttribute('data-name', name));
    this.element = h('tr', {}, cells);
  }

  update(stream) {
    const [state, look] = STATES[stream.state];
    show(this.state, state, look);
    const problems = stream.health.filter(({ level }) => level !== 'ok');
    show(this.health, problems.length ? count(problems.length, 'finding') : 'Well', problems.length ? 'warn' : 'good');
    setText(this.title, stream.title);
    setText(this.viewers, whole(stream.viewers));
    setText(this.bitRate, bitRate(stream.bit_rate));
    setText(this.picture, shown(stream));
    setText(this.uptime, stream.uptime_s === null ? '–' : duration(stream.uptime_s));
  }
}

function show(pill, text, look) {
  setText(pill, text);
  const wanted = `pill ${look}`;
  if (pill.className !== wanted) pill.className = wanted;
}

function worst({ health }) {
  return Math.max(0, ...health.map(({ level }) => RANK[level] ?? 1));
}

function picture({ tracks }) {
  return tracks.find(({ kind }) => kind === 'video');
}

function shown(stream) {
  const video = picture(stream);
  const codecs = stream.tracks.map((track) => codec(track.codec)).join(', ');
  return video?.width ? `${size(video.width, video.height)}, ${codecs}` : codecs || '–';
}
