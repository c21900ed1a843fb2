// What an operator does with a stream, whether it is shown on a card or in a row.

import { encoded } from './api.js';
import { ask, say } from './parts.js';
import { mayWatch } from './watching.js';

const END = `Its publisher is disconnected, and its viewers are told that it is over. The encoder may
come back.`;

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

/** End a stream, after a question. */
export async function end(app, path) {
  if (!(await ask(`End ${path}?`, END, 'End stream', { isDanger: true }))) return;
  await app.api.delete(`/streams/${encoded(path)}`);
  say(`${path} has been ended.`);
}
