// The numbered assertions on HLS and LL-HLS over a real live stream: half a minute of steady running under the probes, a drop, a
// return with another encoder and other configurations, and the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { checkLive } from '../conformance/index.ts';
import { makeFlv, publishFile } from '../support/encoder.ts';
import { readFlvTags, sentFrames } from '../support/flv-frames.ts';
import { ingestUrl, startServer } from '../support/server.ts';
import { publishTags } from '../support/session-publisher.ts';

const FIRST_S = 46;
const SECOND_S = 14;
const AWAY_MS = 2000;
/** Probes on a busy machine may still be at it when the first encoder leaves: so much later the second may come. */
const WINDOW_S = 12;

test('HLS and LL-HLS conformance', { timeout: 300_000 }, async (t) => {
  const audio = { rate: 48_000, channels: 2 } as const;
  const first = await makeFlv({ seconds: FIRST_S, video: { gopS: 1 }, audio });
  const second = await makeFlv({ seconds: SECOND_S, video: { size: '480x270', bFrames: 3 }, audio });
  const server = await startServer({
    env: { LIVEAPI_RECONNECT_WINDOW_S: String(WINDOW_S), LIVEAPI_LIVE_WINDOW_S: '20' },
  });
  t.after(() => server.close());
  const stream = await server.createLiveStream({ name: 'hostile",#EXT-X-ENDLIST\n#EXTM3U' });
  const offline = await server.createLiveStream();

  const encoder = publishFile(first, ingestUrl(stream));
  // The probes may not be done yet.
  const leftAtMs = encoder.ended.then(() => performance.now());
  const report = await checkLive(stream.playback.hls_url, {
    durationMs: (FIRST_S - 6) * 1000,
    sent: [first, second].map((flv) => sentFrames(readFlvTags(flv))),
    repeatedConfigRuns: [1],
    forbiddenWords: ['hostile', server.dataDir],
    serverPid: server.pid,
    offlineUrl: offline.playback.hls_url,
    async afterwards(mark) {
      mark('away', await leftAtMs);
      await delay(AWAY_MS); // this is how long the encoder is away
      const publisher = publishTags(readFlvTags(second), ingestUrl(stream), { chunkSize: 60_000, repeatConfig: true });
      await publisher.accepted;
      mark('back');
      await publisher.sent;
      await publisher.stop();
      mark('away');
    },
  });

  for (const id of report.passed)
    await t.test(
      `${id} ${report.says.get(id)}`,
      (s) => void (report.figures.has(id) && s.diagnostic(report.figures.get(id)!)),
    );
  for (const { id, why } of report.notApplicable)
    await t.test(`${id} ${report.says.get(id) ?? ''}`, { skip: why }, () => {});
  for (const { id, message } of report.failed) {
    await t.test(`${id} ${report.says.get(id)}`, () => {
      throw new Error(message);
    });
  }
  await t.test('no answer of the watch itself was an error', () => assert.deepEqual(report.problems, []));
  t.diagnostic(
    `${report.passed.length} of the numbered assertions hold, ${report.failed.length} do not, ${report.notApplicable.length} do not apply here`,
  );
});
