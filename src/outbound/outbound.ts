import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, monotonicMs } from '../base/index.ts';
import { AddressRules, type OwnListener, reachesOwn } from './address-rules.ts';
import { type OutboundKind, parseTarget, type Target, type TargetRules } from './destination.ts';
import { type Connect, dial } from './dial.ts';
import { HttpAgent, type HttpAnswer, type HttpRequest, type HttpStream } from './http-agent.ts';
import { createResolve, type Resolve } from './resolve.ts';

/** Where a URL leads, checked a moment ago. */
export interface Destination extends Target {
  /** Every address of the host; all of them may be connected to. */
  readonly addresses: readonly string[];
}

export interface OutboundOptions {
  /** The operator's networks in CIDR notation: may be connected to although they are not public. */
  readonly allow: readonly string[];
  /** May be connected to beside the usual ones. */
  readonly ports?: readonly number[];
  /** Whether webhooks may go over plain HTTP. */
  readonly allowHttpWebhooks?: boolean;
  /** Where this process itself can be reached: never connected to, whatever `allow` says. Asked each time. */
  readonly ownListeners: () => readonly OwnListener[];
  /** Where the outside reaches us, perhaps through a proxy that serves others as well: nothing is pulled from there. */
  readonly ownAddresses?: readonly OwnListener[];
  readonly resolve?: Resolve;
  readonly connect?: Connect;
  /** A connection that fails is told of no sooner (S38). Five seconds, which is what connecting may take at most. */
  readonly failureFloorMs?: number;
}

export interface RequestOptions extends HttpRequest {
  readonly kind: OutboundKind;
  /** From the start to the last byte of the answer. */
  readonly timeoutMs: number;
  /** Ends the request. */
  readonly signal?: AbortSignal;
}

export interface StreamOptions {
  readonly kind: 'pull' | 'download';
  readonly headers?: HttpRequest['headers'];
  /** From the start to the head of the answer, redirects included. */
  readonly timeoutMs: number;
  /** The longest pause in the body. */
  readonly idleMs: number;
  /** Ends the request, and the answer. */
  readonly signal?: AbortSignal;
}

/** The one way out. */
export interface Outbound {
  /**
   * Checks a URL as every connection does: form, scheme, port, and each address that its host has now (S32).
   * @throws CodedError destination_refused; its message may be shown to who gave the URL
   */
  check(url: string, kind: OutboundKind): Promise<Destination>;
  /**
   * One HTTP request to a checked address. Redirects are answers like others, but for downloads and pulls, which follow three (S34).
   * @throws CodedError destination_refused, or destination_unreachable in one wording for whatever kept a whole answer away
   */
  request(url: string, options: RequestOptions): Promise<HttpAnswer>;
  /**
   * A GET whose answer is read as it comes; follows redirects like `request`.
   * @throws CodedError destination_refused, destination_unreachable
   */
  stream(url: string, options: StreamOptions): Promise<HttpStream>;
  /**
   * A TCP connection for rtmp and rtsp, a TLS connection for rtmps; the caller owns it.
   * @throws CodedError destination_refused, destination_unreachable
   */
  connectTcp(
    url: string,
    kind: 'platform' | 'pull',
  ): Promise<{ readonly socket: Socket; readonly destination: Destination }>;
  /** Ends kept connections and requests under way. */
  close(): Promise<void>;
}

const MAX_REDIRECTS = 3;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const FAILURE_FLOOR_MS = 5000;
/** One wording for closed, filtered and silent ports, bad certificates and answers that are not HTTP (S38). */
export const UNREACHABLE = 'The destination could not be reached, or gave no complete answer in time.';
/** One wording for names that do not exist and names of private addresses. */
const NOT_PUBLIC = 'This server does not connect to that host: it must have public addresses, and no others.';

