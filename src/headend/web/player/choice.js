// This module chooses how a stream may be played in this browser: the ways, best one first.

import { codec } from '../common/format.js';

// Codecs that mpegts.js takes out of FLV. It knows AV1 too, but not as every encoder writes it.
const IN_FLV = new Set(['h264', 'hevc', 'aac', 'mp3', 'opus', 'flac']);
// Codecs that the server packages for HLS.
const IN_HLS = new Set(['h264', 'hevc', 'av1', 'aac', 'mp3', 'ac3', 'eac3', 'opus', 'flac']);
// What stands for a track in a question to the browser as long as its parameters are not known.
const USUAL = {
  aac: 'mp4a.40.2',
  ac3: 'ac-3',
  eac3: 'ec-3',
  flac: 'flac',
  mp3: 'mp3',
  opus: 'opus',
};

const Source = globalThis.MediaSource ?? globalThis.ManagedMediaSource;

/**
 * @typedef {object} Way
 * @property {'flv'|'hls'|'native'} kind
 * @property {boolean} [isSocket] Over a WebSocket.
 * @property {string} [lacks] What is left out: 'sound' or 'picture'.
 */

/**
 * Name the ways to play a stream.
 *
 * @param {import('./stream.js').Stream} stream
 * @param {'auto'|'flv'|'hls'} mode What the viewer has chosen.
 * @returns {Way[]}
 */
export function ways(stream, mode) {
  const tracks = { picture: stream.track('video'), sound: stream.track('audio') };
  const found = [];
  if (mode !== 'hls' && Source) {
    const lacks = missing(tracks, IN_FLV);
    // Without a picture it is no better than HLS.
    if (lacks !== null && lacks !== 'picture') {
      // A socket first: it counts not among the six connections that a browser has to a server.
      found.push({ kind: 'flv', isSocket: true, lacks }, { kind: 'flv', lacks });
    }
  }
  if (mode !== 'flv' && stream.told.hls) {
    const lacks = missing(tracks, IN_HLS);
    // A playlist names both tracks: a browser has to know them.
    const isKnown = Object.values(tracks).every(
      (track) => canShow(track) || !IN_HLS.has(track.codec),
    );
    if (lacks !== null && isKnown) {
      if (Source) found.push({ kind: 'hls', lacks });
      if (canPlayHls()) found.push({ kind: 'native', lacks });
    }
  }
  return found.sort((one, other) => Number(Boolean(one.lacks)) - Number(Boolean(other.lacks)));
}

/** Name the track that cannot be played out of a format; '': none, null: nothing can. */
function missing(tracks, format) {
  const given = Object.entries(tracks).filter(([, track]) => track !== null);
  const bad = given.filter(([, track]) => !format.has(track.codec) || !canShow(track));
  if (bad.length === given.length && bad.length) return null;
  return bad.length ? bad[0][0] : '';
}

/** Say in words why there is no way. */
export function lacking(stream) {
  if (!Source && !stream.told.hls) return 'This browser has no Media Source Extensions.';
  const bad = stream.told.tracks.filter((track) => !canShow(track));
  if (!bad.length) return 'Its codecs cannot be played in this way.';
  return `This browser has no decoder for ${bad.map((track) => codec(track.codec)).join(' and ')}.`;
}

/** Tell whether the browser decodes a track; one that is not known may be tried. */
function canShow(track) {
  if (track === null || !Source) return true;
  const codecs = track.codecs || USUAL[track.codec];
  return !codecs || Source.isTypeSupported(`${track.kind}/mp4; codecs="${codecs}"`);
}

function canPlayHls() {
  return document.createElement('video').canPlayType('application/vnd.apple.mpegurl') !== '';
}
