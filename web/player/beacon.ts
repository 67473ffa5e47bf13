import type { PlayerEventName, PlayerEvents } from './reporter.ts';

/** What the server calls it; what is not here is not reported. */
const eventOf: Partial<Record<PlayerEventName, string>> = {
  playstart: 'play',
  watch: 'watch',
  stall: 'stall',
  playerror: 'error',
  playend: 'end',
};

/**
 * Reports to the server how playing goes: no cookie, nothing of the viewer, an id that lives as long as one play.
 * @param root the server's public address, without a slash at its end
 */
export function sendBeacon<N extends PlayerEventName>(
  root: string,
  playbackId: string,
  playId: string,
  name: N,
  detail: PlayerEvents[N],
): void {
  const event = eventOf[name];
  if (!event) return;
  const report = { playback_id: playbackId, play_id: playId, event, ...detail };
  // As text: a browser asks no other origin for leave first. One that does not arrive is no matter.
  const body = JSON.stringify(report, (_, value) => value ?? undefined);
  try {
    if (navigator.sendBeacon(`${root}/embed/beacon`, body)) return;
  } catch {}
  fetch(`${root}/embed/beacon`, { method: 'POST', body, credentials: 'omit', keepalive: true }).catch(() => {});
}
