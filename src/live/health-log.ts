import type { Broadcast } from './broadcast.ts';
import type { AdviceSeverity, BroadcastEvent } from './ports.ts';
import { SampleSeries } from './sample-series.ts';

/** Something that happened while on air and may last. Times are milliseconds since 1970. */
export interface HealthMoment {
  readonly atMs: number;
  /** Of the advice; or `encoder_away`, `encoder_switched`. */
  readonly code: string;
  readonly severity: AdviceSeverity;
  readonly message: string;
  /** When it was over; null while it lasts. */
  readonly clearedMs: number | null;
}

/** How a live stream's broadcast has fared so far, or its last one. */
export interface HealthReport {
  readonly broadcastId: string;
  readonly startedMs: number;
  readonly endedMs: number | null;
  readonly samples: SampleSeries;
  readonly moments: readonly HealthMoment[];
}

export interface HealthLogOptions {
  /** What is on air now. */
  broadcasts(): Iterable<Broadcast>;
  /** How many watch what plays under this id now. */
  viewers(playbackId: string): number;
}

const SAMPLE_S = 2;
const MAX_MOMENTS = 200;
/** Broadcasts that are over and still known, of all live streams; 20 kB each. */
const MAX_ENDED = 500;

interface Session {
  readonly broadcastId: string;
  readonly startedMs: number;
  endedMs: number | null;
  /** Since when its encoder is there, or away. */
  sinceMs: number;
  dropped: number;
  readonly samples: SampleSeries;
  readonly moments: HealthMoment[];
}

/** Remembers how the running and the last broadcast of each live stream fared: looks at the counters every two seconds, and at nothing else. */
export class HealthLog {
  readonly #options: HealthLogOptions;
  /** By live stream: those that are on air, and those that ended last, which are in the order of their ends. */
  readonly #onAir = new Map<string, Session>();
  readonly #ended = new Map<string, Session>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: HealthLogOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.sample(), SAMPLE_S * 1000).unref();
  }

  /** To be told of everything that happens on air. */
  note(event: BroadcastEvent): void {
    const { liveStreamId, broadcastId, atMs } = event;
    if (event.kind === 'connected' && event.first) {
      this.#ended.delete(liveStreamId);
      const samples = new SampleSeries(SAMPLE_S);
      const times = { startedMs: atMs, sinceMs: atMs, endedMs: null };
      this.#onAir.set(liveStreamId, { broadcastId, ...times, dropped: 0, samples, moments: [] });
      return;
    }
    const session = this.#onAir.get(liveStreamId);
    if (session?.broadcastId !== broadcastId) return;
    if (event.kind === 'connected') {
      session.sinceMs = atMs;
      clear(session, 'encoder_away', atMs);
    } else if (event.kind === 'reconnecting') {
      session.sinceMs = atMs;
      raise(session, { atMs, code: 'encoder_away', severity: 'warning', message: 'The encoder was away.' });
    } else if (event.kind === 'publisher_switched') {
      const message = event.active === 'backup' ? 'The backup encoder took over.' : 'The primary encoder is back.';
      raise(session, { atMs, code: 'encoder_switched', severity: 'info', message }, atMs);
    } else if (event.kind === 'warning') {
      const { code, severity, message } = event;
      if (event.raised) raise(session, { atMs, code, severity, message });
      else clear(session, code, atMs);
    } else if (event.kind === 'disconnected') this.#end(liveStreamId, session, atMs);
  }

  /** Null when it was not on air since the start, or long ago. */
  report(liveStreamId: string): HealthReport | null {
    return this.#onAir.get(liveStreamId) ?? this.#ended.get(liveStreamId) ?? null;
  }

  /** Since when its encoder is there, or is waited for; null when it is not on air. Milliseconds since 1970. */
  sinceMs(liveStreamId: string): number | null {
    return this.#onAir.get(liveStreamId)?.sinceMs ?? null;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Looks at all broadcasts: every two seconds. */
  sample(nowMs = Date.now()): void {
    for (const broadcast of this.#options.broadcasts()) {
      const { liveStreamId, playbackId } = broadcast.authorisation;
      const session = this.#onAir.get(liveStreamId);
      if (session?.broadcastId !== broadcast.id) continue;
      const { dropped } = broadcast;
      session.samples.add({
        at: Math.round(nowMs / 1000),
        ...broadcast.measure(SAMPLE_S),
        dropped: dropped - session.dropped,
        viewers: this.#options.viewers(playbackId),
      });
      session.dropped = dropped;
    }
  }

  #end(liveStreamId: string, session: Session, atMs: number): void {
    session.endedMs = atMs;
    for (const { code, clearedMs } of [...session.moments]) if (clearedMs === null) clear(session, code, atMs);
    this.#onAir.delete(liveStreamId);
    this.#ended.set(liveStreamId, session);
    if (this.#ended.size > MAX_ENDED) this.#ended.delete(this.#ended.keys().next().value!);
  }
}

function raise({ moments }: Session, moment: Omit<HealthMoment, 'clearedMs'>, clearedMs: number | null = null): void {
  moments.push({ ...moment, clearedMs });
  if (moments.length > MAX_MOMENTS) moments.shift();
}

function clear({ moments }: Session, code: string, atMs: number): void {
  const at = moments.findLastIndex((moment) => moment.code === code && moment.clearedMs === null);
  if (at >= 0) moments[at] = { ...moments[at]!, clearedMs: atMs };
}
