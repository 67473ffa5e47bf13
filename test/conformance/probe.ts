import type { Answer } from './http.ts';
import { ask } from './http.ts';
import { type MediaPlaylist, readPlaylist } from './playlist.ts';
import type { RenditionWatch } from './watch.ts';

/** What a probe may use: the stream while it is live. */
export interface Target {
  readonly hlsUrl: string;
  readonly mainUrl: string;
  readonly audioUrl: string | null;
  readonly main: RenditionWatch;
  /** The server's process, where it runs on this machine: its descriptors and memory are looked at. */
  readonly serverPid: number | null;
  /** hls_url of a live stream that exists and is offline. */
  readonly offlineUrl: string | null;
  readonly figures: Map<string, string>;
}

/** One numbered assertion that asks the server something. Throws when it does not hold; may answer with a NotApplicable. */
export interface Probe {
  readonly id: string;
  readonly says: string;
  readonly run: (target: Target) => Promise<unknown>;
}

export const probe = (id: string, says: string, run: Probe['run']): Probe => ({ id, says, run });

/** The media playlist in an answer. @throws unless it is one. */
export function mediaPlaylist(answer: Answer): MediaPlaylist {
  if (answer.status !== 200) throw new Error(`${answer.status} for ${answer.url}`);
  const playlist = readPlaylist(answer.body.toString('utf8'));
  if (playlist.kind !== 'media') throw new Error(`${answer.url} is not a media playlist`);
  return playlist;
}

export const current = async (url: string): Promise<MediaPlaylist> => mediaPlaylist(await ask(url));
