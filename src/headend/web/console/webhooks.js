// The section Webhooks: receivers of events, what waits for them, and sending again.

import { h, setText } from '../common/dom.js';
import { date } from '../common/format.js';
import { keep } from '../common/keep.js';
import { button, facts, say, show, Table } from './parts.js';

const AGAIN_MS = 5000;
const PAGE = 100;
const STATES = { ok: ['Well', 'good'], away: ['Does not answer', 'bad'] };
const NONE = 'There is no webhook. The settings name them: [[webhooks]], see docs/hooks.md.';

export const webhooks = {
  id: 'webhooks',
  title: 'Webhooks',
  needs: '/api/v1/webhooks',
  create(app) {
    const list = h('ul', { class: 'cards' });
    const none = h('p', { class: 'empty', hidden: true }, NONE);
    let asked = -Infinity;
    const load = async () => {
      asked = performance.now();
      const found = (await app.api.get('/webhooks')).webhooks;
      none.hidden = found.length > 0;
      keep(
        list,
        found,
        ({ name }) => name,
        (webhook) => new Card(app, webhook, load),
      );
    };
    return {
      element: h('div', {}, none, list),
      open: load,
      update() {
        if (performance.now() - asked > AGAIN_MS) load().catch((error) => say(error.message, true));
      },
    };
  },
};

class Card {
  constructor(app, { name, url, events }, load) {
    const path = `/webhooks/${encodeURIComponent(name)}`;
    this.pill = h('span', { class: 'pill' });
    this.facts = facts({ delivered: 'Delivered', failures: 'Failures', waiting: 'Waiting', dead: 'Given up' });
    this.recent = new Table(`Newest attempts to ${name}`, ['When', 'Event', 'Stream', 'Took', 'Outcome'], '');
    this.recent.none.textContent = 'Nothing was sent since the server started.';
    const test = async () => {
      const { error, took_s: took } = await app.api.post(`${path}/test`);
      say(error ?? `It arrived, in ${Math.round(1000 * took)} ms.`, error !== null);
      await load();
    };
    const resend = async () => {
      const { resent } = await app.api.post(`${path}/resend`);
      say(`Sent again: ${resent}.`);
      await load();
    };
    this.element = h(
      'li',
      { class: 'panel' },
      h('div', { class: 'card-head' }, h('h2', {}, name), this.pill),
      h('p', { class: 'mono soft' }, url),
      h('p', { class: 'soft' }, events.join(' · ')),
      this.facts.element,
      this.recent.element,
      h(
        'div',
        { class: 'actions' },
        button('Send a test', test, { name: `Send a test to ${name}` }),
        button('Deliveries', () => deliveries(app, path, name), { name: `Deliveries to ${name}` }),
        button('Send again what was given up', resend, { name: `Send again what was given up: ${name}` }),
      ),
    );
  }

  update(webhook) {
    const [text, look] = STATES[webhook.state];
    setText(this.pill, text);
    this.pill.className = `pill ${look}`;
    for (const [key, value] of Object.entries(this.facts.values)) {
      setText(value, webhook[key].toLocaleString());
    }
    const newest = webhook.recent.toReversed();
    this.recent.update(newest, ({ sequence, time }) => `${sequence} ${time}`, attempt);
  }
}

function attempt({ time, event, stream, took_s: took, error }) {
  const outcome = h('span', { class: `pill ${error === null ? 'good' : 'bad'}` }, error ?? 'Arrived');
  return [date(1000 * time), event, stream || '–', `${Math.round(1000 * took)} ms`, outcome];
}

/** Show the events that wait for a receiver, and those that were given up. */
async function deliveries(app, path, name) {
  const parts = [];
  for (const [state, title] of [['waiting', 'Waiting'], ['dead', 'Given up']]) {
    const found = (await app.api.get(`${path}/deliveries?state=${state}&limit=${PAGE}`)).deliveries;
    const table = new Table(title, ['Event', 'Stream', 'When', 'Attempts'], 'None.');
    table.update(
      found,
      ({ id }) => id,
      (each) => [each.event, each.stream || '–', date(1000 * each.created_at), String(each.attempts)],
    );
    parts.push(h('h3', {}, title), table.element);
  }
  await show(`Deliveries to ${name}`, h('div', { class: 'fields' }, parts));
}
