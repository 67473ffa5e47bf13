import { type Part, PartMemory, type PartSink, type RunStart } from '../segments/index.ts';
import { type PackagerOptions, ROUNDING_MS } from './options.ts';
import { choosePartTargetMs, chooseTargetDurationS } from './targets.ts';

/** PART-TARGET and TARGETDURATION must be right from the first playlist on; after three parts a player can begin. */
const PARTS_TO_OPEN = 3;

/**
 * What lasts over all runs of a broadcast: the limits that never change, the sequence number, and where media time has got to.
 * Parts are held back until the sink can be opened: until there are three, or a segment, or a pause.
 */
export class Output {
  readonly #sink: PartSink;
  readonly #options: PackagerOptions;
  #held: (() => void)[] | null = [];
  #heldParts = 0;
  #partTargetMs = 0;
  #targetDurationS = 0;
  /** Where PROGRAM-DATE-TIME has got to. */
  #wallMs = 0;
  #openParts = 0;
  #sequence = 0;
  /** How far apart key frames are, and a frame's duration, as far as known: decides TARGETDURATION. NaN: unknown. */
  gopMs = Number.NaN;
  frameMs = 0;
  /** End of all that was ever written, in ms of media time. */
  endMs = 0;
  readonly counts = { parts: 0, segments: 0 };
  readonly memory = new PartMemory();

  constructor(sink: PartSink, options: PackagerOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  /** The broadcast's part target in ms; what was asked for until `fixPartTarget`. */
  get partTargetMs(): number {
    return this.#partTargetMs || this.#options.partTargetMs;
  }

  /** Fits the part target to the publisher's frames. The first call counts. */
  fixPartTarget(frameMs: number): void {
    this.#partTargetMs ||= choosePartTargetMs(frameMs, this.#options.partTargetMs);
  }

  /** How long a segment may become before TARGETDURATION is broken; before the sink is open, and so nothing promised, the most. */
  get longestSegmentMs(): number {
    return (this.#targetDurationS || this.#options.maxTargetDurationS) * 1000 + ROUNDING_MS;
  }

  /** No segment is complete yet, and the parts are enough to begin with. */
  get firstSegmentDue(): boolean {
    return this.counts.segments === 0 && this.counts.parts >= PARTS_TO_OPEN;
  }

  nextSequence(): number {
    return ++this.#sequence;
  }

  startRun(run: RunStart): void {
    // The publisher's clock and ours need not agree: PROGRAM-DATE-TIME waits rather than going back.
    const start = run.startedAtMs >= this.#wallMs ? run : { ...run, startedAtMs: Math.ceil(this.#wallMs) };
    this.#wallMs = start.startedAtMs;
    this.#do(() => this.#sink.startRun(start));
  }

  addPart(part: Part): void {
    this.counts.parts++;
    this.#openParts++;
    this.#wallMs += part.durationUs / 1000;
    this.#do(() => this.#sink.addPart(part));
    if (this.#held && ++this.#heldParts >= PARTS_TO_OPEN) this.#open();
  }

  /** A segment has become this long and its key frame has not come: allows the most, once. */
  allowSegment(durationMs: number): void {
    const max = this.#options.maxTargetDurationS;
    if (this.#held || durationMs <= this.longestSegmentMs || this.#targetDurationS >= max) return;
    this.#options.log?.warn(
      { targetDurationS: max },
      'key frames are further apart than the playlist promised; set the encoder to 2 s',
    );
    this.#targetDurationS = max;
    this.#sink.raiseTargetDuration(max);
  }

  closeSegment(): void {
    if (this.#openParts === 0) return;
    this.#openParts = 0;
    this.counts.segments++;
    this.#do(() => this.#sink.closeSegment());
    if (this.#held) this.#open();
  }

  pause(): void {
    if (this.#held && this.#heldParts > 0) this.#open();
    this.#sink.pause();
  }

  end(): void {
    if (this.#held && this.#heldParts > 0) this.#open();
    this.#sink.end();
  }

  #do(call: () => void): void {
    if (this.#held) this.#held.push(call);
    else call();
  }

  #open(): void {
    const { segmentMs, defaultTargetDurationS, maxTargetDurationS } = this.#options;
    this.#targetDurationS = this.gopMs
      ? chooseTargetDurationS(this.gopMs, this.frameMs, segmentMs, maxTargetDurationS)
      : Math.min(defaultTargetDurationS, maxTargetDurationS);
    const held = this.#held!;
    this.#held = null;
    this.#sink.open({ targetDurationS: this.#targetDurationS, partTargetUs: this.partTargetMs * 1000 });
    for (const call of held) call();
  }
}
