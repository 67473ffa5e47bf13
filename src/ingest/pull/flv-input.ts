import { forLog, monotonicMs } from '../../base/index.ts';
import { type AmfValue, decodeAmf0 } from '../../formats/amf/index.ts';
import { FlvReader, type FlvTag, ToPackets } from '../../formats/flv/index.ts';
import { toMs } from '../../media/index.ts';
import type { SourceContext, SourceEnd, SourceEvents } from './source.ts';
import { unsupportedVideo } from './source-end.ts';

/** A longer step than this begins another time line. */
const JUMP_MS = 4000;

/** FLV bytes, from wherever they come, to what a source tells. */
export class FlvInput {
  readonly #events: SourceEvents;
  readonly #packets: ToPackets;
  readonly #reader = new FlvReader((tag) => this.#onTag(tag));
  #lastMs = Number.NaN;
  /** What the source's clock showed, and ours, when its present time line began. */
  #zeroMs = 0;
  #startedMs = 0;

  /** `fail` is told of a picture that is not carried. */
  constructor(events: SourceEvents, { log }: Pick<SourceContext, 'log'>, fail: (end: SourceEnd) => void) {
    this.#events = events;
    this.#packets = new ToPackets({
      unsupported: (kind, codec) => {
        events.unsupported(kind, forLog(codec));
        if (kind === 'video') fail(unsupportedVideo(forLog(codec)));
      },
      dropped: (reason) => log.info({ reason }, 'frame of the source dropped'),
    });
  }

  /** Reads on. @throws CodedError media_invalid, rtmp_protocol */
  push(bytes: Buffer): void {
    this.#events.progress(bytes.length);
    this.#reader.push(bytes);
  }

  /** How much more media than time has passed since the present time line began. */
  get aheadMs(): number {
    return Number.isNaN(this.#lastMs) ? 0 : this.#lastMs - this.#zeroMs - (monotonicMs() - this.#startedMs);
  }

  #onTag({ type, timestampMs, body }: FlvTag): void {
    if (type === 'data') {
      const metadata = metadataOf(decodeAmf0(body));
      if (metadata) this.#events.metadata(metadata);
      return;
    }
    const packet = type === 'video' ? this.#packets.video(timestampMs, body) : this.#packets.audio(timestampMs, body);
    if (!packet) return;
    const ms = toMs(packet.dts, packet.track.timescale);
    if (!(Math.abs(ms - this.#lastMs) < JUMP_MS)) [this.#zeroMs, this.#startedMs] = [ms, monotonicMs()];
    this.#lastMs = ms;
    this.#events.packet(packet);
  }
}

/** The properties behind `onMetaData`, with or without `@setDataFrame` before it; null for data of another kind. */
export function metadataOf(values: readonly AmfValue[]): Readonly<Record<string, unknown>> | null {
  const at = values[0] === '@setDataFrame' ? 1 : 0;
  const properties = values[at + 1];
  if (values[at] !== 'onMetaData' || typeof properties !== 'object' || properties === null) return null;
  return Array.isArray(properties) || Buffer.isBuffer(properties) || properties instanceof Date ? null : properties;
}
