import type { Logger } from '../../base/index.ts';
import type { PublisherProtocol, PullErrorCode } from '../../live/index.ts';
import type { Packet } from '../../media/index.ts';
import type { Outbound } from '../../outbound/index.ts';

/** How a pull's media comes. */
export type PullProtocol = Extract<PublisherProtocol, `pull-${string}`>;

/** Why a source is over. */
export interface SourceEnd {
  readonly code: PullErrorCode;
  /** What was wrong and what to do, for the owner of the live stream: no password, no path, nothing that the source said unread. */
  readonly message: string;
  /** Trying again soon makes no sense: somebody has to change something. */
  readonly permanent: boolean;
}

/** What a source tells. It may call from within `start()`; after `close()` it says nothing more. */
export interface SourceEvents {
  /** A frame, in rising dts within its track, in real time: what comes in bursts is released by its timestamps. */
  packet(packet: Packet): void;
  /** Bytes have come off the network, of whatever kind. */
  progress(bytes: number): void;
  /** A track that cannot be carried is left out; a source without any other ends itself with `media_unsupported`. */
  unsupported(kind: 'video' | 'audio', codec: string): void;
  /** onMetaData, or what else the source says of itself. */
  metadata(values: Readonly<Record<string, unknown>>): void;
  /** It is over, for whatever reason but `close()`: said once, and all it held is released. */
  ended(end: SourceEnd): void;
}

/** What a source is given. */
export interface SourceContext {
  readonly outbound: Outbound;
  /** Names the live stream. No URL, path or password goes into it. */
  readonly log: Logger;
}

/** One connection, or one series of requests, to a remote source. It never tries again: that is its owner's. */
export interface Source {
  readonly protocol: PullProtocol;
  /** Begins to connect. Called once. */
  start(): void;
  /** Lets go of everything at once. Safe to call more than once, and after `ended`. */
  close(): void;
}

/** Makes a source for a URL that is of its kind; the guard has not seen it yet. Connects to nothing. */
export type MakeSource = (url: string, events: SourceEvents, context: SourceContext) => Source;
