// Tokens, signed for viewers and encoders; each is shown once.

import { h } from '../common/dom.js';
import { date } from '../common/format.js';
import { encoded } from './api.js';
import { ask, choice, copied, field, show } from './parts.js';

const HOURS = 3600;
const WHAT = `Whoever has the token may watch or publish the streams of the pattern until it expires. It
cannot be taken back by itself.`;

/** Ask what a token is for, sign it, and show it. */
export async function signToken(app) {
  const wanted = await askForToken();
  if (wanted === null) return;
  const { token, expires_at: expires } = await app.api.post('/tokens', wanted);
  const isPage = wanted.action === 'play' && !/[*?[]/.test(wanted.pattern);
  const query = `?token=${encodeURIComponent(token)}`;
  const page = new URL(`./watch/${encoded(wanted.pattern)}${query}`, document.baseURI).href;
  const body = h(
    'div',
    { class: 'fields' },
    h('p', {}, `It is valid until ${date(1000 * expires)}, and never shown again.`),
    copied('Token', 'signed-token', token).element,
    isPage && copied('Player page', 'signed-page', page).element,
    h('p', { class: 'soft' }, 'Players take it as ', h('code', {}, '?token=…'), '.'),
  );
  await show('Here is the token', body);
}

async function askForToken() {
  const pattern = field('Streams', { required: true, placeholder: 'vip/*' }, 'A name, or a pattern.');
  const action = choice([
    ['play', 'Watch'],
    ['publish', 'Publish'],
  ]);
  const hours = field('Hours', { type: 'number', value: 24, min: 0.1, step: 'any', required: true });
  const ip = field('Network', { placeholder: '192.0.2.0/24' }, 'From where; empty: from everywhere.');
  const viewers = field('Viewers', { type: 'number', min: 1 }, 'At the same time; empty: no limit.');
  const body = h(
    'div',
    { class: 'fields' },
    h('p', { class: 'soft' }, WHAT),
    h('label', {}, 'To', action),
    ...[pattern, hours, ip, viewers].map(({ element }) => element),
  );
  if (!(await ask('Sign a token', '', 'Sign', { body }))) return null;
  return {
    pattern: pattern.input.value.trim(),
    action: action.value,
    expires_s: HOURS * Number(hours.input.value),
    ip: ip.input.value.trim() || null,
    max_viewers: Number(viewers.input.value) || null,
  };
}
