// hls.js on its own, with its settings as they come: what the embedded player does better must not hide what the wire does wrong.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';
import { makeFlv } from '../support/encoder.ts';
import { type FlvTag, readFlvTags } from '../support/flv-frames.ts';
import { ingestUrl, startServer, type TestServer } from '../support/server.ts';
import { publishTags } from '../support/session-publisher.ts';
import { until } from '../support/until.ts';

const script = readFileSync(fileURLToPath(new URL('../../node_modules/hls.js/dist/hls.min.js', import.meta.url)));
const html = `<!doctype html><title>hls.js</title><video muted autoplay></video><script src="/hls.js"></script><script>
  const parameters = new URLSearchParams(location.search);
  window.seen = { fatal: [], parts: [], fragments: [] };
  const hls = new Hls(JSON.parse(parameters.get('config')));
  hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) seen.fatal.push(data.details); });
  hls.on(Hls.Events.FRAG_LOADED, (_, { frag, part }) => (part ? seen.parts.push([frag.sn, part.index]) : seen.fragments.push(frag.sn)));
  hls.loadSource(parameters.get('src'));
  hls.attachMedia(document.querySelector('video'));
</script>`;

interface Seen {
  readonly fatal: readonly string[];
  readonly parts: readonly (readonly [number, number])[];
  readonly fragments: readonly number[];
}

suite('hls.js', { concurrency: true, timeout: 120_000 }, () => {
  let server: TestServer;
  let pages: Server;
  let browser: Browser;
  let tags: FlvTag[];
  let otherTags: FlvTag[];
  before(async () => {
    const audio = { rate: 48_000, channels: 2 } as const;
    tags = readFlvTags(await makeFlv({ seconds: 10, video: { size: '320x180', kbps: 300, gopS: 1 }, audio }));
    otherTags = readFlvTags(
      await makeFlv({ seconds: 10, video: { size: '384x216', kbps: 300, gopS: 1, bFrames: 2 }, audio }),
    );
    server = await startServer();
    pages = createServer((request, response) => {
      const isScript = request.url === '/hls.js';
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
      response.end(isScript ? script : html);
    });
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    pages.close();
    pages.closeAllConnections();
    await server.close();
  });

  const play = async (src: string, config: object): Promise<Page> => {
    const page = await browser.newPage({ viewport: { width: 400, height: 300 } });
    await page.goto(
      `http://127.0.0.1:${(pages.address() as AddressInfo).port}/?${new URLSearchParams({ src, config: JSON.stringify(config) })}`,
    );
    return page;
  };
  const seen = (page: Page) => page.evaluate<Seen>('window.seen');
  const position = (page: Page) => page.evaluate<number>("document.querySelector('video').currentTime");
  const begins = (page: Page) => until('playback', 30_000, () => position(page));
  /** How many seconds of media play in `forMs`. */
  const progress = async (page: Page, forMs: number): Promise<number> => {
    const from = await position(page);
    await delay(forMs); // playing is what it does meanwhile
    return (await position(page)) - from;
  };
  const onAir = async (playlist: string) =>
    until('the stream is on air', 15_000, async () => (await fetch(playlist)).ok);

  test('F16 H55 with low latency off it keeps playing', async (t) => {
    const stream = await server.createLiveStream();
    const publisher = publishTags(tags, ingestUrl(stream), { loop: true });
    t.after(() => publisher.stop());
    await onAir(stream.playback.hls_url);
    const page = await play(stream.playback.hls_url, { lowLatencyMode: false });
    await begins(page);
    const played = await progress(page, 10_000);
    assert.ok(played > 8.5, `${played} s in 10 s`);
    const { fatal, parts, fragments } = await seen(page);
    assert.deepEqual([fatal, parts], [[], []]);
    assert.ok(
      fragments.every((sn, index) => index === 0 || sn === fragments[index - 1]! + 1),
      `${fragments}`,
    );
  });

  test('H56 with low latency on, every part is fetched, in order, and none twice', async (t) => {
    const stream = await server.createLiveStream();
    const publisher = publishTags(tags, ingestUrl(stream), { loop: true });
    t.after(() => publisher.stop());
    await onAir(stream.playback.hls_url);
    const page = await play(stream.playback.hls_url, { lowLatencyMode: true });
    await begins(page);
    const played = await progress(page, 10_000);
    assert.ok(played > 8.5, `${played} s in 10 s`);
    const { fatal, parts } = await seen(page);
    assert.deepEqual(fatal, []);
    assert.ok(parts.length > 20, `${parts.length} parts`);
    // Segments of two seconds have six parts, or more, the first of a broadcast three: a player that is quick begins with that one.
    // The next part is the next of the same segment or the first of the next.
    const follows = ([sn, index]: readonly [number, number], [before, last]: readonly [number, number]): boolean =>
      sn === before
        ? index === last + 1
        : sn === before + 1 && index === 0 && last >= (before === parts[0]![0] ? 2 : 5);
    assert.ok(
      parts.slice(1).every((part, index) => follows(part, parts[index]!)),
      JSON.stringify(parts),
    );
  });

  test('H57 ten returns of the encoder in one session: no fatal error', async (t) => {
    const stream = await server.createLiveStream();
    let publisher = publishTags(tags, ingestUrl(stream), { loop: true });
    t.after(() => publisher.stop());
    await onAir(stream.playback.hls_url);
    const page = await play(stream.playback.hls_url, { lowLatencyMode: true });
    await begins(page);
    for (let round = 0; round < 10; round++) {
      await delay(2500); // a short stretch of media
      await publisher.stop();
      // Every other time the configuration is another one.
      publisher = publishTags(round % 2 === 0 ? otherTags : tags, ingestUrl(stream), { loop: true });
      await publisher.accepted;
    }
    await delay(3000); // the player reaches the last run
    const played = await progress(page, 4000);
    assert.deepEqual((await seen(page)).fatal, []);
    assert.ok(played > 3, `${played} s in 4 s after the last return`);
  });
});
