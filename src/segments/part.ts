import type { PartMemory } from './part-memory.ts';

/** What a part is made of. */
export interface PartBytes {
  /** Microseconds. */
  readonly durationUs: number;
  /** The part begins with an IDR (or the run has no video). */
  readonly independent: boolean;
  /** moof + mdat. */
  readonly main: Buffer;
  /** moof + mdat of the audio alone; null when there is none; the same Buffer as `main` for an audio-only publisher. */
  readonly audio: Buffer | null;
}

/**
 * One part, in both renditions: they are cut at the same places, so one set of numbers and durations serves both.
 *
 * Its bytes can be had as long as it is in a window. Whoever has had them may keep them for as long as he likes; only of a part that
 * nobody ever asked for is the memory used again.
 */
export class Part {
  readonly durationUs: number;
  readonly independent: boolean;
  readonly mainLength: number;
  /** 0 without audio. */
  readonly audioLength: number;
  /** Bytes of both renditions; what both share counts once. */
  readonly length: number;
  #main: Buffer | null;
  #audio: Buffer | null;
  readonly #memory: PartMemory | null;
  #lent = false;

  /** `memory` is where both Buffers were taken from. */
  constructor({ durationUs, independent, main, audio }: PartBytes, memory: PartMemory | null = null) {
    this.durationUs = durationUs;
    this.independent = independent;
    this.mainLength = main.length;
    this.audioLength = audio?.length ?? 0;
    this.length = this.mainLength + (audio === main ? 0 : this.audioLength);
    this.#main = main;
    this.#audio = audio;
    this.#memory = memory;
  }

  /** Throws when the part was released. */
  get main(): Buffer {
    this.#lent = true;
    if (!this.#main) throw new Error('the part is gone');
    return this.#main;
  }

  /** Throws when the part was released. */
  get audio(): Buffer | null {
    if (this.audioLength === 0) return null;
    this.#lent = true;
    if (!this.#audio) throw new Error('the part is gone');
    return this.#audio;
  }

  get released(): boolean {
    return this.#main === null;
  }

  /** It has left its window: nobody can ask for it any more. */
  release(): void {
    const [main, audio] = [this.#main, this.#audio];
    if (this.#lent || !main) return;
    this.#main = this.#audio = null;
    this.#memory?.giveBack(main);
    if (audio && audio !== main) this.#memory?.giveBack(audio);
  }
}
