// What the process tells Prometheus. `app` makes it, passes in where the rooms' own counters are read (only when somebody asks
// for the metrics, so that counting costs them nothing more), and hands the recording side to `api`, `store` and `webhooks`.
// `api` serves the text. It calls nobody but those sources. No label names a tenant unless the operator wants it (S03).
export { Metrics, type MetricsOptions } from './metrics.ts';
export type { LiveStreamReading, Readings } from './readings.ts';
export { ServerHealth, type ServerHealthReading } from './server-health.ts';
