import type { AacConfig, AudioTrack } from '../media/index.ts';

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

const frames = new WeakMap<AacConfig, Buffer | null>();

/**
 * An access unit of silence that fits the track's own configuration, made once for it; null where the layout of its channels is
 * not a usual one. One frame lasts as long as the frame that it stands for, whatever the sample rate and the frame's length.
 */
export function silentFrame({ config }: AudioTrack): Buffer | null {
  let frame = frames.get(config);
  if (frame === undefined) {
    const elements = ELEMENTS[config.channels];
    frame = elements && !isProgramConfig(config) ? writeFrame(elements) : null;
    frames.set(config, frame);
  }
  return frame;
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
