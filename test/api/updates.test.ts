import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import type { Event, LiveState } from '../../src/contract/index.ts';
import { until } from '../support/until.ts';
import { type Api, Browser, setUp, tokenOf } from './people.ts';
import { FakeLive, startApi } from './start-api.ts';

let api: Api;
let owner: Browser;
before(async () => {
  api = await startApi();
  owner = await setUp(api);
});
after(async () => {
  await api.stop();
  api.remove();
});

/** What an answer of GET /updates has said so far. */
class Followed {
  readonly status: number;
  readonly type: string | null;
  readonly live: LiveState[][] = [];
  readonly entries: Event[] = [];
  readonly ids: string[] = [];
  text = '';
  ended = false;
  readonly #stop: AbortController;

  constructor(answer: Response, stop: AbortController) {
    this.status = answer.status;
    this.type = answer.headers.get('content-type');
    this.#stop = stop;
    void this.#read(answer)
      .catch(() => {})
      .finally(() => {
        this.ended = true;
      });
  }

  async #read(answer: Response): Promise<void> {
    let rest = '';
    for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
      this.text += chunk;
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop()!;
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
        if (field('event') === 'live') this.live.push(JSON.parse(field('data')!).live_streams);
        if (field('event') === 'entry') this.entries.push(JSON.parse(field('data')!));
        if (field('id')) this.ids.push(field('id')!);
      }
    }
  }

  stop(): void {
    this.#stop.abort();
  }
}

async function follow(query = '', headers: Record<string, string> = { authorization: api.authorization }) {
  const stop = new AbortController();
  return new Followed(await fetch(`${api.baseUrl}/updates${query}`, { headers, signal: stop.signal }), stop);
}

test('updates: events as they are written, from a number on, live streams as they stand, of one environment', async () => {
  const { _id } = await api.client.liveStreams.create({ name: 'one' });
  await api.client.liveStreams.create({ name: 'two' });
  // What there is now, and no more.
  const now = await follow('?after=0&for_s=0');
  await until('the answer ends', 5000, () => now.ended);
  assert.equal(now.type, 'text/event-stream');
  assert.deepEqual(now.live, [[]]);
  assert.ok(now.entries.length >= 2, now.text);
  assert.deepEqual(
    now.entries.map(({ number }) => number),
    now.entries.map((_, i) => i + 1),
  );
  assert.deepEqual(
    now.ids,
    now.entries.map(({ number }) => String(number)),
  );
  const newest = now.entries.at(-1)!.number;
  const [shown] = (await api.call('GET', '/events?limit=1')).body.docs;
  assert.deepEqual(now.entries.at(-1), shown, 'as GET /events shows it');

  // The same environment by a session, from the last number but one; the other one by a token of its own.
  const [person, other] = await Promise.all([
    follow('', { ...owner.headers(), 'last-event-id': String(newest - 1) }),
    follow('?after=0', await tokenOf(await developmentOf(owner), 'development', 'member')),
  ]);
  await until('the session has caught up', 5000, () => person.entries.length === 1);
  await api.client.liveStreams.create({ name: 'three' });
  api.live.online.add(_id);
  await until('both are told', 10_000, () => person.entries.length === 2 && person.live.length >= 2);
  assert.deepEqual(person.ids, [String(newest), String(newest + 1)]);
  const [state] = person.live.at(-1)!;
  assert.deepEqual(state, {
    _id,
    broadcasting_status: 'online',
    state: 'live',
    since: new Date(1000).toISOString(),
    viewers: 3,
    bitrate_kbps: 2500,
    advice: [],
    platforms: [],
    pull: null,
  });
  // Who comes now is told at once what is on air; nothing is told again that has not changed.
  const late = await follow();
  await until('the first states come', 5000, () => late.live.length === 1);
  assert.deepEqual(late.live, [[state]]);
  api.live.online.delete(_id);
  await until('the end is told', 10_000, () => late.live.length >= 2 && person.live.length >= 3);
  assert.deepEqual(
    [late.live.at(-1)![0]!.state, late.live.at(-1)![0]!.since, person.live.at(-1)!.length],
    ['offline', null, 1],
  );
  assert.ok(!/three|"one"/.test(other.text) && other.live.flat().length === 0, other.text);
  for (const one of [person, other, late]) one.stop();
});

test('updates: twenty for one token; a right that ends, ends the answer; who takes nothing is left', async () => {
  const slow = endsForSlowReaders();
  const headers = await tokenOf(owner, 'production', 'member');
  const all = await Promise.all(Array.from({ length: 20 }, () => follow('', headers)));
  assert.ok(all.every(({ status }) => status === 200));
  assert.equal((await follow('', headers)).status, 429);
  all[0]!.stop();
  await until('a place is free', 5000, async () => {
    const again = await follow('', headers);
    all.push(again);
    return again.status === 200;
  });
  const { docs } = await owner.ok('GET', '/access_tokens');
  const id = Buffer.from(headers.authorization!.slice(6), 'base64').toString().split(':')[0];
  assert.ok(docs.some((doc: { _id: string }) => doc._id === id));
  await owner.ok('DELETE', `/access_tokens/${id}`);
  await until('nobody is told any more', 20_000, () => all.slice(1, 20).every(({ ended }) => ended), 200);
  await slow;
});

async function endsForSlowReaders(): Promise<void> {
  const { hostname, port } = new URL(api.baseUrl);
  const accepted = once(api.app.server, 'connection');
  const socket = connect(Number(port), hostname).pause();
  const [connection] = (await accepted) as [Socket];
  // What is on air is much and changes with every look: the system's buffers fill, and nothing but the bound ends it.
  const advice = Array.from({ length: 10_000 }, (_, i) => {
    return { code: 'no_audio', severity: 'info', message: `${i} ${'x'.repeat(300)}`, sinceMs: i } as const;
  });
  // Where nobody else listens.
  const development = await developmentOf(owner);
  const { authorization } = await tokenOf(development, 'development', 'member');
  const { _id } = await development.ok('POST', '/live_streams', { name: 'much' });
  let looks = 0;
  api.live.online.add(_id);
  api.live.onAir = () => ({ online: true, sinceMs: 0, viewers: looks++, bitrate: 0, advice });
  socket.write(`GET /updates HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`);
  await until('it is left', 30_000, () => connection.destroyed, 200);
  assert.ok(looks > 1);
  api.live.onAir = FakeLive.prototype.onAir;
  api.live.online.delete(_id);
  socket.destroy();
}

async function developmentOf({ cookie }: Browser): Promise<Browser> {
  const other = await new Browser(api).use(cookie);
  other.environment = 'development';
  return other;
}
