// What several sections use: dialog, message, tables.

import { $, copy, h, setText } from '../common/dom.js';
import { keep } from '../common/keep.js';

/** Ask before something is done; resolves to whether it is wanted. */
export function ask(title, text, label, { isDanger = false, body = null } = {}) {
  const dialog = $('dialog');
  setText($('dialog-title'), title);
  $('dialog-body').replaceChildren(body ?? h('p', {}, text));
  const [yes, no] = [$('dialog-yes'), $('dialog-no')];
  setText(yes, label);
  yes.classList.toggle('danger-main', isDanger);
  no.hidden = false;
  return new Promise((resolve) => {
    yes.onclick = () => {
      const invalid = dialog.querySelector(':invalid');
      if (invalid) invalid.reportValidity();
      else dialog.close('yes');
    };
    dialog.onkeydown = (event) => {
      if (event.key !== 'Enter' || !event.target.matches('input')) return;
      event.preventDefault();
      yes.click();
    };
    no.onclick = () => dialog.close('no');
    dialog.onclose = () => resolve(dialog.returnValue === 'yes');
    dialog.returnValue = 'no';
    dialog.showModal();
    const field = dialog.querySelector('#dialog-body input, #dialog-body select, #dialog-body textarea');
    (field ?? (isDanger ? no : yes)).focus();
  });
}

/** Show something that is closed with one button. */
export function show(title, body, label = 'Done') {
  const closed = ask(title, '', label, { body });
  $('dialog-no').hidden = true;
  return closed;
}

let toastTimer;

/** Say what happened, for some seconds. */
export function say(text, isFault = false) {
  const toast = $('toast');
  setText(toast, text);
  toast.classList.toggle('is-fault', isFault);
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (toast.hidden = true), isFault ? 9000 : 5000);
}

/** A button that does something: it is off meanwhile, and a failure is said. */
export function button(label, call, { kind = 'small', name = label } = {}) {
  const made = h('button', { class: `button ${kind}`, type: 'button', 'aria-label': name }, label);
  made.addEventListener('click', async () => {
    made.disabled = true;
    try {
      await call();
    } catch (error) {
      say(error.message, true);
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

/** A table whose rows are kept; on narrow screens each row becomes a card. */
export class Table {
  /**
   * @param {string} caption For who does not see it.
   * @param {string[]} columns Headings; an empty one is of actions.
   * @param {string} none What is said when there is no row.
   */
  constructor(caption, columns, none) {
    this.columns = columns;
    this.body = h('tbody');
    this.none = h('p', { class: 'empty', hidden: true }, none);
    const heads = columns.map((name) =>
      h('th', { scope: 'col' }, name || h('span', { class: 'hidden-text' }, 'Actions')),
    );
    this.table = h(
      'table',
      { hidden: true },
      h('caption', { class: 'hidden-text' }, caption),
      h('thead', {}, h('tr', {}, heads)),
      this.body,
    );
    this.element = h('div', { class: 'table-box' }, this.table, this.none);
  }

  /**
   * @param {object[]} items
   * @param {(item: object) => string|number} keyOf
   * @param {(item: object) => (string|Node)[]} cellsOf Texts are kept up to date, nodes made once.
   */
  update(items, keyOf, cellsOf) {
    this.table.hidden = !items.length;
    this.none.hidden = items.length > 0;
    keep(this.body, items, keyOf, (first) => {
      const cells = cellsOf(first).map((cell, i) =>
        h('td', { 'data-name': this.columns[i] }, cell),
      );
      const update = (item) => {
        cellsOf(item).forEach((cell, i) => {
          if (typeof cell === 'string') setText(cells[i], cell);
        });
      };
      return { element: h('tr', {}, cells), update };
    });
  }
}

/** A heading with what belongs to it. */
export function section(title, ...children) {
  return h('section', { class: 'panel' }, h('h2', {}, title), ...children);
}

/** Pairs of names and values; returns the element, and the values' elements by key. */
export function facts(names) {
  const values = {};
  const element = h('dl', { class: 'facts' });
  for (const [key, name] of Object.entries(names)) {
    values[key] = h('dd', { class: 'figure' });
    element.append(h('div', {}, h('dt', {}, name), values[key]));
  }
  return { element, values };
}

/** A text to be copied, with its button. */
export function copied(label, id, value) {
  const input = h('input', { class: 'field mono', readonly: true, id, value });
  const copying = h('button', { class: 'button', type: 'button' }, 'Copy');
  copying.setAttribute('aria-label', `Copy: ${label}`);
  copying.addEventListener('click', () => copy(input, copying));
  const element = h(
    'div',
    { class: 'copied' },
    h('label', { for: id }, label),
    h('span', { class: 'copy-row' }, input, copying),
  );
  return { input, element };
}

/** A field of a dialog, with its label and a hint. */
export function field(label, attributes, hint = '') {
  const input = h('input', {
    class: 'field',
    spellcheck: 'false',
    autocomplete: 'off',
    ...attributes,
  });
  return {
    input,
    element: h('label', {}, label, input, hint && h('span', { class: 'hint' }, hint)),
  };
}

/** A choice among values, each with what people read. */
export function choice(options, attributes = {}) {
  const made = options.map(([value, text]) => h('option', { value }, text));
  return h('select', { class: 'field', ...attributes }, made);
}
