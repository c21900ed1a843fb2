// Times of a recording, for people.

/** 3725.4 → "1:02:05", 65 → "1:05". */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const pair = (value) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const end = `${pair(whole % 60)}`;
  return hours ? `${hours}:${pair(minutes)}:${end}` : `${minutes}:${end}`;
}

/** A moment as the viewer's clock had it. */
export function moment(date) {
  return date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}
