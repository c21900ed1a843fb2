// How an encoder publishes with a key: server, stream key and a QR code, for each protocol.

import { h, setText } from '../common/dom.js';
import { choice, copied, show } from './parts.js';
import { qrCode } from './qr.js';

const EVERYWHERE = new Set(['', '0.0.0.0', '[::]', '*']);

/** Show a key for the only time, as encoders such as OBS ask for it. */
export async function showKey(app, made) {
  const ways = await waysOf(app, made);
  const over = choice(ways.map(({ name }, i) => [i, name]));
  const server = copied('Server', 'made-server', '');
  const key = copied(`Stream key of ${made.stream}`, 'made-key', '');
  const note = h('p', { class: 'soft' });
  const code = h('div', { class: 'qr' });
  const draw = async () => {
    const way = ways[over.value];
    if (!way) return;
    server.input.value = way.server;
    key.input.value = way.key;
    key.element.hidden = way.key === '';
    setText(note, way.note);
    code.replaceChildren(await qrCode(way.whole, `QR code of the address over ${way.name}`));
  };
  over.addEventListener('change', draw);
  await draw();
  if (!ways.length) key.input.value = made.key;
  const body = h(
    'div',
    { class: 'fields' },
    h('p', {}, 'Copy it now: it is not kept, and never shown again.'),
    ways.length > 0 && h('label', {}, 'Protocol', over),
    ways.length > 0 && server.element,
    key.element,
    note,
    code,
  );
  return show('Here is the key', body);
}

/** Name the ways to publish, the one that works at once first. */
async function waysOf(app, made) {
  const { certificates } = await app.api.get('/certificates').catch(() => ({ certificates: [] }));
  const isTrusted = certificates.some(
    (each) => !each.self_signed && each.names.some((name) => fits(name, location.hostname)),
  );
  const found = made.servers.map((server) => {
    const isSecure = server.startsWith('rtmps:');
    return {
      name: isSecure ? 'RTMPS, encrypted' : 'RTMP',
      server,
      key: made.key,
      whole: `${server}/${made.key}`,
      note:
        isSecure && !isTrusted
          ? 'The certificate is of this server itself: encoders must be told to trust it.'
          : 'In OBS: Settings, Stream, Service Custom.',
      rank: isSecure ? (isTrusted ? 0 : 2) : 1,
    };
  });
  const srt = app.state?.server.listeners.srt?.[0];
  if (srt && !made.tls_only) found.push(overSrt(srt, made));
  return found.sort((one, other) => one.rank - other.rank);
}

function overSrt(address, made) {
  const [, bound, port] = /^(.*):(\d+)$/.exec(address);
  const host = EVERYWHERE.has(bound) ? location.hostname : bound;
  const server = `srt://${host}:${port}?streamid=publish:${made.stream}?key=${made.key}`;
  const note = 'The whole address is the server; a stream key of its own is not needed.';
  return { name: 'SRT', server, key: '', whole: server, note, rank: 3 };
}

/** Say whether a name of a certificate, which may be *.example.com, holds for a host. */
function fits(name, host) {
  if (!name.startsWith('*.')) return name === host;
  return host.slice(host.indexOf('.')) === name.slice(1);
}
