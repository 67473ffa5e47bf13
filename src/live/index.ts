// What is on air. A publisher claims a live stream at the registry and writes packets to its broadcast, which hands them to
// readers (the packager, the feeds of pushes and players). `ingest` calls claim and write, `api` asks isOnline and stop, `app`
// adds the readers. It calls nobody but the readers, and declares in ports.ts what it needs from the store.
// One registry from start to shutdown; a broadcast from the accepted publish to the end of the reconnect window.
export { ADVICE_CODES, type Advice, type AdviceCode } from './advice.ts';
export { Broadcast } from './broadcast.ts';
export type { BroadcastStats, TrackStats } from './broadcast-stats.ts';
export { BroadcastEventQueue, type EventQueueOptions } from './event-queue.ts';
export { GuessLimiter, type GuessLimiterOptions } from './guess-limiter.ts';
export { HealthLog, type HealthLogOptions, type HealthMoment, type HealthReport } from './health-log.ts';
export type { PlatformError, PlatformState, PlatformStatus } from './platform-status.ts';
export { PlayLog, type PlayReport } from './play-log.ts';
export { type Pass, PlaybackAccess, type Verdict } from './playback-access.ts';
export type {
  PlaybackRefusal,
  PlaybackRules,
  PlaybackRulesSource,
  SigningAlgorithm,
  VerifyingKey,
  ViewerFacts,
} from './playback-rules.ts';
export type {
  AdviceSeverity,
  Authorisation,
  AuthorisationAnswer,
  BroadcastEnd,
  BroadcastEvent,
  BroadcastEvents,
  EventPublisher,
  PlatformEnd,
  PlatformNews,
  PlatformSource,
  PlatformTarget,
  PublishAuthoriser,
  PublishRequest,
  PullSource,
  PullTarget,
  SwitchReason,
} from './ports.ts';
export { isPull, type Publisher, type PublisherEnd, type PublisherProtocol } from './publisher.ts';
export type { PullError, PullErrorCode, PullProbe, PullState, PullStatus } from './pull-status.ts';
export type { Reader, Run } from './reader.ts';
export { type ReaderLimits, ReaderSeat } from './reader-seat.ts';
export { REFUSALS } from './refusals.ts';
export { Claim, type ClaimAnswer, LiveRegistry, type LiveTotals, type RegistryOptions } from './registry.ts';
export { type SampleField, SampleSeries } from './sample-series.ts';
export { noUsage, startupBucket, startupMs, type UsageCounts, type UsageRow, type UsageSink } from './usage-counts.ts';
export { UsageLog, type UsageLogOptions } from './usage-log.ts';
export { goesInCircles, readVia, VIA_NAME } from './via.ts';
