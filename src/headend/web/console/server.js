// The section Server: where it listens, its certificates, how it is, and reloading.

import { h, setText } from '../common/dom.js';
import { bitRate, bytes, date, duration } from '../common/format.js';
import { keep } from '../common/keep.js';
import { button, facts, section, show } from './parts.js';

const DAY_S = 86400;
const [SOON_D, URGENT_D] = [30, 7];
const PORTS = { rtmp: 'RTMP', tls: 'RTMPS and HTTPS', http: 'HTTP', srt: 'SRT' };

export const server = {
  id: 'server',
  title: 'Server',
  needs: '/api/v1/server',
  create(app) {
    const how = facts({
      version: 'Version',
      started: 'Started',
      uptime: 'Runs for',
      rate: 'Coming in',
      received: 'Received',
      sent: 'Sent',
      memory: 'Memory',
      lag: 'Event loop is behind',
      pid: 'Process',
    });
    const ports = h('ul', { class: 'ports' });
    const certificates = h('ul', { class: 'certificates' });
    const none = h('p', { class: 'empty' }, 'No TLS port is open.');
    const refresh = async () => {
      const found = (await app.api.get('/certificates')).certificates;
      none.hidden = found.length > 0;
      keep(certificates, found, ({ fingerprint }) => fingerprint, makeCertificate);
    };
    const reload = button('Read settings and certificates again', () => reloadAll(app, refresh), {
      kind: '',
    });
    return {
      element: h(
        'div',
        { class: 'columns' },
        section('State', how.element, reload),
        h(
          'div',
          { class: 'column' },
          section('Listeners', ports),
          section('Certificates', certificates, none),
        ),
      ),
      open: refresh,
      update({ server: told }) {
        const { values } = how;
        setText(values.version, told.version);
        setText(values.started, date(told.started));
        setText(values.uptime, duration(told.uptime_s));
        setText(values.rate, bitRate(told.bit_rate_in));
        setText(values.received, bytes(told.bytes_in));
        setText(values.sent, bytes(told.bytes_out));
        setText(values.memory, bytes(told.memory_bytes));
        setText(values.lag, `${Math.round(1000 * told.loop_lag_s)} ms`);
        setText(values.pid, String(told.pid));
        keep(ports, Object.entries(told.listeners), ([name]) => name, makePort);
      },
    };
  },
};

function makePort([name]) {
  const places = h('span', { class: 'mono' });
  const update = ([, addresses]) => setText(places, addresses.join(', ') || 'off');
  return { element: h('li', {}, h('span', {}, PORTS[name] ?? name), places), update };
}

function makeCertificate() {
  const names = h('strong');
  const pill = h('span', { class: 'pill' });
  const issuer = h('p', { class: 'soft' });
  const until = h('p', { class: 'figure' });
  const print = h('p', { class: 'mono soft print' });
  const update = (certificate) => {
    setText(names, certificate.names.join(', ') || 'no name');
    const [text, look] = judge(certificate.expires_in_s / DAY_S);
    setText(pill, text);
    pill.className = `pill ${look}`;
    setText(issuer, certificate.self_signed ? 'Self-signed' : `Issued by ${certificate.issuer}`);
    setText(until, `Valid until ${date(certificate.not_after)}`);
    setText(print, `SHA-256 ${certificate.fingerprint}`);
  };
  const head = h('div', { class: 'card-head' }, names, pill);
  return { element: h('li', {}, head, issuer, until, print), update };
}

function judge(days) {
  if (days < 0) return ['Expired', 'bad'];
  const text = days < 2 ? `${Math.floor(days * 24)} hours left` : `${Math.floor(days)} days left`;
  if (days < URGENT_D) return [text, 'bad'];
  return [text, days < SOON_D ? 'warn' : 'good'];
}

async function reloadAll(app, refresh) {
  const { messages } = await app.api.post('/reload');
  await refresh();
  const lines = messages.map((message) => h('li', {}, message));
  await show('Read again', h('ul', { class: 'lines' }, lines));
}
