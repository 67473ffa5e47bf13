import type { Packet } from '../media/index.ts';

/**
 * One uninterrupted time line of a broadcast: from a publisher's first packet to its end, or to a jump in its timestamps.
 * Between two runs of a broadcast there is a discontinuity.
 */
export interface Run {
  /** 0 for the first run of the broadcast, then rising by one. */
  readonly number: number;
  /** Wall-clock time (ms since 1970) at which the run's first packet arrived: the anchor of PROGRAM-DATE-TIME. */
  readonly startedAtMs: number;
  /** `dts` of the run's first packet, in ms on the publisher's clock. */
  readonly firstDtsMs: number;
}

/**
 * What consumes a broadcast's packets: packager, platform push, RTMP player. Calls come synchronously and in this order:
 * (onRun (onPacket)* onPause)* onEnd. A new onRun may also follow packets directly: the publisher's time line jumped.
 */
export interface Reader {
  readonly name: string;
  onRun(run: Run): void;
  onPacket(packet: Packet): void;
  /** The publisher is gone; the reconnect window is open. */
  onPause(): void;
  /** The broadcast is over. Nothing follows. */
  onEnd(): void;
}
