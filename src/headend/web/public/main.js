// The public page: the streams that everybody may watch, kept up to date.

import { $, h, setText } from '../common/dom.js';
import { count, duration } from '../common/format.js';
import { keep } from '../common/keep.js';

const AGAIN_MS = 10_000;
const PICTURE_MS = 20_000;
const SEARCHED = 9; // more streams than this: there is a field to find one

let list = JSON.parse(document.documentElement.dataset.list);

function draw() {
  const word = $('find').value.trim().toLowerCase();
  const { streams, has_more: hasMore } = list;
  const found = streams.filter((each) => text(each).includes(word));
  $('find-box').hidden = streams.length < SEARCHED;
  setText($('count'), found.length ? count(found.length, 'stream') + (hasMore ? ' and more' : '') : '');
  $('none').hidden = found.length > 0;
  setText($('none-title'), streams.length ? 'No stream is called so.' : 'Nothing is live at the moment.');
  setText($('none-text'), streams.length ? '' : 'Streams appear here by themselves when they begin.');
  keep(
    $('streams'),
    found,
    ({ path }) => path,
    (stream) => new Tile(stream),
  );
}

function text({ path, title, description }) {
  return `${path} ${title} ${description}`.toLowerCase();
}

function encoded(path) {
  return path.split('/').map(encodeURIComponent).join('/');
}

class Tile {
  constructor({ path }) {
    this.path = path;
    this.pictureAt = -Infinity;
    this.picture = h('img', { alt: '', loading: 'lazy' });
    this.picture.addEventListener('load', () => this.picture.classList.add('there'));
    this.picture.addEventListener('error', () => this.picture.classList.remove('there'));
    this.pill = h('span', { class: 'pill' });
    this.name = h('a', { href: `./watch/${encoded(path)}` });
    this.about = h('p', { class: 'tile-about soft' });
    this.facts = h('p', { class: 'tile-facts soft figure' });
    this.element = h(
      'li',
      { class: 'tile' },
      h('div', { class: 'tile-picture' }, this.picture, this.pill),
      h('h2', {}, this.name),
      this.about,
      this.facts,
    );
  }

  update(stream) {
    const isLive = stream.state === 'live';
    setText(this.pill, isLive ? 'Live' : 'Interrupted');
    this.pill.className = `pill ${isLive ? 'live' : 'warn'}`;
    setText(this.name, stream.title || stream.path);
    setText(this.about, stream.description);
    this.about.hidden = !stream.description;
    const facts = [count(stream.viewers, 'viewer'), `for ${duration(stream.uptime_s)}`];
    if (stream.title) facts.unshift(stream.path);
    setText(this.facts, facts.join(' · '));
    if (stream.has_picture && isLive) this.#refreshPicture();
  }

  #refreshPicture() {
    const now = performance.now();
    if (document.hidden || now - this.pictureAt < PICTURE_MS) return;
    this.pictureAt = now;
    const at = Math.floor(Date.now() / PICTURE_MS);
    this.picture.src = `./${encoded(this.path)}/thumbnail.jpg?width=480&at=${at}`;
  }
}

async function refresh() {
  if (document.hidden) return;
  try {
    const response = await fetch('./', { headers: { Accept: 'application/json' } });
    if (!response.ok) return;
    list = await response.json();
    draw();
  } catch {
    // The server is away; what was seen last stays.
  }
}

$('find').addEventListener('input', draw);
document.addEventListener('visibilitychange', refresh);
setInterval(refresh, AGAIN_MS);
draw();
