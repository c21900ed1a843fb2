// The section Recordings: what was recorded, by stream and day; played, kept, ended and deleted.

import { h, setText } from '../common/dom.js';
import { bytes, count, date } from '../common/format.js';
import { clock } from '../recording/times.js';
import { address } from './api.js';
import { ask, button, field, say, Table } from './parts.js';
import { mayWatch } from './watching.js';

const PAGE = 100;
const AGAIN_MS = 3000;
const WRITTEN_MS = 1500; // until the list knows of what begins and ends
const STATES = {
  recording: ['Recording', 'live'],
  ready: ['Ready', 'good'],
  failed: ['Failed', 'bad'],
};
const RECORD = `The stream is recorded from now on until it ends, whatever the settings say of it.`;
const END = 'It is not recorded any more while it is live.';
const DELETE = 'Its files are deleted too. This cannot be undone.';

export const recordings = {
  id: 'recordings',
  title: 'Recordings',
  needs: '/api/v1/recordings',
  create(app) {
    const columns = ['Stream', 'Started', 'Length', 'Size', 'State', ''];
    const table = new Table('Recordings', columns, 'Nothing of this kind was recorded.');
    const disk = h('p', { class: 'soft figure', id: 'recordings-disk' });
    const store = h('p', { class: 'figure', id: 'recordings-store', hidden: true });
    const stream = h('input', {
      class: 'field',
      type: 'search',
      id: 'recordings-stream',
      placeholder: 'live/*',
    });
    const day = h('input', { class: 'field', type: 'date', id: 'recordings-day' });
    let shown = [];
    let next = null;
    let asked = -Infinity;
    const load = async (isMore) => {
      asked = performance.now();
      const query = new URLSearchParams({ limit: PAGE });
      if (stream.value.trim()) query.set('stream', stream.value.trim());
      for (const [name, time] of Object.entries(bounds(day.value))) query.set(name, time);
      if (isMore && next) query.set('cursor', next);
      const page = await app.api.get(`/recordings?${query}`);
      shown = isMore ? [...shown, ...page.recordings] : page.recordings;
      next = page.next;
      more.hidden = next === null;
      const free = page.free_bytes === null ? '' : `, ${bytes(page.free_bytes)} are free`;
      setText(disk, `All recordings take ${bytes(page.total_bytes)}${free}.`);
      showStore(store, page.uploads);
      // A row is made anew when its recording ends or is stored: it shows something else then.
      table.update(
        shown,
        ({ id, state, stored }) => `${id} ${state} ${stored}`,
        (recording) => cells(recording, acts),
      );
    };
    const acts = {
      async play(recording, event) {
        event.preventDefault();
        const query = await mayWatch(app.api, recording.stream);
        location.assign(`./watch/recordings/${encodeURIComponent(recording.id)}${query}`);
      },
      async record() {
        const name = field('Stream', { required: true, placeholder: 'live/cam1' }, 'It is live.');
        const body = h('div', { class: 'fields' }, h('p', { class: 'soft' }, RECORD), name.element);
        if (!(await ask('Record a stream', '', 'Record', { body }))) return;
        await app.api.post('/recordings', { stream: name.input.value.trim() });
        say('The stream is recorded.');
        asked = performance.now() - AGAIN_MS + WRITTEN_MS;
      },
      async stop(recording) {
        const title = `End the recording of ${recording.stream}?`;
        if (!(await ask(title, END, 'End', { isDanger: true }))) return;
        await app.api.post(`/recordings/${encodeURIComponent(recording.id)}/stop`);
        say('The recording ends.');
        asked = performance.now() - AGAIN_MS + WRITTEN_MS;
      },
      async clip(recording) {
        const name = `/recordings/${encodeURIComponent(recording.id)}/clips`;
        const wanted = await askForClip(recording);
        if (wanted === null) return;
        await app.api.post(name, wanted);
        say('The clip is a recording of its own now.');
        await load(false);
      },
      async remove(recording) {
        const title = `Delete the recording of ${recording.stream}?`;
        if (!(await ask(title, DELETE, 'Delete', { isDanger: true }))) return;
        await app.api.delete(`/recordings/${encodeURIComponent(recording.id)}`);
        say('The recording has been deleted.');
        await load(false);
      },
    };
    const more = button('Show older ones', () => load(true), { kind: 'more' });
    more.hidden = true;
    const refresh = button('Refresh', () => load(false), { kind: '' });
    stream.addEventListener('change', () => refresh.click());
    day.addEventListener('change', () => refresh.click());
    return {
      element: h(
        'div',
        {},
        h(
          'div',
          { class: 'tools' },
          h('label', { for: stream.id }, 'Stream'),
          stream,
          h('label', { for: day.id }, 'Day'),
          day,
          refresh,
          button('Record a stream', acts.record, { kind: 'main' }),
        ),
        disk,
        store,
        table.element,
        more,
      ),
      open: () => load(false),
      update() {
        // What is looked through stays; what runs grows.
        const isNewest = shown.length <= PAGE && performance.now() - asked > AGAIN_MS;
        if (isNewest) load(false).catch((error) => say(error.message, true));
      },
    };
  },
};