/** Makes the one way out. @throws CodedError config_invalid when `allow` holds what is no network */
export function createOutbound(options: OutboundOptions): Outbound {
  const addressRules = new AddressRules(options.allow);
  const targetRules: TargetRules = {
    ports: options.ports ?? [],
    allowHttpWebhooks: options.allowHttpWebhooks ?? false,
  };
  const { resolve = createResolve(), connect = dial, failureFloorMs = FAILURE_FLOOR_MS, ownAddresses = [] } = options;

  async function addressesOf({ host, port, isAddress }: Pick<Target, 'host' | 'port' | 'isAddress'>) {
    const addresses = isAddress ? [host] : await resolve(host).catch(() => []);
    const listeners = options.ownListeners();
    const bad = (address: string) => !addressRules.permits(address) || reachesOwn(listeners, host, address, port);
    // One bad address refuses them all: who answers with both kinds hopes that the wrong one is taken.
    if (addresses.length === 0 || addresses.some(bad)) throw new CodedError('destination_refused', NOT_PUBLIC);
    return addresses;
  }

  async function check(url: string, kind: OutboundKind): Promise<Destination> {
    const target = parseTarget(url, kind, targetRules);
    const addresses = await addressesOf(target);
    const { host, port } = target;
    if (kind === 'pull' && addresses.some((address) => reachesOwn(ownAddresses, host, address, port)))
      throw new CodedError('destination_refused', 'The URL leads back to this server: it cannot be its own source.');
    return { ...target, addresses };
  }

  // Looks the name up anew, checks what comes, and connects to that and nothing else (S33).
  const agent = new HttpAgent(async (target) => connect({ ...target, addresses: await addressesOf(target) }));

  async function reachable<T>(timeoutMs: number, attempt: () => Promise<T>, ended?: AbortSignal): Promise<T> {
    const startedMs = monotonicMs();
    try {
      return await attempt();
    } catch (error) {
      const refusal = [error, (error as Error).cause].find((reason) => reason instanceof CodedError);
      if (refusal) throw refusal;
      // Who has ended it himself learns nothing.
      const floorMs = ended?.aborted ? 0 : Math.min(failureFloorMs, timeoutMs);
      await delay(Math.max(0, floorMs - (monotonicMs() - startedMs)), null, { signal: ended }).catch(() => {});
      throw new CodedError('destination_unreachable', UNREACHABLE, { cause: error });
    }
  }

  /** Asks, and asks again where it is sent to: three times, by kinds that follow (S34). */
  async function following<Answer extends Pick<HttpAnswer, 'status' | 'headers'> & { close?(): void }>(
    url: string,
    kind: OutboundKind,
    ownHeaders: HttpRequest['headers'],
    ask: (destination: Destination, headers: HttpRequest['headers']) => Promise<Answer>,
  ): Promise<Answer & { readonly url: string }> {
    let [at, headers] = [url, ownHeaders];
    for (let redirects = 0; ; redirects++) {
      // Also when a kept connection will be used: the host may have moved to where nobody may go.
      const destination = await check(at, kind);
      if (!destination.scheme.startsWith('http'))
        throw new CodedError('destination_refused', 'The URL must begin with http:// or https://.');
      const answer = await ask(destination, headers);
      const { location } = answer.headers;
      const follows = kind === 'download' || kind === 'pull';
      if (!follows || !REDIRECTS.includes(answer.status) || typeof location !== 'string') return { ...answer, url: at };
      answer.close?.();
      if (redirects === MAX_REDIRECTS) throw new CodedError('destination_refused', 'There are too many redirects.');
      const next = URL.parse(location, at);
      if (!next) throw new CodedError('destination_refused', 'It redirects to what is no URL.');
      const before = new URL(at);
      // What was meant for one host is not for another.
      if (next.origin !== before.origin) headers = {};
      else if (!next.username) [next.username, next.password] = [before.username, before.password];
      at = next.href;
    }
  }

  return {
    check,

    async request(url, { kind, timeoutMs, signal: ended, ...request }) {
      const late = AbortSignal.timeout(timeoutMs);
      const signal = ended ? AbortSignal.any([ended, late]) : late;
      return following(url, kind, request.headers, (destination, headers) =>
        reachable(timeoutMs, () => agent.request(destination, { ...request, headers }, signal), ended),
      );
    },

    async stream(url, { kind, headers = {}, timeoutMs, idleMs, signal }) {
      // Lifted with the head: what follows may take as long as it likes.
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(new Error('no answer in time')), timeoutMs);
      const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
      try {
        return await following(url, kind, headers, (destination, kept) =>
          reachable(timeoutMs, () => agent.stream(destination, kept, { signal: either, idleMs }), signal),
        );
      } finally {
        clearTimeout(timer);
      }
    },

    async connectTcp(url, kind) {
      const destination = await check(url, kind);
      if (!/^rt[ms]ps?$/.test(destination.scheme))
        throw new CodedError('destination_refused', 'The URL must begin with rtmp://, rtmps:// or rtsp://.');
      const { host, addresses, port, scheme } = destination;
      const socket = await reachable(failureFloorMs, () => connect({ host, addresses, port, tls: scheme === 'rtmps' }));
      return { socket, destination };
    },

    close: () => agent.close(),
  };
}
