// The section Relays: streams that are sent to other servers, or fetched from them.

import { h, setText } from '../common/dom.js';
import { bitRate, bytes, capital, duration } from '../common/format.js';
import { keep } from '../common/keep.js';
import { ask, button, choice, field, say } from './parts.js';

const AGAIN_MS = 2000;
const STATES = {
  live: ['Live', 'good'],
  connecting: ['Connecting', ''],
  retrying: ['Trying again', 'warn'],
  failed: ['Failed', 'bad'],
};
const WHAT = `Out sends every stream of the pattern to another server; in fetches it from there. It is
kept over a restart.`;

export const relays = {
  id: 'relays',
  title: 'Relays',
  needs: '/api/v1/relays',
  create(app) {
    const list = h('ul', { class: 'cards' });
    const none = h('p', { class: 'empty', hidden: true }, 'There is no relay.');
    let asked = -Infinity;
    const load = async () => {
      asked = performance.now();
      const found = (await app.api.get('/relays')).relays;
      none.hidden = found.length > 0;
      keep(
        list,
        found,
        ({ id }) => id,
        (relay) => new Card(relay, remove),
      );
    };
    const remove = async (relay) => {
      const text = `${relay.match.join(', ')}: what it sends or fetches ends.`;
      if (!(await ask('Remove this relay?', text, 'Remove', { isDanger: true }))) return;
      await app.api.delete(`/relays/${encodeURIComponent(relay.id)}`);
      say('The relay has been removed.');
      await load();
    };
    const add = async () => {
      const { presets } = await app.api.get('/relay-presets');
      const made = await askForRelay(presets);
      if (made === null) return;
      await app.api.post('/relays', made);
      say('The relay has been added.');
      await load();
    };
    return {
      element: h(
        'div',
        {},
        h('div', { class: 'tools' }, button('Add a relay', add, { kind: 'main' })),
        none,
        list,
      ),
      open: load,
      update() {
        if (performance.now() - asked > AGAIN_MS) load().catch((error) => say(error.message, true));
      },
    };
  },
};

class Card {
  constructor(relay, remove) {
    const isOut = relay.direction === 'out';
    this.targets = h('ul', { class: 'targets' });
    this.idle = h(
      'p',
      { class: 'soft' },
      isOut ? 'No such stream is live.' : 'Nobody watches one now.',
    );
    const facts = [
      relay.preset,
      relay.has_key && 'with a stream key',
      !isOut && relay.on_demand && 'while somebody watches',
      relay.source === 'settings' && 'from the settings',
    ].filter(Boolean);
    const actions = button('Remove', () => remove(relay), {
      kind: 'small danger',
      name: `Remove the relay of ${relay.match.join(', ')}`,
    });
    this.element = h(
      'li',
      { class: 'panel' },
      h(
        'div',
        { class: 'card-head' },
        h('span', { class: 'pill' }, isOut ? 'Out' : 'In'),
        h('h2', {}, relay.match.join(', ')),
        relay.source === 'api' && h('span', { class: 'push' }, actions),
      ),
      h('p', { class: 'mono soft' }, `${isOut ? 'to' : 'from'} ${relay.url.join(', ')}`),
      facts.length > 0 && h('p', { class: 'soft' }, facts.join(' · ')),
      this.idle,
      this.targets,
    );
  }

  update(relay) {
    this.idle.hidden = relay.targets.length > 0;
    keep(this.targets, relay.targets, ({ stream, url }) => `${stream} ${url}`, makeTarget);
  }
}

function makeTarget() {
  const pill = h('span', { class: 'pill' });
  const name = h('strong');
  const facts = h('p', { class: 'soft figure' });
  const reason = h('p');
  const warnings = h('ul', { class: 'health' });
  const update = (target) => {
    const [text, look] = STATES[target.state];
    setText(pill, text);
    pill.className = `pill ${look}`;
    setText(name, target.stream);
    const since = Date.now() / 1000 - target.since;
    const known = [`for ${duration(since)}`, bitRate(target.bit_rate), bytes(target.bytes)];
    if (target.lag_s >= 0.1) known.push(`${target.lag_s.toFixed(1)} s behind`);
    if (target.drops) known.push(`lost media ${target.drops} times`);
    if (target.tries > 1) known.push(`try ${target.tries}`);
    setText(facts, known.join(' · '));
    setText(reason, capital(target.reason));
    reason.hidden = target.reason === '';
    keep(warnings, target.warnings, (warning) => warning, makeWarning);
  };
  const head = h('div', { class: 'card-head' }, name, pill);
  return { element: h('li', {}, head, facts, reason, warnings), update };
}

function makeWarning(text) {
  const mark = h('span', { class: 'mark', 'aria-hidden': 'true' }, '!');
  return { element: h('li', { class: 'warn' }, mark, h('span', {}, capital(text))), update() {} };
}

/** Ask what a new relay is to be; null: nothing. */
async function askForRelay(presets) {
  const direction = choice([
    ['out', 'Out, to another server'],
    ['in', 'In, from another server'],
  ]);
  const platform = choice([['', 'Another server'], ...presets.map(({ name, title }) => [name, title])]);
  const platforms = h('label', {}, 'Platform', platform);
  const match = field(
    'Streams',
    { required: true, placeholder: 'live/*' },
    'A name, or a pattern.',
  );
  const url = field(
    'Address',
    { required: true, placeholder: 'rtmps://ingest.example/app' },
    '{app} and {name} stand for those of the stream.',
  );
  const key = field(
    'Stream key',
    { type: 'password' },
    'If it needs one. It is never shown again.',
  );
  // A platform has an address of its own, or every account of it has.
  direction.addEventListener('change', () => {
    platforms.hidden = direction.value !== 'out';
    platform.value = '';
    platform.dispatchEvent(new Event('change'));
  });
  platform.addEventListener('change', () => {
    const chosen = presets.find(({ name }) => name === platform.value);
    url.input.value = chosen?.url ?? '';
    key.input.required = Boolean(chosen);
  });
  const body = h(
    'div',
    { class: 'fields' },
    h('p', { class: 'soft' }, WHAT),
    h('label', {}, 'Direction', direction),
    platforms,
    match.element,
    url.element,
    key.element,
  );
  if (!(await ask('Add a relay', '', 'Add', { body }))) return null;
  return {
    direction: direction.value,
    match: match.input.value.trim(),
    url: url.input.value.trim(),
    key: key.input.value,
    preset: platform.value,
  };
}
