// How the stream is and where its media are, as the server tells.

/** The server answers, but cannot tell now. */
export class Busy extends Error {}

// Parameters of the page itself, and of what it asks; any other may be what lets it in.
const OWN = ['mode', 'wait'];

/** A stream as its page is about it. */
export class Stream {
  /**
   * @param {Location} place Address of the page: …/watch/APP/NAME, perhaps with ?token=
   *   or with what else lets the viewer in.
   * @param {string} root Where the server's addresses begin, seen from the page: ../../ here.
   * @param {object} told What the page was given: see `_answer` in http/watch.py.
   */
  constructor(place, root, told) {
    this.page = new URL(place.pathname, place.origin);
    const base = new URL(root, this.page);
    this.name = this.page.pathname.slice(base.pathname.length).replace(/^watch\//, '');
    this.base = base;
    this.query = new URLSearchParams(place.search);
    this.token = this.query.get('token');
    for (const name of OWN) this.query.delete(name);
    this.told = told;
    this.onTold = () => {};
    const [navigation] = performance.getEntriesByType('navigation');
    const at = performance.timeOrigin + (navigation?.responseStart ?? performance.now());
    this.ahead = told.time - at / 1000; // of the server's clock, seconds
  }

  /** Seconds that the viewer may go back, as the page's address says; 0: none. */
  get dvr() {
    return Number(this.query.get('dvr')) || 0;
  }

  get isOn() {
    return this.told.state === 'live' || this.told.state === 'interrupted';
  }

  get isLive() {
    return this.told.state === 'live';
  }

  track(kind) {
    return this.told.tracks.find((track) => track.kind === kind) ?? null;
  }

  /** Show a token from now on; the address of the page has it too. */
  setToken(token) {
    this.token = token;
    this.query.set('token', token);
    const place = new URL(location.href);
    place.searchParams.set('token', token);
    history.replaceState(null, '', place);
  }

  /** The server's time now, unix seconds. */
  now() {
    return Date.now() / 1000 + this.ahead;
  }

  /** Address of media, with what lets the viewer in: media('.flv'), media('/index.m3u8'). */
  media(suffix, { isSocket = false, hasQuery = true } = {}) {
    const address = new URL(`./${this.name}${suffix}`, this.base);
    if (isSocket) address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    if (hasQuery) address.search = this.query;
    return address.href;
  }

  /**
   * Ask how the stream is.
   *
   * @param {boolean} isPatient Have the server answer when the stream comes.
   * @throws {Busy} The server stops, or too many wait.
   * @throws {TypeError} The server cannot be reached.
   */
  async ask(isPatient, signal) {
    const address = new URL(this.page);
    address.search = this.query;
    if (isPatient) address.searchParams.set('wait', '1');
    const began = Date.now();
    const response = await fetch(address, {
      headers: { Accept: 'application/json' },
      cache: 'no-store',
      signal,
    });
    if (!response.ok) throw new Busy(`the server answers ${response.status}`);
    this.told = await response.json();
    this.onTold();
    const took = Date.now() - began;
    if (!isPatient) this.ahead = this.told.time - (began + took / 2) / 1000;
    return this.told;
  }
}
