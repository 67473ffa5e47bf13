import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from '../../test/support/child.ts';
import { type LiveStream, startServer, type TestServer } from '../../test/support/server.ts';
import { pin, SERVER_CORE } from './measure.ts';

/** Our server in a process of its own on the server's core, with a new data folder. `env` adds settings. */
export async function startBenchServer(env: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const server = await startServer({ env: { LIVEAPI_LOG_LEVEL: 'warn', ...env } });
  pin(server.pid, SERVER_CORE);
  return server;
}

/** `count` live streams, made through the API. */
export async function createStreams(server: TestServer, count: number): Promise<LiveStream[]> {
  const streams: LiveStream[] = [];
  while (streams.length < count) streams.push(await server.createLiveStream());
  return streams;
}

/** A program beside this file, on the server's core; `flags` are Node's. It sends the port that it listens on. */
export async function startFloor(
  file: string,
  args: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<{ port: number; child: Child }> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = startChild(process.execPath, [...flags, path, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const ended = child.ended.then(() => {
    throw new Error(`${file} ended: ${child.stderr()}`);
  });
  const [port] = (await Promise.race([once(child.process, 'message'), ended])) as [number];
  ended.catch(() => {});
  pin(child.pid, SERVER_CORE);
  return { port, child };
}
