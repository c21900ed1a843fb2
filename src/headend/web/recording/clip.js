// Clips: mark in, mark out, and have the server cut what lies between. For who is signed in to the console.

import { $, setText } from '../common/dom.js';
import { clock } from './times.js';

/** Show the buttons, if the browser is still signed in. */
export async function offerClips(told, base, video) {
  const api = (path) => new URL(`api/v1${path}`, base);
  const session = await fetch(api('/sign-in'));
  if (!session.ok) return;
  const { csrf } = await session.json();
  const marks = { start: null, end: null };

  function mark(name) {
    marks[name] = video.currentTime;
    const shown = (seconds) => (seconds === null ? '–' : clock(seconds));
    setText($('marks'), `${shown(marks.start)} to ${shown(marks.end)}`);
    $('cut').disabled = marks.start === null || marks.end === null || marks.end <= marks.start;
  }

  async function cut() {
    $('cut').disabled = true;
    setText($('clip-told'), 'It is being cut …');
    const range = {
      start: onTimeline(told.jumps, marks.start),
      end: onTimeline(told.jumps, marks.end),
      exact: $('exact').checked,
    };
    const answer = await fetch(api(`/recordings/${told.id}/clips`), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf },
      body: JSON.stringify(range),
    }).catch(() => null);
    $('cut').disabled = false;
    const made = await answer?.json();
    if (!answer?.ok) return setText($('clip-told'), made?.detail ?? 'The server cannot be reached.');
    const link = document.createElement('a');
    link.href = new URL(`watch/recordings/${made.id}`, base).href;
    setText(link, `Clip of ${clock(made.duration_s)}`);
    $('clip-told').replaceChildren(link);
  }

  $('mark-in').addEventListener('click', () => mark('start'));
  $('mark-out').addEventListener('click', () => mark('end'));
  $('cut').addEventListener('click', cut);
  $('clip').hidden = false;
}

/** Place on the recording's timeline: players play over the time in which nothing was recorded. */
function onTimeline(jumps, seconds) {
  let shift = 0;
  for (const [played, place] of jumps) if (played <= seconds) shift = place - played;
  return seconds + shift;
}
