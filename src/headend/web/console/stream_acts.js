// What an operator does with a stream, whether it is shown on a card or in a row.

import { h, setText } from '../common/dom.js';
import { duration } from '../common/format.js';
import { encoded } from './api.js';
import { ask, button, choice, say } from './parts.js';
import { mayWatch } from './watching.js';

const END = 'Its publisher is disconnected, and its viewers are told that it is over.';
const BAR = `Encoders come back by themselves, unless they are kept away: the name, and the encoder’s key or
address.`;
const BARS = [
  [0, 'No, it may come back'],
  [600, 'For 10 minutes'],
  [3600, 'For an hour'],
  [86_400, 'For a day'],
];

/** States of streams: what is said, and how it looks. */
export const STATES = {
  live: ['Live', 'live'],
  interrupted: ['Interrupted', 'warn'],
  waiting: ['Waited for', ''],
};

/** Open the player page; of a private stream with a token made for it. */
export async function watch(app, path, event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    const query = await mayWatch(app.api, path);
    location.assign(`./watch/${encoded(path)}${query}`);
  } catch (error) {
    say(error.message, true);
  }
}

/** End a stream, after a question; its encoder may be kept away. */
export async function end(app, path) {
  const bar = choice(BARS);
  const body = h(
    'div',
    { class: 'fields' },
    h('p', {}, END),
    h('label', {}, 'Keep the encoder away', bar, h('span', { class: 'hint' }, BAR)),
  );
  if (!(await ask(`End ${path}?`, '', 'End stream', { isDanger: true, body }))) return;
  const query = Number(bar.value) ? `?bar_s=${bar.value}` : '';
  await app.api.delete(`/streams/${encoded(path)}${query}`);
  say(`${path} has been ended.`);
}

/** A name that is barred, and a button that lifts the bar. */
export function makeBar(app, path) {
  const left = h('span', { class: 'soft figure' });
  const lift = async () => {
    await app.api.delete(`/bars/${encoded(path)}`);
    say(`${path} may be published again.`);
  };
  const lifting = button('Lift', lift, { name: `Lift the bar of ${path}` });
  const element = h('li', {}, h('strong', {}, path), left, lifting);
  return { element, update: ([, seconds]) => setText(left, `for ${duration(seconds)} more`) };
}
