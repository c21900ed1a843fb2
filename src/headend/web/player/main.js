// The start of the player page.

import { $ } from '../common/dom.js';
import { menu } from '../common/menu.js';
import { about } from './about.js';
import { Controls } from './controls.js';
import { Metrics } from './metrics.js';
import { Player } from './player.js';
import { share } from './share.js';
import { Stream } from './stream.js';

const MODES = ['auto', 'flv', 'hls'];

const root = document.documentElement;
root.classList.toggle('framed', window.self !== window.top);

const video = $('video');
// The attribute alone does not count for a video that scripts play.
video.muted = true;

const stream = new Stream(location, root.dataset.root, JSON.parse(root.dataset.stream));
const wanted = new URLSearchParams(location.search).get('mode');
// Only HLS has a past.
const mode = stream.dvr ? 'hls' : MODES.includes(wanted) ? wanted : 'auto';
$('mode').value = mode;

const metrics = (window.headend = new Metrics(video));
const controls = new Controls(video);
const player = new Player(video, stream, controls, metrics, mode);
controls.attach(player);
menu('settings', 'menu');
if (stream.told.state !== 'invalid') {
  share(stream);
  about(stream);
} else {
  $('below').hidden = true;
}
player.run();
