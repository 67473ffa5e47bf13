import { readdirSync } from 'node:fs';
import { until } from '../support/until.ts';
import { must, NotApplicable, percentile } from './check.ts';
import { lastPosition, nextPosition } from './delta.ts';
import { ask, withQuery } from './http.ts';
import type { MediaPlaylist } from './playlist.ts';
import { current, mediaPlaylist, probe } from './probe.ts';

/** Well over what an answer that waits for nothing takes on a busy machine, well under a segment. */
const AT_ONCE_MS = 300;
const WAITERS = 200;

const reaches = (playlist: MediaPlaylist, msn: number, part = 0): boolean => {
  const next = nextPosition(playlist);
  return next.msn > msn || (next.msn === msn && next.part > part);
};
const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Delivery directives (RFC 8216bis 6.2.5): blocking reload and deltas. */
export const blockingProbes = [
  probe(
    'H45',
    '_HLS_msn: at once when listed, blocks for the next two, and the answer holds it',
    async ({ mainUrl, main, figures }) => {
      const listed = lastPosition(await current(mainUrl)).msn - 1;
      const answer = await ask(withQuery(mainUrl, `_HLS_msn=${listed}`));
      must(
        answer.status === 200 && answer.doneAtMs - answer.askedAtMs < AT_ONCE_MS,
        `a listed segment took ${Math.round(answer.doneAtMs - answer.askedAtMs)} ms (${answer.status})`,
      );
      await main.nextReload();
      const playlist = await current(mainUrl);
      const newest = playlist.mediaSequence + playlist.segments.length - 1;
      const [one, two] = await Promise.all([
        ask(withQuery(mainUrl, `_HLS_msn=${newest + 1}`)),
        ask(withQuery(mainUrl, `_HLS_msn=${newest + 2}`)),
      ]);
      must(reaches(mediaPlaylist(one), newest + 1), 'the answer to last + 1 does not hold it');
      must(reaches(mediaPlaylist(two), newest + 2), 'the answer to last + 2 does not hold it');
      must(two.doneAtMs - two.askedAtMs > AT_ONCE_MS, 'last + 2 did not block');
      // Many at once: all wait for the same part; the first answer shows when it was ready.
      const spreads: number[] = [];
      for (let round = 0; round < 3; round++) {
        await main.nextReload();
        const { msn, part } = nextPosition(await current(mainUrl));
        const answers = await Promise.all(
          Array.from({ length: WAITERS }, () =>
            ask(withQuery(mainUrl, `_HLS_msn=${msn}&_HLS_part=${part}`), { alone: true }),
          ),
        );
        for (const each of answers)
          must(
            each.status === 200 && reaches(mediaPlaylist(each), msn, part),
            `${each.status}, or not the part that was asked for`,
          );
        const readyMs = Math.min(...answers.map(({ doneAtMs }) => doneAtMs));
        spreads.push(...answers.map(({ doneAtMs }) => doneAtMs - readyMs));
      }
      figures.set(
        'H45',
        `${WAITERS} waiters: p50 ${percentile(spreads, 0.5).toFixed(1)} ms, p99 ${percentile(spreads, 0.99).toFixed(1)} ms after the first`,
      );
    },
  ),
  probe(
    'H46',
    '_HLS_part beyond the final part of a finished segment is part 0 of the next',
    async ({ mainUrl, main }) => {
      const playlist = await until('a finished segment with parts', 10_000, async () => {
        await main.nextReload();
        const now = await current(mainUrl);
        return now.openParts.length > 0 && now.segments.at(-1)!.parts.length > 0 ? now : null;
      });
      const finished = playlist.segments.at(-1)!;
      const answer = await ask(withQuery(mainUrl, `_HLS_msn=${finished.msn}&_HLS_part=${finished.parts.length}`));
      must(reaches(mediaPlaylist(answer), finished.msn + 1), 'the answer does not hold part 0 of the next segment');
      must(
        answer.doneAtMs - answer.askedAtMs < AT_ONCE_MS,
        `part 0 of the next was listed, the answer took ${Math.round(answer.doneAtMs - answer.askedAtMs)} ms`,
      );
    },
  ),
  probe('H47', '_HLS_msn above last + 2 and _HLS_part beyond the advance limit are 400', async ({ mainUrl }) => {
    const playlist = await current(mainUrl);
    const { msn, part } = nextPosition(playlist);
    const limit = playlist.partTargetS! < 1 ? Math.ceil(3 / playlist.partTargetS!) : 3;
    // A segment may end while we ask: one more than the limit on both counts.
    for (const query of [
      `_HLS_msn=${msn + 3}`,
      `_HLS_msn=${msn + 3}&_HLS_part=0`,
      `_HLS_msn=${msn + 1_000_000}`,
      `_HLS_msn=${msn + 1}&_HLS_part=${part + limit + 20}`,
    ]) {
      const { status } = await ask(withQuery(mainUrl, query), { timeoutMs: 2000 });
      must(status === 400, `${status} for ${query} at ${msn}.${part}`);
    }
  }),
  probe('H48', 'malformed directives are 400, never 500', async ({ mainUrl }) => {
    const { msn } = nextPosition(await current(mainUrl));
    const huge = ['9007199254740992', '1'.repeat(30), '-1', 'x', '', '1.5', '1e3', '0x10', '%31%00', ' 1'];
    const queries = [
      '_HLS_part=0',
      ...huge.map((value) => `_HLS_msn=${value}`),
      ...huge.map((value) => `_HLS_msn=${msn}&_HLS_part=${value}`),
      `_HLS_msn=${msn}&_HLS_msn=${msn}`,
      `_HLS_msn=${msn}&_HLS_part=0&_HLS_part=1`,
    ];
    for (const query of queries) {
      const { status } = await ask(withQuery(mainUrl, query.replaceAll(' ', '%20')), { timeoutMs: 2000 });
      must(status === 400, `${status} for ${query}`);
    }
  }),
  probe('H49', 'a stale _HLS_msn gets the current playlist at once', async ({ mainUrl }) => {
    const { mediaSequence } = await current(mainUrl);
    for (const query of ['_HLS_msn=0', '_HLS_msn=0&_HLS_part=0', `_HLS_msn=${Math.max(0, mediaSequence - 1)}`]) {
      const answer = await ask(withQuery(mainUrl, query), { timeoutMs: 5000 });
      must(
        mediaPlaylist(answer).mediaSequence >= mediaSequence && answer.doneAtMs - answer.askedAtMs < AT_ONCE_MS,
        `${query} took ${Math.round(answer.doneAtMs - answer.askedAtMs)} ms`,
      );
    }
  }),
  probe('H51', 'clients that hang up free their waiters', async ({ mainUrl, serverPid, figures }) => {
    if (serverPid === null) return new NotApplicable("the server's process is not on this machine");
    const before = descriptors(serverPid);
    const playlist = await current(mainUrl);
    const newest = playlist.mediaSequence + playlist.segments.length - 1;
    const hangUp = new AbortController();
    const waiting = Array.from({ length: WAITERS }, () =>
      ask(withQuery(mainUrl, `_HLS_msn=${newest + 2}&_HLS_part=0`), { signal: hangUp.signal, alone: true }).catch(
        () => null,
      ),
    );
    const during = await until(
      'the waiters are connected',
      5000,
      () => (descriptors(serverPid) >= before + WAITERS * 0.8 ? descriptors(serverPid) : null),
      10,
    );
    hangUp.abort();
    await Promise.all(waiting);
    await until('their sockets are free', 1000, () => descriptors(serverPid) <= before + 20, 20);
    figures.set('H51', `descriptors ${before}, ${during} with ${WAITERS} waiters, ${descriptors(serverPid)} after`);
    return undefined;
  }),
  probe(
    'H53',
    'unknown skip values give a full playlist; v2 only where dateranges can be skipped',
    async ({ mainUrl, main }) => {
      for (const value of ['NO', 'yes', 'banana', ''])
        must(
          mediaPlaylist(await ask(withQuery(mainUrl, `_HLS_skip=${value}`))).skipped === null,
          `_HLS_skip=${value} skips`,
        );
      const second = await ask(withQuery(mainUrl, '_HLS_skip=v2'));
      must(second.status === 200, `_HLS_skip=v2 is ${second.status}`);
      must(mediaPlaylist(second).version >= 9 || mediaPlaylist(second).skipped === null, 'a delta of a low version');
      // Early in the stream nothing lies beyond the boundary; those deltas are full playlists.
      const early = main.deltas.find(
        ({ full }) => full.segments.reduce((sum, { durationS }) => sum + durationS, 0) < full.control!.canSkipUntilS!,
      );
      must(
        !early || (early.skipped === null && early.delta.segments.length === early.full.segments.length),
        'a skip where nothing can be skipped',
      );
    },
  ),
  probe('H54', 'order of directives and extra parameters do not change the answer', async ({ mainUrl, main }) => {
    await until('the same answer to all', 8000, async () => {
      await main.nextReload();
      const { msn, part } = lastPosition(await current(mainUrl));
      const queries = [
        `_HLS_msn=${msn}&_HLS_part=${part}`,
        `_HLS_part=${part}&_HLS_msn=${msn}`,
        `a=1&_HLS_msn=${msn}&_HLS_bogus=%20x&_HLS_part=${part}&b`,
      ];
      const answers = await Promise.all(queries.map((query) => ask(withQuery(mainUrl, query))));
      must(
        answers.every(({ status }) => status === 200),
        `${answers.map(({ status }) => status)}`,
      );
      // A part may come between two of them: then they are asked again.
      return answers.every(({ body }) => body.equals(answers[0]!.body));
    });
  }),
];
