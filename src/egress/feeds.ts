import type { Logger } from '../base/index.ts';
import type { Broadcast } from '../live/index.ts';
import type { Packet } from '../media/index.ts';
import { BroadcastFeed } from './broadcast-feed.ts';
import type { FeedCursor, FeedForm, FeedOptions, FeedSource } from './feed.ts';

export interface FeedsOptions {
  /** For how many ms messages are gathered into one batch at most; 0: only what comes in one turn. */
  readonly mergeMs: number;
  /** A broadcast's packets from its last key frame on: what the first consumer of a feed begins with. */
  readonly recent?: (broadcast: Broadcast) => readonly Packet[];
  readonly log: Logger;
}

/** All feeds: one for a broadcast and form, from the first consumer that asks to the last one that leaves. */
export class Feeds implements FeedSource {
  readonly #options: FeedsOptions;
  readonly #feeds = new Map<Broadcast, Map<FeedForm, BroadcastFeed>>();

  constructor(options: FeedsOptions) {
    this.#options = options;
  }

  /** How many feeds are being made now. */
  get size(): number {
    let size = 0;
    for (const forms of this.#feeds.values()) size += forms.size;
    return size;
  }

  /** What all feeds hold in memory. */
  get bytes(): number {
    let bytes = 0;
    for (const forms of this.#feeds.values()) for (const feed of forms.values()) bytes += feed.ring.bytes;
    return bytes;
  }

  open(broadcast: Broadcast, form: FeedForm, options: FeedOptions): FeedCursor {
    let forms = this.#feeds.get(broadcast);
    if (!forms) {
      forms = new Map();
      this.#feeds.set(broadcast, forms);
    }
    let feed = forms.get(form);
    if (!feed) {
      const onEmpty = () => this.#forget(broadcast, form);
      const recent = this.#options.recent?.(broadcast) ?? [];
      feed = new BroadcastFeed(broadcast, form, { ...this.#options, recent, onEmpty });
      forms.set(form, feed);
    }
    return feed.open(options);
  }

  #forget(broadcast: Broadcast, form: FeedForm): void {
    const forms = this.#feeds.get(broadcast);
    forms?.delete(form);
    if (forms?.size === 0) this.#feeds.delete(broadcast);
  }
}