/** Say what waits for the object store, and why. */
function showStore(line, uploads) {
  line.hidden = !uploads || !(uploads.waiting || uploads.fault);
  if (line.hidden) return;
  const waiting = uploads.waiting === 1 ? '1 file waits' : `${uploads.waiting} files wait`;
  const why = uploads.fault ? `: ${uploads.fault}; it is tried again` : '';
  line.className = uploads.fault ? 'figure' : 'soft figure';
  setText(line, `${waiting} for the object store${why}.`);
}

/** The times between which a day is, here; none for no day. */
function bounds(day) {
  if (!day) return {};
  const from = new Date(`${day}T00:00`);
  const to = new Date(from);
  to.setDate(to.getDate() + 1);
  return { from: from.getTime() / 1000, to: to.getTime() / 1000 };
}

function cells(recording, acts) {
  const { id, stream, started, state } = recording;
  const [text, look] = STATES[state];
  const name = `the recording of ${stream}, ${date(1000 * started)}`;
  const isOver = state !== 'recording';
  const play = h(
    'a',
    {
      class: 'button small',
      href: `./watch/recordings/${encodeURIComponent(id)}`,
      'aria-label': `Play ${name}`,
      onclick: (event) => acts.play(recording, event).catch((error) => say(error.message, true)),
    },
    'Play',
  );
  const download =
    isOver &&
    h(
      'a',
      {
        class: 'button small',
        href: address(`/recordings/${encodeURIComponent(id)}/mp4`),
        'aria-label': `Download ${name}`,
      },
      'Download',
    );
  const clip =
    isOver && button('Clip', () => acts.clip(recording), { name: `Clip from ${name}` });
  const act = isOver
    ? button('Delete', () => acts.remove(recording), {
        kind: 'small danger',
        name: `Delete ${name}`,
      })
    : button('End', () => acts.stop(recording), { name: `End ${name}` });
  return [
    stream,
    date(1000 * started),
    clock(recording.duration_s),
    `${bytes(recording.bytes)}${recording.files > 1 ? `, ${count(recording.files, 'file')}` : ''}`,
    h('span', {}, h('span', { class: `pill ${look}` }, text), storedOf(recording)),
    h('span', {}, play, ' ', download, ' ', clip, ' ', act),
  ];
}

/** How much of a recording is in the object store. */
function storedOf({ stored, files }) {
  if (!stored) return '';
  const text = stored < files ? `${stored} of ${files} in the store` : 'in the store';
  return h('span', { class: 'soft' }, ` ${text}`);
}

/** Ask from when to when a clip goes; null: none is wanted. */
async function askForClip({ stream, duration_s: length }) {
  const whole = Math.floor(length);
  const limits = { type: 'number', min: 0, max: Math.ceil(length), step: 'any', required: true };
  const start = field('From', { ...limits, value: 0 }, 'Seconds from its beginning.');
  const end = field('To', { ...limits, value: whole }, `It is ${clock(length)} long.`);
  const body = h(
    'div',
    { class: 'fields' },
    h('p', { class: 'soft' }, 'The clip is cut at segments, which hold both times.'),
    start.element,
    end.element,
  );
  if (!(await ask(`Clip from ${stream}`, '', 'Cut', { body }))) return null;
  return { start: Number(start.input.value), end: Number(end.input.value) };
}
