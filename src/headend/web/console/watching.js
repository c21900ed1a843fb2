// The right of an operator to watch: a stream that is private needs a token.

import { encoded } from './api.js';

const TOKEN_S = 3600;

/** Return the query with which a stream, or a recording of it, may be watched; may be empty. */
export async function mayWatch(api, path) {
  const asked = await fetch(`./watch/${encoded(path)}`, { headers: { Accept: 'application/json' } });
  if ((await asked.json()).state !== 'private') return '';
  const wanted = { pattern: path.replaceAll('[', '[[]'), expires_s: TOKEN_S };
  const { token } = await api.post('/tokens', wanted);
  return `?token=${encodeURIComponent(token)}`;
}
