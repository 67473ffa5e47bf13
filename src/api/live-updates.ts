import { PassThrough, type Readable } from 'node:stream';
import { CodedError, isoTime, type Logger } from '../base/index.ts';
import type { Event, LiveState, UpdatesQuery } from '../contract/index.ts';
import type { Advice, PlatformStatus, PullStatus } from '../live/index.ts';
import type { Principal, Scope, Store } from '../store/index.ts';
import { toPlatformStatus, toPullingStatus } from './to-live-stream.ts';

/** A live stream that is on air now. */
export interface OnAirState {
  /** Its encoder is connected. */
  readonly online: boolean;
  /** Since when it is, or is not; milliseconds since 1970. */
  readonly sinceMs: number;
  readonly viewers: number;
  /** kbit/s. */
  readonly bitrate: number;
  readonly advice: readonly Advice[];
}

/** What the updates ask of what is on air. */
export interface UpdatesPort {
  onAirIds(): Iterable<string>;
  /** Null when it is not on air. */
  onAir(liveStreamId: string): OnAirState | null;
  /** Of live streams that are to be pulled. */
  pulled(): Iterable<string>;
  platformStatuses(liveStreamId: string): readonly PlatformStatus[];
  pullStatus(liveStreamId: string): PullStatus | null;
}

const TICK_MS = 1000;
/** Live streams are looked at with every second tick. */
const STATES_EVERY = 2;
/** Proxies give up on what is silent for long; so does our own server after 15 s. */
const SIGN_MS = 5000;
const MAX_PER_PERSON = 20;
const MAX_PER_ORGANIZATION = 200;
const MAX_CONNECTIONS = 2000;
/** What may wait for one connection to take it. */
const MAX_WAITING_BYTES = 1 << 20;
const PAGE = 100;

/** Everybody who follows one environment. */
interface Feed {
  readonly scope: Scope;
  readonly followers: Set<Follower>;
  /** The number of the newest event that was looked at. */
  last: number;
  /** What was told last of each live stream, as JSON. */
  readonly told: Map<string, string>;
}

interface Follower {
  readonly stream: PassThrough;
  readonly person: string;
  readonly organizationId: string;
  /** The number of the newest event that it was told. */
  last: number;
}

/**
 * Tells those who follow environments what happens there: events as they are written, and how live streams stand. Asks the database once
 * a second for the environments' newest numbers, for all of them together, and only while somebody follows.
 */
export class LiveUpdates {
  readonly #store: Pick<Store, 'updates'>;
  readonly #live: UpdatesPort;
  readonly #log: Logger;
  readonly #feeds = new Map<string, Feed>();
  readonly #followers = new Set<Follower>();
  /** Where live streams on air are; null for one that is in no database. */
  #scopes = new Map<string, Scope | null>();
  #timer: NodeJS.Timeout | null = null;
  #ticks = 0;
  #ticking = false;
  #failing = false;

  constructor(store: Pick<Store, 'updates'>, live: UpdatesPort, log: Logger) {
    this.#store = store;
    this.#live = live;
    this.#log = log;
  }

