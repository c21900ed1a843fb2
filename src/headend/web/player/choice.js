// The ways in which a stream may be played in this browser, best one first.

import { codec } from '../common/format.js';

// Codecs that mpegts.js takes out of FLV, which knows AV1 too, but not as every encoder writes it;
// and those that the server packages for HLS, by the container it is set to.
const CODECS = {
  flv: new Set(['h264', 'hevc', 'aac', 'mp3', 'opus', 'flac']),
  fmp4: new Set(['h264', 'hevc', 'av1', 'vp9', 'aac', 'mp3', 'ac3', 'eac3', 'opus', 'flac']),
  mpegts: new Set(['h264', 'hevc', 'aac', 'mp3', 'ac3', 'eac3']),
};
// What stands for a track in a question to the browser as long as its parameters are not known.
const USUAL = {
  aac: 'mp4a.40.2',
  ac3: 'ac-3',
  eac3: 'ec-3',
  flac: 'flac',
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
    const lacks = missing(tracks, 'flv');
    // Without a picture it is no better than HLS.
    if (lacks !== null && lacks !== 'picture') {
      // A socket first: it counts not among the six connections that a browser has to a server.
      found.push({ kind: 'flv', isSocket: true, lacks }, { kind: 'flv', lacks });
    }
  }
  if (mode !== 'flv' && stream.told.hls) {
    const { container } = stream.told;
    const lacks = missing(tracks, container);
    // A playlist names both tracks: a browser has to know them.
    const isKnown = Object.values(tracks).every(
      (track) => canShow(track, container) || !CODECS[container].has(track.codec),
    );
    if (lacks !== null && isKnown) {
      if (Source) found.push({ kind: 'hls', lacks });
      if (canPlayHls()) found.push({ kind: 'native', lacks });
    }
  }
  return found.sort((one, other) => Number(Boolean(one.lacks)) - Number(Boolean(other.lacks)));
}

/** Name the track that cannot be played out of a container; '': none, null: nothing can. */
function missing(tracks, container) {
  const given = Object.entries(tracks).filter(([, track]) => track !== null);
  const bad = given.filter(([, track]) => !isPlayed(track, container));
  if (bad.length === given.length && bad.length) return null;
  return bad.length ? bad[0][0] : '';
}

/** Say in words why there is no way. */
export function lacking(stream, mode) {
  const { hls, container, tracks } = stream.told;
  if (!Source && !hls) return 'This browser has no Media Source Extensions.';
  const undecoded = tracks.filter((track) => !['flv', container].some((by) => canShow(track, by)));
  if (undecoded.length) return `This browser has no decoder for ${named(undecoded)}.`;
  const by = { auto: ['flv', container], flv: ['flv'], hls: [container] }[mode];
  const unplayed = tracks.filter((track) => !by.some((each) => isPlayed(track, each)));
  if (!unplayed.length) return `This browser cannot play ${named(tracks)} together.`;
  if (mode === 'auto') return `Browsers cannot play ${named(unplayed)} as this server sends it.`;
  return `This browser does not play ${named(unplayed)} over ${mode.toUpperCase()}.`;
}

function named(tracks) {
  return tracks.map((track) => codec(track.codec)).join(' and ');
}

/** Tell whether a track can be played out of a container. */
function isPlayed(track, container) {
  return CODECS[container].has(track.codec) && canShow(track, container);
}

/** Tell whether the browser decodes a track; one that is not known may be tried. */
function canShow(track, container) {
  if (track === null || !Source) return true;
  if (track.codec === 'mp3') {
    // The players hand it over as it is; out of a file of MP4 not every browser takes it.
    const type = container === 'fmp4' ? 'audio/mp4; codecs="mp3"' : 'audio/mpeg';
    return Source.isTypeSupported(type);
  }
  const codecs = track.codecs || USUAL[track.codec];
  return !codecs || Source.isTypeSupported(`${track.kind}/mp4; codecs="${codecs}"`);
}

function canPlayHls() {
  return document.createElement('video').canPlayType('application/vnd.apple.mpegurl') !== '';
}
