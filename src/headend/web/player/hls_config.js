// How hls.js plays.

export const CONFIG = {
  lowLatencyMode: true,
  // A worker would be one more file to wait for; fragments of MP4 need no conversion.
  enableWorker: false,
  // What the browser has no room for it lets go by itself. hls.js would remove it when it has just
  // loaded a part, and if the removal ends before the part is appended it forgets the parts of the
  // growing segment and loads nothing for three target durations.
  backBufferLength: Infinity,
  maxLiveSyncPlaybackRate: 1.2,
};
