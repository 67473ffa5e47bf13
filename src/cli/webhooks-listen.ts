import { randomBytes, randomUUID } from 'node:crypto';
import type { Client } from '../client/index.ts';
import { EVENTS, type Event, type EventName, exampleOf } from '../contract/index.ts';
import { signatureHeaders } from '../webhooks/index.ts';
import { UsageError } from './api-options.ts';
import { sayTrouble } from './events.ts';
import { text } from './output.ts';

export interface ForwardOptions {
  readonly forward: string;
  readonly secret?: string | undefined;
  readonly json?: boolean | undefined;
}

export interface ListenOptions extends ForwardOptions {
  readonly events?: EventName[];
  readonly liveStream?: string;
  readonly after?: number;
}

/** As long as the server waits for an endpoint's answer. */
const ANSWER_MS = 15_000;
const POLL_MS = 500;

/**
 * Posts every event from now on to an address of the caller's machine, signed as real deliveries are, one after the other in order,
 * and prints a line for each. Needs no public address: it asks the server for events by their numbers, so a lost connection leaves no gap.
 */
export async function listen(client: Client, options: ListenOptions): Promise<void> {
  const forward = forwarder(options);
  const { events, liveStream: live_stream, after } = options;
  for await (const event of client.events.follow({ after, live_stream, pollMs: POLL_MS, onTrouble: sayTrouble }))
    if (!events || events.includes(event.event)) await forward(event);
}

/** Posts one example of an event to an address of the caller's machine. No server is asked. */
export async function triggerLocally(name: EventName, options: ForwardOptions): Promise<void> {
  const delivered = await forwarder(options)({
    event: name,
    payload: exampleOf(EVENTS[name].payload) as object,
    id: `test_${randomUUID()}`,
    sequence: null,
    number: 0,
    created_at: new Date().toISOString(),
    test: true,
  });
  if (!delivered) process.exitCode = 1;
}

/** Makes a function that posts an event and says what became of it; true for an answer of 2xx. */
function forwarder({ forward, secret: given, json }: ForwardOptions): (event: Event) => Promise<boolean> {
  const secret = given ?? `whsec_${randomBytes(32).toString('base64')}`;
  if (!/^whsec_[A-Za-z0-9+/]{8,}={0,2}$/.test(secret)) throw new UsageError('A secret is whsec_ and base64.');
  const address = URL.canParse(forward) ? new URL(forward) : null;
  if (!address || !/^https?:$/.test(address.protocol))
    throw new UsageError(`${forward} is not an address: write it as http://localhost:3000/hook.`);
  if (!given) console.error(`Signing with ${secret}`);
  return async (event) => {
    const body = JSON.stringify(event);
    const signature = signatureHeaders({ id: event.id, body, secrets: [secret] }, Date.now());
    const started = performance.now();
    const { status, error } = await post(address, body, { ...signature, 'content-type': 'application/json' });
    const ms = Math.round(performance.now() - started);
    const { number, event: name, id } = event;
    if (json) console.log(JSON.stringify({ number, event: name, id, status, error, ms }));
    else console.log(`${number}  ${name}  ${status ?? text(error)}  ${ms} ms`);
    return status !== null && status >= 200 && status < 300;
  };
}

async function post(
  address: URL,
  body: string,
  headers: Record<string, string>,
): Promise<{ status: number | null; error: string | null }> {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const answer = await fetch(address, { method: 'POST', body, headers, redirect: 'manual', signal });
    await answer.body?.cancel();
    return { status: answer.status, error: null };
  } catch (error) {
    const { cause } = error as Error;
    return { status: null, error: cause instanceof Error ? cause.message || cause.name : (error as Error).message };
  }
}
