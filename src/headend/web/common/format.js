// Figures, written for people; a number and its unit stay on one line.

const GAP = '\u00a0';
const WHOLE = new Intl.NumberFormat(); // made once: that takes its time
const UNITS = ['', 'k', 'M', 'G', 'T'];
const CODECS = {
  h264: 'H.264',
  hevc: 'H.265',
  h263: 'H.263',
  vvc: 'H.266',
  opus: 'Opus',
  speex: 'Speex',
  nellymoser: 'Nellymoser',
  pcm_alaw: 'G.711',
  pcm_mulaw: 'G.711',
};

/** 2650000 → "2.65 Mbit/s". */
export function bitRate(bits) {
  return scaled(bits, 1000, 'bit/s');
}

/** 1536000 → "1.54 MB". */
export function bytes(count) {
  return scaled(count, 1000, 'B');
}

/** 3725 → "1 h 2 min". */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole}${GAP}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}${GAP}min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return pair(hours, 'h', minutes % 60, 'min');
  return pair(Math.floor(hours / 24), 'days', hours % 24, 'h');
}

/** 30 → "30", 29.97 → "29.97", 12.345 → "12.35". */
export function number(value) {
  return String(Math.round(100 * value) / 100);
}

/** 1234 → "1,234", as the viewer's language writes it. */
export function whole(value) {
  return WHOLE.format(value);
}

/** 1, "viewer" → "1 viewer". */
export function count(value, word, words = `${word}s`) {
  return `${whole(value)} ${value === 1 ? word : words}`;
}

/** 1280, 720 → "1280 × 720". */
export function size(width, height) {
  return `${width}${GAP}×${GAP}${height}`;
}

/** A date of the API, in the viewer's time. */
export function date(text) {
  return new Date(text).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** Codecs as people write them. */
export function codec(name) {
  return CODECS[name] ?? name.toUpperCase().replace(/^(AC|EAC)3$/, '$1-3');
}

/** "no codec" → "No codec". */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function scaled(value, step, unit) {
  let rest = value;
  let power = 0;
  while (rest >= step && power < UNITS.length - 1) {
    rest /= step;
    power += 1;
  }
  const digits = power === 0 || rest >= 100 ? 0 : rest >= 10 ? 1 : 2;
  return `${rest.toFixed(digits)}${GAP}${UNITS[power]}${unit}`;
}

function pair(large, largeUnit, small, smallUnit) {
  const first = `${large}${GAP}${largeUnit}`;
  return small ? `${first} ${small}${GAP}${smallUnit}` : first;
}
