// The section Keys: publish keys, made, rotated and revoked, each shown once; and tokens, signed.

import { h } from '../common/dom.js';
import { date } from '../common/format.js';
import { ask, button, field, say, Table } from './parts.js';
import { showKey } from './publishing.js';
import { signToken } from './tokens.js';

const PAGE = 200;
const REVOKE = 'What it publishes ends at once, and it is never taken again.';
const ROTATE =
  'A new key is made with the same rights; the old one is revoked, and what it publishes ends.';

export const keys = {
  id: 'keys',
  title: 'Keys',
  needs: '/api/v1/keys',
  create(app) {
    const columns = ['Stream', 'Label', 'Key', 'State', 'Valid', 'Last used', ''];
    const table = new Table('Publish keys', columns, 'There is no publish key yet.');
    const more = button('Show more', () => load(true), { kind: 'more' });
    let all = [];
    let next = null;
    const load = async (isMore) => {
      const after = isMore && next ? `&after=${encodeURIComponent(next)}` : '';
      const page = await app.api.get(`/keys?limit=${PAGE}${after}`);
      all = isMore ? [...all, ...page.keys] : page.keys;
      next = page.next;
      more.hidden = next === null;
      // A row is made anew when its key is revoked: it has other actions then.
      table.update(
        all,
        ({ id, revoked_at: revoked }) => `${id} ${revoked}`,
        (key) => cells(key, acts),
      );
    };
    more.hidden = true;
    const acts = {
      async create() {
        const wanted = await askForKey();
        if (wanted === null) return;
        const made = await app.api.post('/keys', wanted);
        await load(false);
        await showKey(app, made);
      },
      async rotate(key) {
        if (!(await ask(`Rotate the key of ${key.stream}?`, ROTATE, 'Rotate', { isDanger: true })))
          return;
        const made = await app.api.post(`/keys/${encodeURIComponent(key.id)}/rotate`);
        await load(false);
        await showKey(app, made);
      },
      async revoke(key) {
        if (!(await ask(`Revoke the key of ${key.stream}?`, REVOKE, 'Revoke', { isDanger: true })))
          return;
        await app.api.delete(`/keys/${encodeURIComponent(key.id)}`);
        say('The key has been revoked.');
        await load(false);
      },
    };
    return {
      element: h(
        'div',
        {},
        h(
          'div',
          { class: 'tools' },
          button('Make a key', acts.create, { kind: 'main' }),
          button('Sign a token', () => signToken(app), { kind: '' }),
        ),
        table.element,
        more,
      ),
      open: () => load(false),
    };
  },
};

function cells(key, acts) {
  const name = key.label ? `${key.stream} (${key.label})` : key.stream;
  const actions = h(
    'span',
    {},
    button('Rotate', () => acts.rotate(key), { name: `Rotate the key of ${name}` }),
    button('Revoke', () => acts.revoke(key), {
      kind: 'small danger',
      name: `Revoke the key of ${name}`,
    }),
  );
  return [
    key.stream,
    key.label || '–',
    h('code', {}, key.id),
    state(key),
    rights(key),
    key.used_at === null ? 'never' : `${date(1000 * key.used_at)} from ${key.used_from ?? 'here'}`,
    key.revoked_at === null ? actions : '',
  ];
}

function state(key) {
  if (key.revoked_at !== null) return h('span', { class: 'pill' }, 'Revoked');
  const isOver = key.expires_at !== null && key.expires_at * 1000 < Date.now();
  return h('span', { class: `pill ${isOver ? 'warn' : 'good'}` }, isOver ? 'Expired' : 'Valid');
}

function rights(key) {
  const parts = [];
  if (key.expires_at !== null) parts.push(`until ${date(1000 * key.expires_at)}`);
  if (key.networks.length) parts.push(`from ${key.networks.join(', ')}`);
  if (key.tls_only) parts.push('over TLS only');
  if (key.priority) parts.push(`priority ${key.priority}`);
  return parts.join(', ') || 'always, from everywhere';
}

/** Ask what a new key is to be; null: nothing. */
async function askForKey() {
  const stream = field(
    'Stream',
    { required: true, placeholder: 'live/cam1' },
    'What it publishes, APP/NAME.',
  );
  const label = field('Label', { maxlength: 100 }, 'For whom it is, if you like.');
  const expires = field('Valid until', { type: 'datetime-local' }, 'Empty: until it is revoked.');
  const networks = field(
    'Networks',
    { placeholder: '192.0.2.0/24' },
    'From where it is valid, with commas; empty: from everywhere.',
  );
  const secure = h('input', { type: 'checkbox' });
  const body = h(
    'div',
    { class: 'fields' },
    stream.element,
    label.element,
    expires.element,
    networks.element,
    h('label', { class: 'check' }, secure, 'Over TLS only'),
  );
  if (!(await ask('Make a publish key', '', 'Make', { body }))) return null;
  const until = expires.input.value;
  return {
    stream: stream.input.value.trim(),
    label: label.input.value.trim(),
    expires_at: until ? new Date(until).getTime() / 1000 : null,
    networks: networks.input.value
      .split(',')
      .map((each) => each.trim())
      .filter(Boolean),
    tls_only: secure.checked,
  };
}
