// The REST API: who is asking (HTTP Basic), what they ask for (checked against the contract), one file of routes a resource.
// `app.ts` makes it and lets it listen; it calls `store` for everything that lasts and the `LivePort` for what is on air.

export { createApi } from './create-api.ts';
export type { CheckDestination, Dialect } from './dialect.ts';
export type { OnAirState, UpdatesPort } from './live-updates.ts';
export type { MailPort } from './people.ts';
export type { LivePort } from './resource.ts';
export type { BeaconPort } from './routes/beacon.ts';
export type { MetricsPort, MetricsRoutesOptions } from './routes/metrics.ts';
export type { StatsPort } from './routes/stats.ts';
export type { ServerStatusPort } from './routes/status.ts';
export type { StillsPort } from './routes/stills.ts';
export type { StreamHealthPort } from './routes/stream-health.ts';
export type { UsagePort } from './routes/usage.ts';
export type { ApiOptions } from './server.ts';
