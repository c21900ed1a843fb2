// The section Nodes: who shares the streams, nodes of a cluster or workers of this server; drains.

import { h, setText } from '../common/dom.js';
import { bitRate, bytes, capital, count, duration, whole } from '../common/format.js';
import { keep } from '../common/keep.js';
import { ask, button, facts, say } from './parts.js';

const AGAIN_MS = 2000;
const LOOKS = { serving: 'good', draining: 'warn', stopping: 'bad' };
const AWAY = 'The directory of the cluster (Redis) does not answer: this is what was known last.';
const DRAIN = '/api/v1/drain';

export const nodes = {
  id: 'nodes',
  title: 'Nodes',
  needs: '/api/v1/nodes',
  create(app) {
    const list = h('ul', { class: 'cards' });
    const away = h('p', { class: 'fault', role: 'status', hidden: true }, AWAY);
    const drain = DRAIN in app.paths ? new Drain(app) : null;
    let asked = -Infinity;
    const load = async () => {
      asked = performance.now();
      const found = await app.api.get('/nodes');
      away.hidden = !found.is_away;
      keep(
        list,
        found.nodes,
        ({ node, worker, boot }) => `${node} ${worker} ${boot}`,
        (node) => new Card(node),
      );
      await drain?.load();
    };
    return {
      element: h('div', {}, drain?.element, away, list),
      open: load,
      update() {
        if (performance.now() - asked > AGAIN_MS) load().catch((error) => say(error.message, true));
      },
    };
  },
};

class Card {
  constructor({ node, worker, is_this: isThis, rtmp, http }) {
    this.pill = h('span', { class: 'pill' });
    this.facts = facts({
      streams: 'Streams',
      sessions: 'Sessions',
      viewers: 'Viewers',
      rateIn: 'Coming in',
      rateOut: 'Going out',
      memory: 'Memory',
      lag: 'Event loop is behind',
    });
    this.names = h('ul', { class: 'names' });
    this.more = h('p', { class: 'soft' });
    const isThisNode = isThis && worker === null;
    this.element = h(
      'li',
      { class: 'panel' },
      h(
        'div',
        { class: 'card-head' },
        h('h2', {}, worker === null ? node : `${node}, worker ${worker}`),
        this.pill,
        isThisNode && h('span', { class: 'pill' }, 'This server'),
      ),
      rtmp && h('p', { class: 'mono soft' }, [rtmp, http].filter(Boolean).join(', ')),
      this.facts.element,
      this.names,
      this.more,
    );
  }

  update({ streams, names, load }) {
    const { values } = this.facts;
    setText(this.pill, load ? capital(load.state) : 'Not heard of yet');
    this.pill.className = `pill ${load ? LOOKS[load.state] : ''}`;
    setText(values.streams, whole(streams));
    setText(values.sessions, load ? whole(load.sessions) : '–');
    setText(values.viewers, load ? whole(load.viewers) : '–');
    setText(values.rateIn, load ? bitRate(load.bit_rate_in) : '–');
    setText(values.rateOut, load ? bitRate(load.bit_rate_out) : '–');
    setText(values.memory, load ? bytes(load.memory_bytes) : '–');
    setText(values.lag, load ? `${Math.round(1000 * load.loop_lag_s)} ms` : '–');
    keep(this.names, names, (name) => name, makeName);
    setText(this.more, streams > names.length ? `and ${streams - names.length} more` : '');
  }
}

function makeName(path) {
  const link = h('a', { href: `#streams?${encodeURIComponent(path)}` }, path);
  return { element: h('li', {}, link), update() {} };
}

/** The drain of this server: what it does, and its buttons. */
class Drain {
  constructor(app) {
    this.app = app;
    this.told = h('p', { class: 'soft', role: 'status' });
    this.begin = button('Drain this server', () => this.#begin(), { kind: 'danger' });
    this.undo = button('Call the drain off', () => this.#undo(), { kind: '' });
    this.element = h('div', { class: 'tools' }, this.begin, this.undo, this.told);
  }

  async load() {
    const { state, left_s: left, publishers, players } = await this.app.api.get('/drain');
    const isOn = state === 'draining';
    this.begin.hidden = isOn;
    this.undo.hidden = !isOn;
    const who = `${count(publishers, 'publisher')} and ${count(players, 'player')}`;
    setText(this.told, isOn ? `${who} left; it stops in ${duration(left)} at the latest.` : '');
  }

  async #begin() {
    const text = `It takes no new publishers and players, waits until those that are here have left,
      and stops.`;
    if (!(await ask('Drain this server?', text, 'Drain', { isDanger: true }))) return;
    await this.app.api.post('/drain');
    say('The server drains.');
    await this.load();
  }

  async #undo() {
    await this.app.api.delete('/drain');
    say('The server takes publishers and players again.');
    await this.load();
  }
}
