// The section Streams: a table or cards at choice, filtered; or the card of one stream.

import { h, setText } from '../common/dom.js';
import { bitRate, count, duration, whole } from '../common/format.js';
import { keep } from '../common/keep.js';
import { button, facts } from './parts.js';
import { makeBar } from './stream_acts.js';
import { Card } from './stream_card.js';
import { StreamTable } from './stream_table.js';

const MANY = 9; // more streams than this come as a table, until somebody chooses
const PAGES = { table: 50, cards: 12 }; // that are shown at once
const VIEW = 'headend-streams';

export const streams = {
  id: 'streams',
  title: 'Streams',
  needs: '/api/v1/streams',
  create: (app) => new Streams(app),
};

class Streams {
  #only = ''; // the stream that is shown alone
  #pages = 1;
  #last = null;

  constructor(app) {
    this.figures = facts({
      streams: 'Live streams',
      viewers: 'Viewers',
      bitRate: 'Coming in',
      uptime: 'Server runs for',
    });
    this.figures.element.classList.add('figures');
    this.app = app;
    this.search = h('input', { class: 'field', type: 'search', id: 'stream-filter' });
    this.search.addEventListener('input', () => this.#draw());
    this.views = ['table', 'cards'].map((view) => this.#viewButton(view));
    this.shown = h('p', { class: 'soft', role: 'status' });
    this.tools = h(
      'div',
      { class: 'tools' },
      h('label', { for: this.search.id }, 'Filter'),
      this.search,
      h('span', { class: 'choice', role: 'group', 'aria-label': 'Streams as' }, this.views),
      this.shown,
    );
    this.back = h('p', { class: 'tools', hidden: true }, h('a', { href: '#streams' }, 'All streams'));
    this.table = new StreamTable(app, () => this.#draw());
    this.cards = h('ul', { class: 'cards' });
    this.more = button('Show more', () => this.#showMore(), { kind: 'more' });
    this.command = h('code', {});
    this.bars = h('ul', { class: 'bars' });
    this.barred = h('section', { class: 'panel', hidden: true }, h('h2', {}, 'Kept away'), this.bars);
    this.none = h(
      'div',
      { class: 'empty large', hidden: true },
      h('p', {}, h('strong', {}, 'Nothing is live.')),
      h('p', {}, 'Publish a stream, from this machine for instance with'),
      this.command,
    );
    this.element = h(
      'div',
      {},
      this.figures.element,
      this.barred,
      this.none,
      this.back,
      this.tools,
      this.table.element,
      this.cards,
      this.more,
    );
  }

  /** Show one stream, or all. */
  open(path) {
    this.#only = path;
    this.#draw();
  }

  update(state) {
    this.#last = state;
    const { server } = state;
    const { values } = this.figures;
    setText(values.streams, whole(server.streams));
    setText(values.viewers, whole(server.viewers));
    setText(values.bitRate, bitRate(server.bit_rate_in));
    setText(values.uptime, duration(server.uptime_s));
    const bars = Object.entries(state.bars);
    this.barred.hidden = !bars.length;
    keep(
      this.bars,
      bars,
      ([path]) => path,
      ([path]) => makeBar(this.app, path),
    );
    setText(this.command, publishing(server.listeners.rtmp));
    this.#draw();
  }

  get #view() {
    const chosen = localStorage.getItem(VIEW);
    if (chosen in PAGES) return chosen;
    return this.#last.streams.length > MANY ? 'table' : 'cards';
  }

  #draw() {
    if (this.#last === null) return;
    const all = this.#last.streams;
    const word = this.search.value.trim().toLowerCase();
    const isAlone = this.#only !== '';
    const found = all.filter((each) => (isAlone ? each.path === this.#only : fits(each, word)));
    const view = isAlone ? 'cards' : this.#view;
    const shown = this.table.sorted(found).slice(0, this.#pages * PAGES[view]);
    this.none.hidden = all.length > 0 || isAlone;
    this.back.hidden = !isAlone;
    this.tools.hidden = isAlone || !all.length;
    this.table.element.hidden = view !== 'table' || !found.length;
    this.cards.hidden = view !== 'cards';
    this.more.hidden = shown.length === found.length;
    this.#say(found.length, shown.length);
    for (const button of this.views) {
      button.setAttribute('aria-pressed', String(button.dataset.view === view));
    }
    this.table.update(view === 'table' ? shown : []);
    keep(
      this.cards,
      view === 'cards' ? shown : [],
      ({ path }) => path,
      (stream) => new Card(this.app, stream),
    );
  }

  #say(found, shown) {
    const { streams: all, more_streams: others } = this.#last;
    const total = all.length + others;
    const parts = [];
    if (found < total) parts.push(`${whole(found)} of ${count(total, 'stream')}`);
    if (shown < found) parts.push(`the first ${shown} shown`);
    if (others) parts.push(`${count(others, 'stream')} not sent here`);
    setText(this.shown, parts.join(', '));
  }

  #showMore() {
    this.#pages += 1;
    this.#draw();
  }

  #viewButton(view) {
    const name = view === 'table' ? 'Table' : 'Cards';
    const made = h('button', { class: 'button', type: 'button', 'data-view': view }, name);
    made.addEventListener('click', () => {
      localStorage.setItem(VIEW, view);
      this.#pages = 1;
      this.#draw();
    });
    return made;
  }
}

function fits({ path, title, publisher }, word) {
  return !word || `${path} ${title} ${publisher ?? ''}`.toLowerCase().includes(word);
}

/** A command that publishes to this server, from its own machine. */
function publishing(listeners) {
  const place = listeners.find((address) => !address.startsWith('unix:')) ?? '127.0.0.1';
  return `ffmpeg -re -i file.flv -c copy -f flv rtmp://${place.replace(/:1935$/, '')}/live/a`;
}
