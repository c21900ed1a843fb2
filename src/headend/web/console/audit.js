// The section Audit: what administrators did, and what was refused.

import { h, setText } from '../common/dom.js';
import { date } from '../common/format.js';
import { button, choice, Table } from './parts.js';

const PAGE = 100;
const LOOKS = { done: 'good', refused: 'warn', failed: 'bad' };

export const audit = {
  id: 'audit',
  title: 'Audit',
  needs: '/api/v1/audit',
  create(app) {
    const columns = ['When', 'Who', 'What', 'To what', 'From', 'Outcome', 'Detail'];
    const table = new Table('Audit trail', columns, 'Nothing of this kind is on record.');
    const outcomes = [
      ['', 'Everything'],
      ['done', 'Done'],
      ['refused', 'Refused'],
      ['failed', 'Failed'],
    ];
    const outcome = choice(outcomes, { id: 'audit-outcome' });
    const target = h('input', { class: 'field', type: 'search', id: 'audit-target' });
    let entries = [];
    let next = null;
    const load = async (isMore) => {
      const query = new URLSearchParams({ limit: PAGE });
      if (outcome.value) query.set('outcome', outcome.value);
      if (target.value.trim()) query.set('target', target.value.trim());
      if (isMore && next) query.set('after', next);
      const page = await app.api.get(`/audit?${query}`);
      entries = isMore ? [...entries, ...page.entries] : page.entries;
      next = page.next;
      more.hidden = next === null;
      table.update(entries, ({ number }) => number, cells);
    };
    const more = button('Show older ones', () => load(true), { kind: 'more' });
    more.hidden = true;
    const refresh = button('Refresh', () => load(false), { kind: '' });
    outcome.addEventListener('change', () => refresh.click());
    target.addEventListener('change', () => refresh.click());
    return {
      element: h(
        'div',
        {},
        h(
          'div',
          { class: 'tools' },
          h('label', { for: outcome.id }, 'Outcome'),
          outcome,
          h('label', { for: target.id }, 'To what'),
          target,
          refresh,
        ),
        table.element,
        more,
      ),
      open: () => load(false),
    };
  },
};

function cells(entry) {
  const pill = h('span', { class: `pill ${LOOKS[entry.outcome] ?? ''}` });
  setText(pill, entry.count > 1 ? `${entry.outcome} × ${entry.count}` : entry.outcome);
  return [
    date(1000 * entry.at),
    entry.actor || '–',
    h('span', { class: 'whole' }, entry.action),
    entry.target || '–',
    entry.address ?? '–',
    pill,
    entry.detail || '–',
  ];
}
