import { CodedError } from '../base/index.ts';

/** What an Opus publisher says of its stream, once per configuration. */
export interface OpusConfig {
  /** The identification header, `OpusHead` (RFC 7845, 5.1): an own copy, equal to what the publisher sent. */
  readonly record: Buffer;
  /** As HLS and MSE call it; RFC 6381 knows no more of it. */
  readonly codecString: 'opus';
  /** Opus always counts in 48,000 Hz, whatever went in: the track's timescale. */
  readonly sampleRate: 48000;
  /** Samples of the first packet at `sampleRate`; later ones may last longer or shorter. */
  readonly frameSamples: number;
  readonly channels: number;
  readonly outputSampleRate: 48000;
}

const RATE = 48000;
const HEAD_BYTES = 19;
/** Of the 2.5 to 60 ms that a frame may last, in samples, by the configuration's number within its mode (RFC 6716, table 2). */
const SILK_SAMPLES = [480, 960, 1920, 2880];
const HYBRID_SAMPLES = [480, 960];
const CELT_SAMPLES = [120, 240, 480, 960];
/** No packet lasts longer (RFC 6716, 3.2.5). */
const MAX_PACKET_SAMPLES = 5760;

/**
 * Parses an `OpusHead` for a stream whose packets last `frameSamples`. Throws `media_invalid` when it cannot be read, or names more
 * channels than players know how to place.
 */
export function parseOpusConfig(record: Uint8Array, frameSamples: number): OpusConfig {
  const head = Buffer.from(record);
  if (head.length < HEAD_BYTES || head.toString('latin1', 0, 8) !== 'OpusHead')
    throw invalid('the configuration is no OpusHead');
  if (head[8]! > 15) throw invalid(`version ${head[8]} of the OpusHead is not known`);
  const channels = head[9]!;
  const family = head[18]!;
  if (family > 1) throw invalid(`channel mapping family ${family} cannot be played in browsers: send mono or stereo`);
  if (channels === 0 || channels > (family === 0 ? 2 : 8)) throw invalid(`${channels} channels are not possible`);
  if (family === 1 && head.length < HEAD_BYTES + 2 + channels) throw invalid('the channel mapping is cut short');
  return { record: head, codecString: 'opus', sampleRate: RATE, frameSamples, channels, outputSampleRate: RATE };
}

/** Whether two configurations are the same to every reader: then no new Track is due. */
export function sameOpusConfig(a: OpusConfig, b: OpusConfig): boolean {
  return a.record.equals(b.record) && a.frameSamples === b.frameSamples;
}

/**
 * How long a packet lasts, in samples of 48,000 Hz, from its first bytes (RFC 6716, 3.1 and 3.2). Throws `media_invalid` for what no
 * decoder takes.
 */
export function opusSamples(packet: Uint8Array): number {
  if (packet.length === 0) throw invalid('a packet is empty');
  const configuration = packet[0]! >> 3;
  const samples =
    configuration < 12
      ? SILK_SAMPLES[configuration & 3]!
      : configuration < 16
        ? HYBRID_SAMPLES[configuration & 1]!
        : CELT_SAMPLES[configuration & 3]!;
  const code = packet[0]! & 3;
  if (code === 3 && packet.length < 2) throw invalid('a packet is cut short');
  const frames = code === 0 ? 1 : code < 3 ? 2 : packet[1]! & 63;
  if (frames === 0 || frames * samples > MAX_PACKET_SAMPLES) throw invalid(`a packet of ${frames} frames is too long`);
  return frames * samples;
}

function invalid(message: string): CodedError {
  return new CodedError('media_invalid', `Opus: ${message}`);
}
