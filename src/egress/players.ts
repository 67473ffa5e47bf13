import { type Logger, monotonicMs } from '../base/index.ts';
import type { Broadcast } from '../live/index.ts';
import type { FeedForm, FeedSource } from './feed.ts';
import { Player, type PlayerSink } from './player.ts';
import { viaMetadata } from './via-metadata.ts';

export interface PlayersOptions {
  readonly feeds: FeedSource;
  /** The broadcast of the live stream with that playback id; null where it is not on air. */
  readonly find: (playbackId: string) => Broadcast | null;
  /** Whether a pull would bring what is not on air. */
  readonly mayCome: (playbackId: string) => boolean;
  /** Whether who comes with this query may watch. Rejects when it cannot be known. */
  readonly mayPlay: (playbackId: string, query: string) => Promise<boolean>;
  /** Somebody wants a live stream that is not on air: true when it has come, false where it does not. */
  readonly wanted: (playbackId: string) => Promise<boolean>;
  /** At a time, of all broadcasts together. */
  readonly maxPlayers: number;
  readonly log: Logger;
}

/** Who plays a broadcast other than by HLS. */
export interface PlayersAudience {
  readonly players: number;
  readonly bytesOut: number;
  /** kbit/s over the last ten seconds. */
  readonly outputBitrate: number;
}

/** What a player that is taken leaves its connection with. */
export interface PlayerSeat {
  readonly player: Player;
  /** To be called when the connection is gone. */
  leave(): void;
}

/** The players of one broadcast. */
interface Group {
  readonly broadcast: Broadcast;
  readonly players: Set<Player>;
  /** Of those that have left. */
  earlierBytes: number;
  /** What had been sent at each of the last ticks. */
  readonly rates: number[];
}

const TICK_MS = 1000;
const RATE_S = 10;

