// Watches a live stream from outside, as a low-latency player would, and says which of the numbered assertions on HLS and
// LL-HLS (H01–H80) it keeps. Called by the end-to-end tests, and by whoever points it at a URL. It calls nothing of the
// product: its playlist and box readers are its own, and decoding is ffmpeg's. `checkLive` starts everything and leaves
// nothing running.
import { setTimeout as delay } from 'node:timers/promises';
import type { Sent } from '../support/flv-frames.ts';
import { until } from '../support/until.ts';
import { type Check, must, NotApplicable } from './check.ts';
import { lowLatencyChecks } from './check-low-latency.ts';
import { mediaChecks } from './check-media.ts';
import { mediaPlaylistChecks } from './check-media-playlist.ts';
import { multivariantChecks } from './check-multivariant.ts';
import { type Evidence, type Mark, readEvidence } from './evidence.ts';
import { ask, closeConnections, withQuery } from './http.ts';
import type { Probe, Target } from './probe.ts';
import { blockingProbes } from './probe-blocking.ts';
import { httpProbes } from './probe-http.ts';
import { type MasterReload, RenditionWatch, readMaster } from './watch.ts';

export { type Fragment, type InitTrack, readFragments, readInit } from './boxes.ts';
export { compareFrames, type Received } from './frames.ts';
export { ask, closeConnections } from './http.ts';
export { type MediaPlaylist, readPlaylist } from './playlist.ts';

export interface CheckOptions {
  /** How long to watch before `afterwards` begins. */
  readonly durationMs: number;
  /** What the publisher sends, a member for each of its runs; known when a file is pushed. */
  readonly sent?: readonly Sent[];
  /** Runs (from 0) in which the publisher repeats its configuration. */
  readonly repeatedConfigRuns?: readonly number[];
  /** What a user wrote and no playlist may show. */
  readonly forbiddenWords?: readonly string[];
  readonly serverPid?: number;
  readonly offlineUrl?: string;
  /** What the publisher does next, while the watch goes on; it marks what happens when it happens, or says when that was (`performance.now()`). Left away: the end is waited for. */
  readonly afterwards?: (mark: (event: Mark['event'], atMs?: number) => void) => Promise<void>;
}

export interface Report {
  readonly passed: readonly string[];
  readonly failed: readonly { readonly id: string; readonly message: string }[];
  readonly notApplicable: readonly { readonly id: string; readonly why: string }[];
  /** What each number says, and the figures that were measured. */
  readonly says: ReadonlyMap<string, string>;
  readonly figures: ReadonlyMap<string, string>;
  /** Answers of the watch itself that should have been others: errors, other statuses, unreadable playlists. */
  readonly problems: readonly string[];
}

const ELSEWHERE: readonly (readonly [string, string])[] = [
  ['H11', 'the stream is open to everybody: tokens are tested in e2e/playback-security'],
  ['H28', 'needs a restart of the server: see test/e2e/lifecycle.test.ts'],
  ['H55', 'needs hls.js in a browser: see test/e2e/hls-js.test.ts'],
  ['H56', 'needs hls.js in a browser: see test/e2e/hls-js.test.ts'],
  ['H57', 'needs hls.js in a browser: see test/e2e/hls-js.test.ts'],
  ['H67', 'needs timestamps at their limits: see test/e2e/frames.test.ts'],
  ['H68', 'there is no MPEG-TS variant'],
  ['H78', 'the stream is open to everybody: tokens are tested in e2e/playback-security'],
];

/** How long the end of a stream is waited for when the publisher has left for good. */
const END_MS = 20_000;

