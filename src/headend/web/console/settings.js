// The section Settings: what is in effect, and where each value came from.

import { h } from '../common/dom.js';
import { Table } from './parts.js';

const NOTE = `Settings are changed in the settings file; the server reads it again by itself. Secrets
are hidden.`;

export const settings = {
  id: 'settings',
  title: 'Settings',
  needs: '/api/v1/settings',
  create(app) {
    const columns = ['Setting', 'Value', 'From'];
    const table = new Table('Settings in effect', columns, 'There is no such setting.');
    const search = h('input', { class: 'field', type: 'search', id: 'setting-filter' });
    const changed = h('input', { type: 'checkbox' });
    let all = [];
    const draw = () => {
      const word = search.value.trim().toLowerCase();
      const found = all.filter(
        ([key, { source }]) => key.includes(word) && !(changed.checked && source === 'default'),
      );
      table.update(found, ([key, { value }]) => `${key} ${JSON.stringify(value)}`, cells);
    };
    search.addEventListener('input', draw);
    changed.addEventListener('change', draw);
    return {
      element: h(
        'div',
        {},
        h(
          'div',
          { class: 'tools' },
          h('label', { for: search.id }, 'Filter'),
          search,
          h('label', { class: 'check' }, changed, 'Only those that were set'),
        ),
        table.element,
        h('p', { class: 'soft note' }, NOTE),
      ),
      async open() {
        all = Object.entries((await app.api.get('/settings')).settings);
        draw();
      },
    };
  },
};

function cells([key, { value, source }]) {
  return [
    h('code', {}, key),
    h('code', {}, typeof value === 'string' ? value || '""' : inOneLine(value)),
    h('span', { class: source === 'default' ? 'soft' : 'pill' }, source),
  ];
}

/** A value as JSON, with spaces at which it may wrap. */
function inOneLine(value) {
  return JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ');
}
