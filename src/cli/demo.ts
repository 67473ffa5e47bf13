import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApp } from '../app.ts';
import { createLogger, monotonicMs, newId } from '../base/index.ts';
import { createClient } from '../client/index.ts';
import type { Config } from '../config/index.ts';
import { FlvReader, type FlvTag } from '../formats/flv/index.ts';
import { ClientSession } from '../formats/rtmp/index.ts';
import { closeOnSignal } from './serve.ts';

/**
 * A server with everything in a temporary folder, one live stream created through its API, and the bundled clip published to
 * it over RTMP, round and round.
 */
export async function demo(settings: Config): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'liveapi-demo-'));
  const bootstrapToken = settings.bootstrapToken || `${newId()}:${randomBytes(32).toString('base64url')}`;
  const config: Config = { ...settings, dataDir, bootstrapToken };
  const log = createLogger(settings.logLevel === 'info' ? 'warn' : settings.logLevel);
  const removeData = () => rmSync(dataDir, { recursive: true, force: true });
  process.on('exit', removeData);
  const app = await startApp(config, log);
  const [tokenId = '', secret = ''] = bootstrapToken.split(':');
  const client = createClient({ baseUrl: `http://127.0.0.1:${app.httpPort}`, tokenId, secret });
  const stream = await client.liveStreams.create({ name: 'Demo' });
  const publisher = publishClip(app.rtmpPort, stream.ingest.key, (reason) =>
    log.warn({ reason }, 'the demo picture stopped'),
  );
  closeOnSignal(app, log, () => publisher.stop());
  await publisher.started;
  console.log(
    [
      '',
      'A test picture is live. Watch it:',
      '',
      `  In the browser  ${stream.playback.embed_url}`,
      `  As radio        ${stream.playback.embed_audio_url}`,
      `  VLC, any player ${stream.playback.hls_url}`,
      '',
      'Look at it, and stop it, through the API:',
      '',
      `  curl -u ${tokenId}:${secret} ${config.publicUrl}/live_streams/${stream._id}`,
      `  curl -X PATCH -u ${tokenId}:${secret} -H 'Content-Type: application/json' -d '{"enabled":false}' ${config.publicUrl}/live_streams/${stream._id}`,
      '',
      'Ctrl-C ends the demo; nothing of it is kept.',
      '',
    ].join('\n'),
  );
}

/** Publishes the bundled clip in real time with timestamps that go on rising, until it is stopped or cut. */
export function publishClip(
  port: number,
  key: string,
  ended: (reason: string) => void,
): { started: Promise<void>; stop(): void } {
  const clip = readClip();
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const stop = (reason?: string) => {
    if (stopped) return;
    stopped = true;
    clearTimeout(timer);
    socket.destroy();
    if (reason) ended(reason);
  };
  const started = new Promise<void>((resolve, reject) => {
    const session = new ClientSession(
      { app: 'static', tcUrl: `rtmp://127.0.0.1:${port}/static`, streamName: key },
      {
        send: (bytes) => socket.write(bytes),
        published: () => {
          const beginMs = monotonicMs();
          let sent = 0;
          const pump = () => {
            const dueMs = monotonicMs() - beginMs;
            for (;;) {
              const tag = clip.tags[sent % clip.tags.length]!;
              const round = Math.floor(sent / clip.tags.length);
              const timestampMs = round * clip.durationMs + tag.timestampMs;
              if (timestampMs > dueMs) break;
              if (tag.type === 'video') session.sendVideo(timestampMs, tag.body);
              else if (tag.type === 'audio') session.sendAudio(timestampMs, tag.body);
              sent++;
            }
            timer = setTimeout(pump, 5);
          };
          pump();
          resolve();
        },
        refused: (code, description) => {
          reject(new Error(`${code}: ${description}`));
          stop(description);
        },
      },
    );
    socket.on('connect', () => session.start());
    socket.on('data', (bytes) => session.receive(bytes));
    socket.on('error', (error) => {
      reject(error);
      stop(error.message);
    });
    socket.on('close', () => stop('the server closed the connection'));
  });
  return { started, stop: () => stop() };
}

function readClip(): { tags: FlvTag[]; durationMs: number } {
  const tags: FlvTag[] = [];
  const reader = new FlvReader((tag) => tags.push(tag));
  reader.push(readFileSync(new URL('./clip/demo.flv', import.meta.url)));
  const frames = tags.filter((tag) => tag.type === 'video' && tag.body[1] === 1);
  const first = frames[0]!.timestampMs;
  const last = frames.at(-1)!.timestampMs;
  return { tags, durationMs: Math.round(((last - first) * frames.length) / (frames.length - 1)) };
}
