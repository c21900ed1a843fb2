// What the stream is about, over and below the picture: title, description, viewers.

import { $, setText } from '../common/dom.js';
import { count } from '../common/format.js';

const SOON_MS = 5000; // this viewer is counted then
const AGAIN_MS = 60_000;

/**
 * Show it, and have it told again now and then.
 *
 * @param {import('./stream.js').Stream} stream
 */
export function about(stream) {
  const name = $('name').textContent;
  const show = () => {
    const { title, description, viewers } = stream.told;
    setText($('name'), title || name);
    document.title = `${title || name} · Headend`;
    setText($('about'), description ?? '');
    $('about').hidden = !description;
    setText($('viewers'), count(viewers ?? 0, 'viewer'));
    $('viewers').hidden = !stream.isOn;
  };
  stream.onTold = show;
  show();
  // Not all viewers of a large stream at the same time.
  const again = () => setTimeout(ask, AGAIN_MS * (0.75 + Math.random() / 2));
  const ask = async () => {
    // A stream that is not on is asked for by the player.
    if (stream.isOn && !document.hidden) await stream.ask(false).catch(() => {});
    again();
  };
  setTimeout(ask, SOON_MS);
}
