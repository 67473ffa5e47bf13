/** What a chart of a broadcast shows of one moment. NaN: not known then. */
export interface HealthSample {
  /** Seconds since 1970. */
  readonly at: number;
  readonly bitrateKbps: number;
  readonly frameRate: number;
  readonly keyFrameIntervalS: number;
  /** By how much the sound is behind the picture; below 0 the picture is behind. */
  readonly driftMs: number;
  /** Packets lost since the sample before. */
  readonly dropped: number;
  readonly viewers: number;
}

export type SampleField = keyof HealthSample;
const FIELDS: readonly SampleField[] = [
  'at',
  'bitrateKbps',
  'frameRate',
  'keyFrameIntervalS',
  'driftMs',
  'dropped',
  'viewers',
];
const MAX_SAMPLES = 720;
const FIRST_SAMPLES = 45;

/**
 * At most 720 samples over any time: when that many are there, neighbours become one, and from then on one sample stands for twice
 * the time. A sample is the mean of what was added in its time; of what was dropped the sum.
 */
export class SampleSeries {
  readonly #baseS: number;
  readonly #columns = new Map<SampleField, Float32Array<ArrayBuffer>>();
  /** Times are kept from here on, so that they are small numbers. */
  #startS = 0;
  #length = 0;
  #intervalS: number;
  /** What has been added since the last sample. */
  readonly #pending: HealthSample[] = [];

  /** `baseS`: how often `add` is called. */
  constructor(baseS: number) {
    this.#baseS = this.#intervalS = baseS;
    for (const field of FIELDS) this.#columns.set(field, new Float32Array(FIRST_SAMPLES));
  }

  /** Seconds between two samples. */
  get intervalS(): number {
    return this.#intervalS;
  }

  get length(): number {
    return this.#length;
  }

  add(sample: HealthSample): void {
    if (this.#length === 0 && this.#pending.length === 0) this.#startS = sample.at;
    this.#pending.push(sample);
    if (this.#pending.length * this.#baseS < this.#intervalS) return;
    const pending = this.#pending.splice(0);
    for (const [field, column] of this.#columns) {
      const values = pending.map((one) => (field === 'at' ? one.at - this.#startS : one[field]));
      column[this.#length] = combine(field, values);
    }
    this.#length++;
    if (this.#length === MAX_SAMPLES) this.#merge();
    else if (this.#length === this.#columns.get('at')!.length) this.#grow();
  }

  /** The samples' values of one field, oldest first; null where it was not known. */
  column(field: SampleField): (number | null)[] {
    const values = this.#columns.get(field)!.subarray(0, this.#length);
    return Array.from(values, (value) => {
      if (Number.isNaN(value)) return null;
      return field === 'at' ? this.#startS + value : Math.round(value * 100) / 100;
    });
  }

  #merge(): void {
    this.#length = MAX_SAMPLES / 2;
    this.#intervalS *= 2;
    for (const [field, column] of this.#columns)
      for (let i = 0; i < this.#length; i++) column[i] = combine(field, [column[2 * i]!, column[2 * i + 1]!]);
  }

  #grow(): void {
    for (const [field, column] of this.#columns) {
      const larger = new Float32Array(Math.min(2 * column.length, MAX_SAMPLES));
      larger.set(column);
      this.#columns.set(field, larger);
    }
  }
}

function combine(field: SampleField, values: readonly number[]): number {
  if (field === 'at') return values[0]!;
  const known = values.filter((value) => !Number.isNaN(value));
  const sum = known.reduce((a, b) => a + b, 0);
  return field === 'dropped' ? sum : sum / known.length;
}
