import type { AmfInput } from '../formats/amf/index.ts';
import { SHARED_CHUNK_BYTES } from '../formats/rtmp/index.ts';
import type { Broadcast } from '../live/index.ts';

/** Of all RTMP that goes out; a consumer announces it before it sends a feed's bytes. */
export const FEED_CHUNK_SIZE = SHARED_CHUNK_BYTES;
/** The message stream that a feed's messages name: what servers and clients give to the first one of a connection. */
export const FEED_STREAM_ID = 1;

/** What a feed's bytes are: RTMP messages with the audio kept, left out or silent; or FLV tags. */
export type FeedForm = 'rtmp' | 'rtmp_mute' | 'rtmp_silence' | 'flv';

/** Members of onMetaData. */
export type Metadata = { readonly [key: string]: AmfInput };

/** Some messages in a row, in one Buffer that all consumers share: never to be written to. */
export interface Batch {
  readonly bytes: Buffer;
  /** Of its first and last message, in ms on the feed's time line, which rises over runs and does not wrap. */
  readonly startMs: number;
  readonly endMs: number;
  /** A consumer can begin here: its first frame is a key frame, or there is no video. */
  readonly key: boolean;
  /** It begins with a codec configuration that is new: metadata has changed too. */
  readonly configs: boolean;
  /** How many frames it holds. */
  readonly video: number;
  readonly audio: number;
}

/** One consumer's place in a feed: holds no bytes and no queue of its own. */
export interface FeedCursor {
  /**
   * The next batch, and steps past it; null where there is none yet. Begins at a key frame: the last one, behind a delay the last one
   * that is due.
   * Not to be called while the consumer's socket is full: a place that is more than 20 s behind its time by then is exchanged for that
   * key frame.
   */
  next(): Batch | null;
  /** The batch that `next` gave last does not follow the one before (the first, or frames were lost): send `head` before it. */
  readonly restarts: boolean;
  /** In how many ms `next` has something; 0 when it has it now, null where nothing is there that could become due. */
  dueInMs(): number | null;
  /** What was given went nowhere: the group of frames that it is in is given once more, to another connection. */
  rewind(): void;
  /** The codec configurations in force at the batch that `next` gave last, with its time, in the feed's form. */
  head(): Buffer;
  /** What onMetaData should say at that batch. */
  metadata(): Metadata;
  /** Frames that this consumer was too slow for. */
  readonly dropped: number;
  /** From its first loss to its last, where it has lost frames again and again up to now; 0 when it keeps up. */
  droppingMs(nowMs: number): number;
  /** What its feed has in memory: one object for all of the feed's consumers. */
  readonly held: { readonly bytes: number };
  /** The broadcast is over and everything was given. */
  readonly ended: boolean;
  /** Leaves the feed. With the last one the feed itself goes. */
  close(): void;
}

export interface FeedOptions {
  /** Called when `next` has more to give or `ended` has become true; never from within `open` or `next`. */
  readonly onMore: () => void;
  /** Batches are given so long after they were made. */
  readonly delayMs?: number;
}

/** Where consumers find the feed of a broadcast. Implemented by Feeds. */
export interface FeedSource {
  /** A place in the broadcast's feed of that form, which is made when the first consumer asks. */
  open(broadcast: Broadcast, form: FeedForm, options: FeedOptions): FeedCursor;
}
