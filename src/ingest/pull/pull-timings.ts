/** How long things take (ms). */
export interface PullTimings {
  /** From connecting to the first frame. */
  readonly firstFrameMs: number;
  /** Without a frame, where there is another URL to turn to; and where there is none. */
  readonly failoverMs: number;
  readonly silenceMs: number;
  /** The first wait between two rounds through the URLs, which doubles, and the longest. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
  /** Between two tries of what will not come unless somebody changes something. */
  readonly refusedMs: number;
  /** Between two questions whether another server of the same database has let go of it. */
  readonly leaseMs: number;
  /** An attempt that has fed the live stream for so long was a success: it is counted anew from there. */
  readonly provenMs: number;
  readonly successMs: number;
}

export const TIMINGS: PullTimings = {
  firstFrameMs: 10_000,
  failoverMs: 2500,
  silenceMs: 10_000,
  retryMs: 1000,
  maxRetryMs: 60_000,
  refusedMs: 300_000,
  leaseMs: 5000,
  provenMs: 10_000,
  successMs: 60_000,
};
