// The start of the console: signing in, the sections, and updates from the server.

import { $, h, setText } from '../common/dom.js';
import { address, Api } from './api.js';
import { audit } from './audit.js';
import { history } from './history.js';
import { keys } from './keys.js';
import { nodes } from './nodes.js';
import { say } from './parts.js';
import { recordings } from './recordings.js';
import { relays } from './relays.js';
import { server } from './server.js';
import { sessions } from './sessions.js';
import { settings } from './settings.js';
import { streams } from './streams.js';
import { webhooks } from './webhooks.js';

// A section is shown if the server has what it needs.
const SECTIONS = [
  streams,
  sessions,
  recordings,
  keys,
  relays,
  webhooks,
  history,
  audit,
  nodes,
  server,
  settings,
];
const AGAIN_MS = 2000;

class App {
  api = new Api();
  sections = new Map(); // id → { element, update, open, … }
  state = null; // of the last update
  current = null;
  events = null;
  #frame = 0;
  paths = {}; // operations that the server has

  async start() {
    this.api.onSignedOut = () => this.#showGate();
    $('sign-in').addEventListener('submit', (event) => this.#signIn(event));
    $('sign-out').addEventListener('click', () => this.#signOut());
    window.addEventListener('hashchange', () => this.#route(true));
    try {
      if (await this.api.resume()) await this.#showShell();
      else this.#showGate();
    } catch (error) {
      this.#showGate(error.message);
    }
  }

  // ---------------------------------------------------------------- signing in and out

  async #signIn(event) {
    event.preventDefault();
    const fault = $('sign-in-fault');
    fault.hidden = true;
    try {
      await this.api.signIn($('token').value.trim());
      $('token').value = '';
      await this.#showShell();
    } catch (error) {
      setText(fault, error.message);
      fault.hidden = false;
      $('token').select();
    }
  }

  async #signOut() {
    await this.api.signOut().catch((error) => say(error.message, true));
    this.#showGate();
  }

  #showGate(fault = '') {
    this.events?.close();
    this.events = null;
    $('dialog').close();
    $('shell').hidden = true;
    $('gate').hidden = false;
    setText($('sign-in-fault'), fault);
    $('sign-in-fault').hidden = !fault;
    $('token').focus();
  }

  async #showShell() {
    if (!this.sections.size) await this.#build();
    $('gate').hidden = true;
    $('shell').hidden = false;
    this.#listen();
    this.#route(false);
  }

  async #build() {
    const { paths } = await (await fetch('./api/openapi.json')).json();
    this.paths = paths;
    for (const each of SECTIONS.filter(({ needs }) => needs in paths)) {
      const made = each.create(this);
      made.title = each.title;
      made.root = h(
        'div',
        { class: 'section', id: `section-${each.id}`, hidden: true },
        h('h1', {}, each.title),
        made.element,
      );
      made.link = h('a', { href: `#${each.id}` }, each.title);
      $('main').append(made.root);
      $('nav').append(h('li', {}, made.link));
      this.sections.set(each.id, made);
    }
  }

  // ---------------------------------------------------------------- sections

  /** Show the section that the address names, `#sessions?live/a`. */
  #route(isMoved) {
    const [id, word] = location.hash.slice(1).split('?');
    const wanted = this.sections.get(id) ?? this.sections.values().next().value;
    for (const made of this.sections.values()) {
      made.root.hidden = made !== wanted;
      if (made === wanted) made.link.setAttribute('aria-current', 'page');
      else made.link.removeAttribute('aria-current');
    }
    this.current = wanted;
    document.title = `${wanted.title} · Headend`;
    wanted.link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    Promise.resolve(wanted.open?.(word ? decodeURIComponent(word) : '')).catch((error) =>
      say(error.message, true),
    );
    this.#draw();
    if (!isMoved) return;
    $('main').focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  /** Draw with the next frame: reading an update and drawing it are two tasks, both short. */
  #drawSoon() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    if (this.state !== null) this.current.update?.(this.state);
  }

  // ---------------------------------------------------------------- updates

  #listen() {
    this.events?.close();
    this.#sayLink('Connecting …', '');
    const events = (this.events = new EventSource(address('/events')));
    events.addEventListener('update', (event) => {
      this.state = JSON.parse(event.data);
      this.#sayLink('Up to date', 'good');
      setText($('version'), `Version ${this.state.server.version}`);
      this.#drawSoon();
    });
    events.addEventListener('error', () => this.#lost(events));
  }

  /** The browser tries again by itself, unless the server refused. */
  async #lost(events) {
    if (events !== this.events) return;
    this.#sayLink('No connection; trying again', 'bad');
    if (events.readyState !== EventSource.CLOSED) return;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    if (events !== this.events) return;
    try {
      if (await this.api.resume()) this.#listen();
      else this.#showGate();
    } catch {
      this.#lost(events);
    }
  }

  #sayLink(text, look) {
    const state = $('link-state');
    setText(state, text);
    state.className = `link-state ${look}`;
  }
}

new App().start();
