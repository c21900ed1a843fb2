// The section Sessions: who publishes and who watches, and a button that closes one.

import { h, setText } from '../common/dom.js';
import { bytes, duration } from '../common/format.js';
import { ask, button, say, Table } from './parts.js';

export const sessions = {
  id: 'sessions',
  title: 'Sessions',
  needs: '/api/v1/sessions',
  create(app) {
    const table = new Table(
      'Sessions',
      ['Protocol', 'Peer', 'Stream', 'Since', 'Received', 'Sent', 'Program', ''],
      'No such session is open. Viewers over HLS have none: they are counted with their stream.',
    );
    const search = h('input', { class: 'field', type: 'search', id: 'session-filter' });
    const shown = h('p', { class: 'soft', role: 'status' });
    let last = { sessions: [] };
    const draw = () => {
      const word = search.value.trim().toLowerCase();
      const found = last.sessions.filter((each) => text(each).includes(word));
      table.update(
        found,
        ({ id }) => id,
        (each) => cells(app, each),
      );
      const total = last.sessions.length + (last.more_sessions ?? 0);
      setText(shown, found.length === total ? '' : `${found.length} of ${total} sessions`);
    };
    search.addEventListener('input', draw);
    return {
      element: h(
        'div',
        {},
        h('div', { class: 'tools' }, h('label', { for: search.id }, 'Filter'), search, shown),
        table.element,
      ),
      update(state) {
        last = state;
        draw();
      },
      /** Show the sessions of a stream. */
      open(word) {
        if (word) search.value = word;
        draw();
      },
    };
  },
};

function cells(app, session) {
  return [
    session.protocol.toUpperCase() + (session.tls ? ` · ${session.tls.version}` : ''),
    session.peer,
    doing(session),
    duration(session.connected_s),
    bytes(session.bytes_in),
    bytes(session.bytes_out),
    [session.user_agent, network(session.network)].filter(Boolean).join(' · ') || '–',
    button('Close', () => close(app, session), {
      kind: 'small danger',
      name: `Close the ${session.protocol} session of ${session.peer}`,
    }),
  ];
}

function doing(session) {
  const parts = [
    ...session.publishes.map((path) => `publishes ${path}`),
    ...session.plays.map((path) => `watches ${path}`),
  ];
  return parts.join(', ') || 'nothing yet';
}

/** What SRT tells of the network, in words; empty where nothing is known. */
function network(told) {
  if (!told) return '';
  const parts = [
    `RTT ${Math.round(told.rtt_ms)} ms`,
    `latency ${told.latency_ms} ms`,
    `${told.lost} packets lost`,
    `${told.dropped} too late`,
    ...told.advice,
  ];
  return parts.join(', ');
}

function text(session) {
  const { protocol, peer, user_agent: program } = session;
  return `${protocol} ${peer} ${doing(session)} ${program ?? ''}`.toLowerCase();
}

async function close(app, session) {
  const what = `${session.protocol.toUpperCase()} from ${session.peer}: ${doing(session)}.`;
  const question = `${what} It may connect again.`;
  if (!(await ask('Close this session?', question, 'Close session', { isDanger: true }))) return;
  await app.api.delete(`/sessions/${session.id}`);
  say(`The session of ${session.peer} has been closed.`);
}
