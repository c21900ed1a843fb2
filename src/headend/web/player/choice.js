// This module chooses how a stream may be played in this browser: the ways, best one first.

import { codec } from '../common/format.js';

// Codecs that mpegts.js takes out of FLV.
const IN_FLV = new Set(['h264', 'hevc', 'av1', 'aac', 'mp3', 'opus', 'flac']);

const Source = globalThis.MediaSource ?? globalThis.ManagedMediaSource;

/** @typedef {{kind: 'flv'|'hls'|'native', isSocket?: boolean, isSilent?: boolean}} Way */

/**
 * Name the ways to play a stream.
 *
 * @param {import('./stream.js').Stream} stream
 * @param {'auto'|'flv'|'hls'} mode What the viewer has chosen.
 * @returns {Way[]}
 */
export function ways(stream, mode) {
  const video = stream.track('video');
  const audio = stream.track('audio');
  const found = [];
  if (mode !== 'hls' && Source && canShow(video) && isInFlv(video)) {
    // A socket first: it counts not among the six connections that a browser has to a server.
    const isSilent = audio !== null && !(canShow(audio) && isInFlv(audio));
    if (video !== null || !isSilent) {
      found.push({ kind: 'flv', isSocket: true, isSilent }, { kind: 'flv', isSilent });
    }
  }
  if (mode !== 'flv' && stream.told.hls && canShow(video) && canShow(audio)) {
    if (Source) found.push({ kind: 'hls' });
    if (canPlayHls()) found.push({ kind: 'native' });
  }
  // A way without sound is the last resort.
  return found.sort((one, other) => Number(one.isSilent ?? 0) - Number(other.isSilent ?? 0));
}

/** Say in words why there is no way. */
export function lacking(stream) {
  if (!Source && !stream.told.hls) return 'This browser has no Media Source Extensions.';
  const bad = stream.told.tracks.filter((track) => !canShow(track));
  if (!bad.length) return 'It cannot be played in the way that was chosen.';
  return `This browser has no decoder for ${bad.map((track) => codec(track.codec)).join(' and ')}.`;
}

/** Tell whether the browser decodes a track; one that is not known may be tried. */
function canShow(track) {
  if (track === null || track.codecs === '' || !Source) return true;
  return Source.isTypeSupported(`${track.kind}/mp4; codecs="${track.codecs}"`);
}

function isInFlv(track) {
  return track === null || IN_FLV.has(track.codec);
}

function canPlayHls() {
  return document.createElement('video').canPlayType('application/vnd.apple.mpegurl') !== '';
}
