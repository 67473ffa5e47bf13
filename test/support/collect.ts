import type { Fragment, InitTrack, MediaPlaylist, Received } from '../conformance/index.ts';
import { ask, readFragments, readInit, readPlaylist } from '../conformance/index.ts';

/** Everything that one media playlist lists: segments with their fragments, run by run (a discontinuity begins a run). */
export interface Collected {
  readonly playlist: MediaPlaylist;
  readonly runs: readonly { readonly init: readonly InitTrack[]; readonly fragments: readonly Fragment[] }[];
}

export async function readMediaPlaylist(url: string): Promise<MediaPlaylist> {
  const answer = await ask(url);
  if (answer.status !== 200) throw new Error(`${answer.status} for ${url}`);
  const playlist = readPlaylist(answer.body.toString('utf8'));
  if (playlist.kind !== 'media') throw new Error(`${url} is not a media playlist`);
  return playlist;
}

async function body(url: string): Promise<Buffer> {
  const answer = await ask(url);
  if (answer.status !== 200) throw new Error(`${answer.status} for ${url}`);
  return answer.body;
}

/** Fetches all that `url` lists now. */
export async function collect(url: string): Promise<Collected> {
  const playlist = await readMediaPlaylist(url);
  const runs: { init: readonly InitTrack[]; fragments: Fragment[] }[] = [];
  for (const [index, { uri, map, discontinuity }] of playlist.segments.entries()) {
    if (index === 0 || discontinuity) runs.push({ init: readInit(await body(new URL(map!, url).href)), fragments: [] });
    runs.at(-1)!.fragments.push(...readFragments(await body(new URL(uri, url).href), runs.at(-1)!.init));
  }
  return { playlist, runs };
}

/** The samples of one kind in a run; null when it has no such track. */
export function receivedOf(run: Collected['runs'][number], kind: 'video' | 'audio'): Received | null {
  const track = run.init.find((candidate) => candidate.kind === kind);
  if (!track) return null;
  return {
    timescale: track.timescale,
    samples: run.fragments.flatMap(({ tracks }) =>
      tracks.filter(({ id }) => id === track.id).flatMap(({ samples }) => samples),
    ),
  };
}
