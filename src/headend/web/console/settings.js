// The section Settings: what is in effect, where each value came from, and changes of the file.

import { h, setText } from '../common/dom.js';
import { ask, button, choice, say, Table } from './parts.js';

const BY_HAND = 'Secrets are hidden. What names files, programs or secrets is changed in the file itself.';
const FROM_FILE = /^(default$|file )/;

export const settings = {
  id: 'settings',
  title: 'Settings',
  needs: '/api/v1/settings',
  create: (app) => new Settings(app),
};

class Settings {
  #all = [];
  #isWritable = false;

  constructor(app) {
    this.app = app;
    const columns = ['Setting', 'Value', 'From', ''];
    this.table = new Table('Settings in effect', columns, 'There is no such setting.');
    this.search = h('input', { class: 'field', type: 'search', id: 'setting-filter' });
    this.changed = h('input', { type: 'checkbox' });
    this.search.addEventListener('input', () => this.#draw());
    this.changed.addEventListener('change', () => this.#draw());
    this.waiting = h('p', { class: 'notice', role: 'status', hidden: true });
    this.note = h('p', { class: 'soft note' });
    this.element = h(
      'div',
      {},
      this.waiting,
      h(
        'div',
        { class: 'tools' },
        h('label', { for: this.search.id }, 'Filter'),
        this.search,
        h('label', { class: 'check' }, this.changed, 'Only those that were set'),
      ),
      this.table.element,
      this.note,
    );
  }

  async open() {
    const found = await this.app.api.get('/settings');
    this.#all = Object.entries(found.settings);
    this.#isWritable = found.file.is_writable;
    const where = found.file.path ? `Changes are saved in ${found.file.path}.` : '';
    setText(this.note, `${found.file.reason || where} ${BY_HAND}`);
    setText(this.waiting, `A restart is needed for: ${found.waiting.join(', ')}.`);
    this.waiting.hidden = !found.waiting.length;
    this.#draw();
  }

  #draw() {
    const word = this.search.value.trim().toLowerCase();
    const found = this.#all.filter(
      ([key, { source }]) => key.includes(word) && !(this.changed.checked && source === 'default'),
    );
    const keyOf = ([key, { value, source }]) => `${key} ${JSON.stringify(value)} ${source}`;
    this.table.update(found, keyOf, (entry) => this.#cells(entry));
  }

  #cells([key, setting]) {
    const { value, source } = setting;
    const isOpen = this.#isWritable && setting.is_editable && FROM_FILE.test(source);
    return [
      h('code', {}, key),
      h('code', {}, typeof value === 'string' ? value || '""' : inOneLine(value)),
      h('span', { class: source === 'default' ? 'soft' : 'pill' }, source),
      isOpen ? button('Change', () => this.#change(key, setting), { name: `Change ${key}` }) : '',
    ];
  }

  /** Ask for a value until it is right, or the user gives up. */
  async #change(key, setting) {
    const form = new Form(setting);
    while (await ask(`Change ${key}`, '', 'Save', { body: form.element })) {
      try {
        const { messages } = await this.app.api.put('/settings', {
          settings: { [key]: form.value },
        });
        say(messages.join('\n'));
        await this.open();
        return;
      } catch (error) {
        form.tell(error.message);
      }
    }
  }
}

/** The fields of a dialog that changes one setting. */
class Form {
  constructor({ value, source, takes, meaning, choices, needs_restart: needsRestart }) {
    this.before = value;
    this.input = makeInput(value, choices);
    this.reset = h('input', { type: 'checkbox' });
    this.reset.addEventListener('change', () => (this.input.disabled = this.reset.checked));
    this.fault = h('p', { class: 'fault', role: 'alert', hidden: true });
    const hint = Array.isArray(value) ? `${takes}; one a line` : takes;
    const when = needsRestart ? 'Takes effect with the next start.' : 'Takes effect at once.';
    this.element = h(
      'div',
      { class: 'fields' },
      h('p', {}, meaning),
      h('label', {}, 'Value', this.input, h('span', { class: 'hint' }, hint)),
      source !== 'default' && h('label', { class: 'check' }, this.reset, 'Back to the default'),
      h('p', { class: 'soft' }, when),
      this.fault,
    );
  }

  /** The value as the API takes it; null: the default. */
  get value() {
    const text = this.input.value;
    if (this.reset.checked) return null;
    if (typeof this.before === 'boolean') return text === 'true';
    if (Array.isArray(this.before)) return text.split('\n').map((line) => line.trim()).filter(Boolean);
    return typeof this.before === 'number' && /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text;
  }

  tell(text) {
    setText(this.fault, text);
    this.fault.hidden = false;
  }
}

function makeInput(value, choices) {
  const words = typeof value === 'boolean' ? ['true', 'false'] : choices;
  if (words.length) {
    const made = choice(words.map((word) => [word, word]));
    made.value = String(value);
    return made;
  }
  if (!Array.isArray(value)) {
    return h('input', { class: 'field mono', value, spellcheck: 'false', autocomplete: 'off' });
  }
  const area = h('textarea', { class: 'field mono', spellcheck: 'false' });
  area.value = value.join('\n');
  return area;
}

/** A value as JSON, with spaces at which it may wrap. */
function inOneLine(value) {
  return JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ');
}
