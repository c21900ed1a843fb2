// The section History: who published and watched what, sessions that are over and refusals included.

import { h } from '../common/dom.js';
import { bytes, date, duration } from '../common/format.js';
import { button, choice, Table } from './parts.js';

const PAGE = 100;

export const history = {
  id: 'history',
  title: 'History',
  needs: '/api/v1/history',
  create(app) {
    const columns = ['Began', 'What', 'Stream', 'From', 'Protocol', 'Length', 'Amount', 'Outcome'];
    const table = new Table('History', columns, 'Nothing of this kind is on record.');
    const kinds = [
      ['', 'Everything'],
      ['publish', 'Published'],
      ['play', 'Watched'],
    ];
    const outcomes = [
      ['', 'All'],
      ['true', 'Refused'],
      ['false', 'Granted'],
    ];
    const kind = choice(kinds, { id: 'history-kind' });
    const refused = choice(outcomes, { id: 'history-refused' });
    const stream = h('input', { class: 'field', type: 'search', id: 'history-stream' });
    let shown = [];
    let next = null;
    const load = async (isMore) => {
      const query = new URLSearchParams({ limit: PAGE });
      const wanted = { kind: kind.value, refused: refused.value, stream: stream.value.trim() };
      for (const [name, value] of Object.entries(wanted)) if (value) query.set(name, value);
      if (isMore && next) query.set('after', next);
      const page = await app.api.get(`/history?${query}`);
      shown = isMore ? [...shown, ...page.sessions] : page.sessions;
      next = page.next;
      more.hidden = next === null;
      table.update(shown, ({ id, ended_at: ended }) => `${id} ${ended}`, cells);
    };
    const more = button('Show older ones', () => load(true), { kind: 'more' });
    more.hidden = true;
    const refresh = button('Refresh', () => load(false), { kind: '' });
    for (const each of [kind, refused, stream]) {
      each.addEventListener('change', () => refresh.click());
    }
    return {
      element: h(
        'div',
        {},
        h(
          'div',
          { class: 'tools' },
          h('label', { for: kind.id }, 'What'),
          kind,
          h('label', { for: refused.id }, 'Outcome'),
          refused,
          h('label', { for: stream.id }, 'Stream'),
          stream,
          refresh,
        ),
        table.element,
        more,
      ),
      open: () => load(false),
    };
  },
};

function cells(session) {
  const end = session.ended_at ?? Date.now() / 1000;
  return [
    date(1000 * session.started_at),
    session.kind === 'publish' ? 'Published' : 'Watched',
    session.stream,
    session.address ?? '–',
    session.protocol.toUpperCase(),
    duration(end - session.started_at),
    bytes(session.bytes),
    outcome(session),
  ];
}

function outcome({ code, reason, ended_at: ended }) {
  if (code !== null) return h('span', {}, h('span', { class: 'pill warn' }, 'Refused'), ` ${reason ?? ''}`);
  return ended === null ? h('span', { class: 'pill good' }, 'Goes on') : reason || 'over';
}
