import { Counter, Histogram, Registry } from 'prom-client';
import { addProcessMetrics } from './process.ts';
import { addLiveStreams, addReadings, type LiveStreamReading, type Readings } from './readings.ts';

export interface MetricsOptions {
  /** Reads the rooms' counters: called once for each text. */
  readonly read: () => Readings;
  /** Where each live stream on air gets series of its own. */
  readonly readLiveStreams?: () => Iterable<LiveStreamReading>;
}

const API_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
const STORE_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2];

/** Everything that is measured, as Prometheus reads it. Names by its conventions: `liveapi_`, base units, `_total`. */
export class Metrics {
  readonly contentType: string;
  readonly #registry = new Registry();
  readonly #stopProcess: () => void;
  /** Each brings what it tells up to date. */
  readonly #updates: (() => void)[] = [];
  readonly #requests: Histogram<'method' | 'route' | 'status'>;
  readonly #deliveries: Counter<'outcome'>;
  readonly #queries: Histogram<'outcome'>;

  constructor({ read, readLiveStreams }: MetricsOptions) {
    const registers = [this.#registry];
    this.contentType = this.#registry.contentType;
    this.#stopProcess = addProcessMetrics(this.#registry);
    this.#requests = new Histogram({
      name: 'liveapi_api_request_duration_seconds',
      help: 'API requests by route and status.',
      labelNames: ['method', 'route', 'status'],
      buckets: API_SECONDS,
      registers,
    });
    this.#deliveries = new Counter({
      name: 'liveapi_webhook_attempts_total',
      help: 'Attempts to deliver a webhook by outcome: delivered, retry, dead.',
      labelNames: ['outcome'],
      registers,
    });
    this.#queries = new Histogram({
      name: 'liveapi_store_query_duration_seconds',
      help: 'Database queries by outcome: ok, failed.',
      labelNames: ['outcome'],
      buckets: STORE_SECONDS,
      registers,
    });
    this.#updates.push(addReadings(this.#registry, read));
    if (readLiveStreams) this.#updates.push(addLiveStreams(this.#registry, readLiveStreams));
  }

  /** An API request was answered; `route` is its pattern, never its path. */
  request(method: string, route: string, status: number, ms: number): void {
    this.#requests.observe({ method, route, status }, ms / 1000);
  }

  /** An attempt to deliver a webhook ended. */
  delivery(outcome: 'delivered' | 'retry' | 'dead'): void {
    this.#deliveries.inc({ outcome });
  }

  /** A database query ended. */
  query(ms: number, ok: boolean): void {
    this.#queries.observe({ outcome: ok ? 'ok' : 'failed' }, ms / 1000);
  }

  /** The metrics as text, in the format that `contentType` names. */
  text(): Promise<string> {
    for (const update of this.#updates) update();
    return this.#registry.metrics();
  }

  close(): void {
    this.#stopProcess();
  }
}