/** Watches the live stream at `hlsUrl` (its multivariant playlist) and evaluates the assertions. It must be on air, or about to be. */
export async function checkLive(hlsUrl: string, options: CheckOptions): Promise<Report> {
  const figures = new Map<string, string>();
  const verdicts = new Map<string, string | NotApplicable | null>();
  const says = new Map<string, string>();
  const judge = async (id: string, text: string, work: () => unknown): Promise<void> => {
    says.set(id, text);
    try {
      const verdict = await work();
      verdicts.set(id, verdict instanceof NotApplicable ? verdict : null);
    } catch (error) {
      verdicts.set(id, error instanceof Error ? error.message.slice(0, 1500) : String(error));
    }
  };

  const masters: MasterReload[] = [await until('the multivariant playlist', 30_000, () => readMaster(hlsUrl))];
  const mainUrl = new URL(masters[0]!.playlist.variants[0]!.uri, hlsUrl).href;
  const main = new RenditionWatch(mainUrl);
  const running = [main.run()];
  await main.nextReload();
  // The audio rendition is a playlist of its own beside the main one, named in its reports.
  const report = await until('the first media playlist', 15_000, async () => {
    if (!main.last) await main.nextReload();
    return main.last;
  });
  const audioUri = report.reports.find(({ uri }) => main.resolve(uri) !== mainUrl)?.uri;
  const audio = audioUri ? new RenditionWatch(main.resolve(audioUri).split('?')[0]!) : null;
  if (audio) running.push(audio.run());
  const masterTimer = setInterval(
    () =>
      void readMaster(hlsUrl).then(
        (master) => masters.push(master),
        () => {},
      ),
    2000,
  );

  const marks: Mark[] = [];
  const target: Target = {
    hlsUrl,
    mainUrl,
    audioUrl: audio?.url ?? null,
    main,
    serverPid: options.serverPid ?? null,
    offlineUrl: options.offlineUrl ?? null,
    figures,
  };
  try {
    const steady = delay(options.durationMs);
    // The probes want a few finished segments.
    await until('three segments', 20_000, async () => {
      await main.nextReload();
      return main.segments.size >= 3;
    });
    for (const { id, says: text, run } of [...blockingProbes, ...httpProbes] as Probe[])
      await judge(id, text, () => run(target));
    await steady;
    await options.afterwards?.((event, atMs = performance.now()) => {
      marks.push({ event, atMs, wallMs: Date.now() - performance.now() + atMs });
    });
    if (marks.at(-1)?.event === 'away')
      await Promise.race([Promise.all(running), delay(END_MS, undefined, { ref: false })]);
    await judge(
      'H50',
      'publisher gone: waiters answered within 1 s; an ended playlist ignores directives and changes no more',
      () => probeEnd(main, marks),
    );
  } finally {
    clearInterval(masterTimer);
    await Promise.all([main.stop(), audio?.stop()]);
    await Promise.all(running);
    closeConnections();
  }

  const mainEvidence = readEvidence('main', main);
  const audioEvidence = audio ? readEvidence('audio', audio) : null;
  const evidence: Evidence = {
    masters,
    main: mainEvidence,
    audio: audioEvidence,
    all: audioEvidence ? [mainEvidence, audioEvidence] : [mainEvidence],
    marks,
    sent: options.sent ?? null,
    forbiddenWords: options.forbiddenWords ?? [],
    repeatedConfigRuns: options.repeatedConfigRuns ?? [],
    figures,
  };
  for (const { id, says: text, run } of [
    ...multivariantChecks,
    ...mediaPlaylistChecks,
    ...lowLatencyChecks,
    ...mediaChecks,
  ] as Check[])
    await judge(id, text, () => run(evidence));
  for (const [id, why] of ELSEWHERE) verdicts.set(id, new NotApplicable(why));

  const ids = [...verdicts.keys()].sort();
  return {
    passed: ids.filter((id) => verdicts.get(id) === null),
    failed: ids.flatMap((id) =>
      typeof verdicts.get(id) === 'string' ? [{ id, message: verdicts.get(id) as string }] : [],
    ),
    notApplicable: ids.flatMap((id) => {
      const verdict = verdicts.get(id);
      return verdict instanceof NotApplicable ? [{ id, why: verdict.why }] : [];
    }),
    says,
    figures,
    problems: evidence.all.flatMap(({ watch }) => watch.problems),
  };
}

/** H50, as far as it shows from outside: what happened to those who waited, and what an ended playlist answers. */
async function probeEnd(main: RenditionWatch, marks: readonly Mark[]): Promise<NotApplicable | undefined> {
  const departures = marks.filter(({ event }) => event === 'away');
  if (departures.length === 0) return new NotApplicable('the publisher did not leave during the watch');
  for (const { atMs } of departures) {
    const waiting = main.reloads.find(({ answer }) => answer.askedAtMs < atMs && answer.doneAtMs > atMs - 100);
    must(
      !waiting || waiting.answer.doneAtMs - atMs <= 1100,
      `a waiter was answered ${Math.round(waiting!.answer.doneAtMs - atMs)} ms after the publisher had left`,
    );
  }
  if (!main.last!.ended) return undefined;
  const last = main.reloads.at(-1)!;
  const { mediaSequence } = main.last!;
  for (const query of [
    '',
    `_HLS_msn=${mediaSequence + 100_000}&_HLS_part=3`,
    '_HLS_msn=x',
    `_HLS_msn=${mediaSequence}`,
  ]) {
    const answer = await ask(withQuery(main.url, query), { timeoutMs: 2000 });
    must(
      answer.status === 200 && answer.body.equals(last.answer.body),
      `the ended playlist with ${query || 'no directive'}: ${answer.status}, ${answer.body.equals(last.answer.body) ? 'the same' : 'another'} text`,
    );
  }
  return undefined;
}
