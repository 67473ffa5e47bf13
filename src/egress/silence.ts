import type { AacConfig, AudioTrack, OpusConfig } from '../media/index.ts';

/** Elements of a raw_data_block, ISO 14496-3 table 4.85. */
const SINGLE = 0;
const PAIR = 1;
const LFE = 3;
const END = 7;
/** By channel count, which is the channel configuration for these (table 1.19). */
const ELEMENTS: readonly (readonly number[])[] = [
  [],
  [SINGLE],
  [PAIR],
  [SINGLE, PAIR],
  [SINGLE, PAIR, SINGLE],
  [SINGLE, PAIR, PAIR],
  [SINGLE, PAIR, PAIR, LFE],
];

/** First byte of an Opus packet of one CELT frame with all of the band, by the frame's samples (RFC 6716, table 2). */
const OPUS_FRAMES: readonly (readonly [samples: number, toc: number])[] = [
  [960, 0xf8],
  [480, 0xf0],
  [240, 0xe8],
  [120, 0xe0],
];
/** A CELT frame that says it is silent. */
const OPUS_SILENCE = [0xff, 0xfe];

const frames = new WeakMap<AacConfig | OpusConfig, Buffer | null>();

/**
 * A frame of silence that fits the track's own configuration, made once for it; null where the layout of its channels is
 * not a usual one. One frame lasts as long as the frame that it stands for, whatever the sample rate and the frame's length.
 */
export function silentFrame(track: AudioTrack): Buffer | null {
  let frame = frames.get(track.config);
  if (frame === undefined) {
    frame = track.codec === 'opus' ? silentOpus(track.config) : silentAac(track.config);
    frames.set(track.config, frame);
  }
  return frame;
}

function silentAac(config: AacConfig): Buffer | null {
  const elements = ELEMENTS[config.channels];
  return elements && !isProgramConfig(config) ? writeFrame(elements) : null;
}

/** Mono within stereo is allowed; more channels are several streams in a packet. */
function silentOpus({ channels, frameSamples }: OpusConfig): Buffer | null {
  const size = OPUS_FRAMES.find(([samples]) => frameSamples % samples === 0);
  if (!size || channels > 2) return null;
  const [samples, toc] = size;
  const count = frameSamples / samples;
  if (count === 1) return Buffer.from([toc, ...OPUS_SILENCE]);
  return Buffer.from([toc | 3, count, ...Array.from({ length: count }, () => OPUS_SILENCE).flat()]);
}

/** Channel configuration 0 leaves the layout to a program config element. It stands behind 5 bits of type and 4 of rate, or 28. */
function isProgramConfig({ record }: AacConfig): boolean {
  const bits = BigInt(`0x${Buffer.concat([record, Buffer.alloc(8)]).toString('hex', 0, 8)}`);
  const escaped = ((bits >> 55n) & 15n) === 15n;
  return ((bits >> (escaped ? 27n : 51n)) & 15n) === 0n;
}

/** Table 4.4 and following: long windows without a single scale factor band, so nothing follows that would sound. */
function writeFrame(elements: readonly number[]): Buffer {
  let bits = '';
  const put = (value: number, width: number) => {
    bits += value.toString(2).padStart(width, '0');
  };
  /** ics_info: reserved, long window, sine shape, max_sfb 0, no prediction. */
  const putWindow = () => put(0, 1 + 2 + 1 + 6 + 1);
  /** No pulses, no noise shaping, no gain control. */
  const putTools = () => put(0, 3);
  const used = [0, 0, 0, 0];
  for (const element of elements) {
    put(element, 3);
    put(used[element]!++, 4);
    if (element === PAIR) {
      put(1, 1); // common_window
      putWindow();
      put(0, 2); // ms_mask_present
      for (let channel = 0; channel < 2; channel++) {
        put(0, 8); // global_gain
        putTools();
      }
    } else {
      put(0, 8);
      putWindow();
      putTools();
    }
  }
  put(END, 3);
  const bytes = bits.match(/.{1,8}/g)!;
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2)));
}