  /**
   * What happens in the principal's environment from now on, or from the event after `after` on, as server-sent events. `mayStill` is
   * asked again and again: the answer ends with the right to it. @throws CodedError too_many_requests, store_unavailable
   */
  async follow(
    principal: Principal,
    { after, for_s: forS }: UpdatesQuery,
    mayStill: () => Promise<boolean>,
  ): Promise<Readable> {
    const { organizationId, environment } = principal;
    const scope = { organizationId, environment };
    const stream = new PassThrough();
    const follower = { stream, person: principal.tokenId ?? principal.userId, organizationId, last: 0 };
    this.#admit(follower);
    try {
      const [newest = 0] = await this.#store.updates.lastNumbers([scope]);
      follower.last = Math.min(after ?? newest, newest);
      const key = keyOf(scope);
      const states = (await this.#statesIn(new Set([key]))).get(key)!;
      send(follower, `retry: 3000\n${message('live', `{"live_streams":[${[...states.values()]}]}`)}`);
      void this.#begin(follower, scope, states, forS === 0);
    } catch (error) {
      stream.destroy();
      throw error;
    }
    const sign = setInterval(() => {
      send(follower, ':\n\n');
      // What cannot be known now is asked again with the next sign.
      mayStill().then(
        (may) => void (may || stream.end()),
        () => {},
      );
    }, SIGN_MS).unref();
    const end = forS ? setTimeout(() => stream.end(), forS * 1000).unref() : undefined;
    stream.once('close', () => {
      clearInterval(sign);
      clearTimeout(end);
    });
    return stream;
  }

  /** Ends all answers. */
  close(): void {
    for (const { stream } of this.#followers) stream.end();
  }

  #admit(follower: Follower): void {
    let [ofPerson, ofOrganization] = [0, 0];
    for (const other of this.#followers) {
      if (other.person === follower.person) ofPerson++;
      if (other.organizationId === follower.organizationId) ofOrganization++;
    }
    if (ofPerson >= MAX_PER_PERSON)
      throw new CodedError('too_many_requests', `${MAX_PER_PERSON} of these at a time are allowed: end one first.`);
    if (ofOrganization >= MAX_PER_ORGANIZATION || this.#followers.size >= MAX_CONNECTIONS)
      throw new CodedError('too_many_requests', 'Too many follow the updates at the same time: try again later.');
    this.#followers.add(follower);
    follower.stream.once('close', () => this.#leave(follower));
    // The connection broke: there is nobody left to tell.
    follower.stream.on('error', () => {});
  }

  #leave(follower: Follower): void {
    this.#followers.delete(follower);
    for (const [key, { followers }] of this.#feeds)
      if (followers.delete(follower) && followers.size === 0) this.#feeds.delete(key);
    if (this.#feeds.size > 0 || !this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Tells the events that there are; then the follower gets what its environment's feed tells, or that was all (`once`). */
  async #begin(follower: Follower, scope: Scope, states: Map<string, string>, once: boolean): Promise<void> {
    const { stream } = follower;
    const key = keyOf(scope);
    try {
      for (;;) {
        const more = await this.#readEvents(scope, follower.last);
        if (stream.destroyed) return;
        for (const event of more.events) tell(follower, event);
        if (stream.writableNeedDrain) await drained(stream);
        if (!more.all) continue;
        follower.last = Math.max(follower.last, more.last);
        if (once) return void stream.end();
        const feed = this.#feeds.get(key) ?? { scope, followers: new Set(), last: follower.last, told: new Map() };
        if (follower.last < feed.last) continue;
        if (stream.destroyed) return;
        // What this one was told and is gone by the next look has to be told as gone.
        // What has changed meanwhile was told to the others only.
        for (const id of new Set([...states.keys(), ...feed.told.keys()]))
          if (feed.told.get(id) !== states.get(id)) feed.told.set(id, '');
        feed.followers.add(follower);
        this.#feeds.set(key, feed);
        this.#timer ??= setInterval(() => void this.#tick(), TICK_MS).unref();
        return;
      }
    } catch {
      // The database is away: a client comes again, and says from where on.
      stream.destroy();
    }
  }

  /** The events after a number, and up to which number these are all; `all`: for now. */
  async #readEvents(scope: Scope, after: number) {
    const { events, lastNumber } = await this.#store.updates.eventsAfter(scope, after, PAGE);
    const all = events.length < PAGE;
    // A number that was counted and has no event was forgotten.
    return { events, all, last: Math.max(events.at(-1)?.number ?? after, all ? lastNumber : after) };
  }

  async #tick(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      await this.#tellEvents();
      if (++this.#ticks % STATES_EVERY === 0) await this.#tellStates();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#log.warn({ reason: (error as Error).message }, 'updates: cannot be read for now');
      this.#failing = true;
    } finally {
      this.#ticking = false;
    }
  }

  async #tellEvents(): Promise<void> {
    const feeds = [...this.#feeds.values()];
    const newest = await this.#store.updates.lastNumbers(feeds.map(({ scope }) => scope));
    for (const [i, feed] of feeds.entries()) {
      if (newest[i]! <= feed.last) continue;
      const { events, last } = await this.#readEvents(feed.scope, feed.last);
      feed.last = last;
      for (const follower of feed.followers) for (const event of events) tell(follower, event);
    }
  }

  async #tellStates(): Promise<void> {
    const feeds = new Map(this.#feeds);
    const statesOf = await this.#statesIn(new Set(feeds.keys()));
    for (const [key, feed] of feeds) {
      const states = statesOf.get(key)!;
      const changed: string[] = [];
      for (const [id, json] of states) if (feed.told.get(id) !== json) changed.push(json);
      for (const id of feed.told.keys()) if (!states.has(id)) changed.push(JSON.stringify(this.#stateOf(id, null)));
      feed.told.clear();
      for (const [id, json] of states) feed.told.set(id, json);
      if (changed.length === 0) continue;
      const text = message('live', `{"live_streams":[${changed}]}`);
      for (const follower of feed.followers) send(follower, text);
    }
  }

  /** How each live stream that is on air or pulled stands, as JSON, by environment: one look for all that are asked about. */
  async #statesIn(keys: ReadonlySet<string>): Promise<Map<string, Map<string, string>>> {
    const ids = [...new Set([...this.#live.pulled(), ...this.#live.onAirIds()])];
    // Another look may replace it while this one waits.
    const known = this.#scopes;
    const unknown = ids.filter((id) => !known.has(id));
    const found = unknown.length > 0 ? await this.#store.updates.scopesOf(unknown) : new Map<string, Scope>();
    // Those that are gone are forgotten.
    this.#scopes = new Map(ids.map((id) => [id, known.get(id) ?? found.get(id) ?? null]));
    const states = new Map([...keys].map((key) => [key, new Map<string, string>()]));
    for (const id of ids) {
      const scope = this.#scopes.get(id);
      const its = scope && states.get(keyOf(scope));
      if (its) its.set(id, JSON.stringify(this.#stateOf(id, this.#live.onAir(id))));
    }
    return states;
  }

  #stateOf(id: string, onAir: OnAirState | null): LiveState {
    const pull = this.#live.pullStatus(id);
    return {
      _id: id,
      broadcasting_status: onAir?.online ? 'online' : 'offline',
      state: onAir ? (onAir.online ? 'live' : 'reconnecting') : 'offline',
      since: onAir && isoTime(onAir.sinceMs),
      viewers: onAir?.viewers ?? 0,
      bitrate_kbps: Math.round(onAir?.bitrate ?? 0),
      advice: (onAir?.advice ?? []).map(({ code, severity, message, sinceMs }) => {
        return { code, severity, message, since: isoTime(sinceMs) };
      }),
      platforms: this.#live.platformStatuses(id).map((status) => {
        return { _id: status.platformId, ...toPlatformStatus(status) };
      }),
      pull: pull && toPullingStatus(pull),
    };
  }
}

const keyOf = ({ organizationId, environment }: Scope): string => `${organizationId}/${environment}`;

const message = (name: string, data: string): string => `event: ${name}\ndata: ${data}\n\n`;

function tell(follower: Follower, event: Event): void {
  if (event.number <= follower.last) return;
  follower.last = event.number;
  send(follower, `id: ${event.number}\n${message('entry', JSON.stringify(event))}`);
}

/** One that does not take what it is sent is left: it comes again, and says from where on. */
function send({ stream }: Follower, text: string): void {
  if (stream.destroyed || stream.writableEnded) return;
  if (stream.writableLength + stream.readableLength > MAX_WAITING_BYTES) stream.destroy();
  else stream.write(text);
}

const drained = (stream: PassThrough) =>
  new Promise<void>((resolve) => {
    stream.once('drain', resolve).once('close', resolve);
  });
