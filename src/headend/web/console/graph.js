// A graph: a figure over the last two minutes as a small line.

const SPAN_S = 120;
const [WIDTH, HEIGHT] = [240, 44];
const SVG = 'http://www.w3.org/2000/svg';

export class Graph {
  /**
   * @param {string} label What it shows.
   * @param {(value: number) => string} format
   */
  constructor(label, format) {
    this.label = label;
    this.format = format;
    this.points = []; // { at, value }, at in seconds
    this.value = document.createElement('span');
    this.value.className = 'graph-value figure';
    const name = document.createElement('span');
    name.className = 'graph-name';
    name.textContent = label;
    this.svg = make('svg', {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
    });
    this.area = make('path', { class: 'graph-area' });
    this.line = make('path', { class: 'graph-line' });
    this.svg.append(this.area, this.line);
    this.element = document.createElement('div');
    this.element.className = 'graph';
    const head = document.createElement('p');
    head.append(name, this.value);
    this.element.append(head, this.svg);
  }

  /** Take what was before: values, oldest first, the newest one of now. */
  seed(values, interval) {
    const now = performance.now() / 1000;
    const first = this.points[0]?.at ?? Infinity;
    const before = values.map((value, i) => ({
      at: now - (values.length - 1 - i) * interval,
      value,
    }));
    this.points = [...before.filter(({ at }) => at < first), ...this.points];
    this.#draw(now);
  }

  add(value) {
    const now = performance.now() / 1000;
    this.points = this.points.filter(({ at }) => now - at <= SPAN_S);
    this.points.push({ at: now, value });
    this.#draw(now);
  }

  #draw(now) {
    const values = this.points.map(({ value }) => value);
    if (!values.length) return;
    const most = Math.max(...values);
    const top = most * 1.15 || 1;
    const places = this.points.map(({ at, value }) => [
      (WIDTH * (1 - (now - at) / SPAN_S)).toFixed(1),
      (HEIGHT - 2 - (HEIGHT - 4) * (value / top)).toFixed(1),
    ]);
    const line = places.map(([x, y]) => `${x} ${y}`).join('L');
    this.line.setAttribute('d', `M${line}`);
    this.area.setAttribute(
      'd',
      `M${places[0][0]} ${HEIGHT}L${line}L${places.at(-1)[0]} ${HEIGHT}Z`,
    );
    this.value.textContent = this.format(values.at(-1));
    this.svg.setAttribute(
      'aria-label',
      `${this.label}, last two minutes: ${this.format(Math.min(...values))} to ${this.format(most)}`,
    );
  }
}

function make(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