/** All who play by RTMP and HTTP-FLV: finds their broadcast, counts them, and cuts those that do not keep up. */
export class Players {
  readonly #options: PlayersOptions;
  readonly #groups = new Map<Broadcast, Group>();
  /** A live stream that began anew has more than one for a moment. */
  readonly #byPlayback = new Map<string, Set<Group>>();
  /** Asked for a place and wait for a live stream that was asked for. */
  #waiting = 0;
  #count = 0;
  #leftBytes = 0;
  /** Frames that players who have left were too slow for. */
  #leftDropped = 0;
  #ticker: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: PlayersOptions) {
    this.#options = options;
  }

  /** Of all broadcasts now. */
  get count(): number {
    return this.#count;
  }

  /** Sent to all players since the start. */
  get bytesOut(): number {
    let bytes = this.#leftBytes;
    for (const { players } of this.#groups.values()) for (const player of players) bytes += player.bytesOut;
    return bytes;
  }

  /** Frames since the start that players were too slow for. */
  get dropped(): number {
    let dropped = this.#leftDropped;
    for (const { players } of this.#groups.values()) for (const player of players) dropped += player.dropped;
    return dropped;
  }

  /** All places are taken. */
  get full(): boolean {
    return this.#closed || this.#count + this.#waiting >= this.#options.maxPlayers;
  }

  /** Who plays the live stream's broadcast now. */
  audience(playbackId: string): PlayersAudience {
    let [players, bytesOut, outputBitrate] = [0, 0, 0];
    for (const group of this.#byPlayback.get(playbackId) ?? []) {
      const { rates } = group;
      const seconds = Math.max(1, rates.length - 1);
      players += group.players.size;
      bytesOut += sentTo(group);
      outputBitrate += (((rates.at(-1) ?? 0) - (rates[0] ?? 0)) * 8) / 1000 / seconds;
    }
    return { players, bytesOut, outputBitrate };
  }

  /**
   * The live stream's broadcast, which is waited for where a pull can bring it; null where it is not on air, `refused` where it is not
   * for who comes with this query.
   */
  async find(playbackId: string, query: string): Promise<Broadcast | null | 'refused'> {
    if (!this.#options.find(playbackId) && !this.#options.mayCome(playbackId)) return null;
    if (!(await this.#options.mayPlay(playbackId, query))) return 'refused';
    const found = this.#options.find(playbackId);
    if (found || this.full) return found;
    this.#waiting++;
    try {
      return (await this.#options.wanted(playbackId)) ? this.#options.find(playbackId) : null;
    } catch (error) {
      this.#options.log.warn({ err: error }, 'a live stream that somebody wants could not be asked for');
      return null;
    } finally {
      this.#waiting--;
    }
  }

  /** Takes a player, to which everything is sent from the next turn on. */
  add(broadcast: Broadcast, form: FeedForm, sink: PlayerSink): PlayerSeat {
    const its = this.#groups.get(broadcast) ?? this.#openGroup(broadcast);
    const leave = () => this.#leave(its, player);
    const told: PlayerSink = {
      ...sink,
      metadata: (metadata) => sink.metadata({ ...metadata, ...viaMetadata(broadcast) }),
    };
    const player = new Player(told, (options) => this.#options.feeds.open(broadcast, form, options), leave);
    its.players.add(player);
    this.#count++;
    this.#ticker ??= setInterval(this.#tick, TICK_MS).unref();
    queueMicrotask(() => {
      try {
        player.pump();
      } catch (error) {
        this.failed(error);
        this.#cut(its, player, 'shutdown');
      }
    });
    return { player, leave };
  }

  /** Something of ours went wrong while a player was served. */
  failed(error: unknown): void {
    this.#options.log.error({ err: error }, 'player failed');
  }

  /** Cuts every player. */
  close(): void {
    this.#closed = true;
    for (const group of this.#groups.values())
      for (const player of [...group.players]) this.#cut(group, player, 'shutdown');
    this.#groups.clear();
    this.#byPlayback.clear();
    if (this.#ticker) clearInterval(this.#ticker);
  }

  #openGroup(broadcast: Broadcast): Group {
    const group: Group = { broadcast, players: new Set(), earlierBytes: 0, rates: [] };
    this.#groups.set(broadcast, group);
    const { playbackId } = broadcast.authorisation;
    const others = this.#byPlayback.get(playbackId);
    if (others) others.add(group);
    else this.#byPlayback.set(playbackId, new Set([group]));
    return group;
  }

  #closeGroup(group: Group): void {
    this.#groups.delete(group.broadcast);
    const { playbackId } = group.broadcast.authorisation;
    const all = this.#byPlayback.get(playbackId);
    all?.delete(group);
    if (all?.size === 0) this.#byPlayback.delete(playbackId);
  }

  #leave(group: Group, player: Player): void {
    if (!group.players.delete(player)) return;
    player.leave();
    this.#count--;
    group.earlierBytes += player.bytesOut;
    this.#leftBytes += player.bytesOut;
    this.#leftDropped += player.dropped;
  }

  #cut(group: Group, player: Player, reason: 'too_slow' | 'shutdown'): void {
    this.#leave(group, player);
    player.cut(reason);
  }

  readonly #tick = (): void => {
    const now = monotonicMs();
    for (const [broadcast, group] of this.#groups) {
      if (broadcast.ended && group.players.size === 0) {
        this.#closeGroup(group);
        continue;
      }
      group.rates.push(sentTo(group));
      if (group.rates.length > RATE_S + 1) group.rates.shift();
      for (const player of group.players) {
        const reason = player.failure(now);
        if (reason === null) continue;
        const { id, dropped } = player;
        this.#options.log.info({ broadcast: broadcast.id, connection: id, reason, dropped }, 'player cut');
        this.#cut(group, player, 'too_slow');
      }
    }
    if (this.#groups.size > 0 || !this.#ticker) return;
    clearInterval(this.#ticker);
    this.#ticker = null;
  };
}

function sentTo({ players, earlierBytes }: Group): number {
  let bytes = earlierBytes;
  for (const player of players) bytes += player.bytesOut;
  return bytes;
}
