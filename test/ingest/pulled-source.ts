import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import type { MakeSource, SourceEnd } from '../../src/ingest/pull/source.ts';
import { type Packet, toMs } from '../../src/media/index.ts';
import { createOutbound, type Outbound } from '../../src/outbound/index.ts';

/** What a source told until it ended. */
export interface Pulled {
  readonly packets: readonly Packet[];
  /** When each was released, by `performance.now()`. */
  readonly atMs: readonly number[];
  readonly unsupported: readonly string[];
  readonly bytes: number;
  /** Every URL that it asked the guard for, in their order. */
  readonly asked: readonly string[];
  readonly end: SourceEnd;
}

/** Pulls until the source ends, or until `enough` says so (then it is closed, and the end is one of our own making). */
export async function pull(
  makeSource: MakeSource,
  url: string,
  enough: (packets: readonly Packet[]) => boolean = () => false,
): Promise<Pulled> {
  const guard = createOutbound({ allow: ['127.0.0.0/8'], ownListeners: () => [], failureFloorMs: 0 });
  const asked: string[] = [];
  const outbound: Outbound = {
    ...guard,
    stream: (at, options) => {
      asked.push(at);
      return guard.stream(at, options);
    },
  };
  const packets: Packet[] = [];
  const atMs: number[] = [];
  const unsupported: string[] = [];
  let bytes = 0;
  const end = await new Promise<SourceEnd>((resolve) => {
    const source = makeSource(
      url,
      {
        packet: (packet) => {
          packets.push(packet);
          atMs.push(performance.now());
          if (!enough(packets)) return;
          source.close();
          resolve({ code: 'source_ended', message: 'closed by the test', permanent: false });
        },
        progress: (count) => {
          bytes += count;
        },
        unsupported: (kind, codec) => unsupported.push(`${kind} ${codec}`),
        metadata: () => {},
        ended: resolve,
      },
      { outbound, log: createLogger('silent') },
    );
    source.start();
  });
  await guard.close();
  return { packets, atMs, unsupported, bytes, asked, end };
}

/** How far ahead of the clock the earliest packet was released, in ms: 0 when none came before its time. */
export function earliness({ packets, atMs }: Pick<Pulled, 'packets' | 'atMs'>): number {
  const first = toMs(packets[0]!.dts, packets[0]!.track.timescale);
  return packets.reduce(
    (most, { dts, track }, index) => Math.max(most, toMs(dts, track.timescale) - first - (atMs[index]! - atMs[0]!)),
    0,
  );
}

/** A web server on a free port, closed with the test that made it. The handler returns the body, or null when it has answered itself. */
export async function serve(
  handle: (path: string, request: IncomingMessage, response: ServerResponse) => Buffer | string | null,
): Promise<{ readonly url: string; readonly asked: string[]; close(): Promise<void> }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url!);
    const body = handle(request.url!, request, response);
    if (body !== null) response.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    if (!server.listening) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  after(close);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close,
  };
}
