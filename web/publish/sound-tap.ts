// Runs in the audio thread: gathers what comes into blocks of 20 ms and hands them over.

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const BLOCK = 960;

class SoundTap extends AudioWorkletProcessor {
  #block = new Float32Array(2 * BLOCK);
  #filled = 0;

  /** `inputs` holds one input of two channels, or of none while nothing plays. */
  process(inputs: Float32Array[][]): boolean {
    const [left, right] = inputs[0]!;
    const length = left?.length ?? 128;
    for (let i = 0; i < length; i++) {
      this.#block[this.#filled] = left?.[i] ?? 0;
      this.#block[BLOCK + this.#filled] = right?.[i] ?? left?.[i] ?? 0;
      if (++this.#filled < BLOCK) continue;
      this.port.postMessage(this.#block, [this.#block.buffer]);
      this.#block = new Float32Array(2 * BLOCK);
      this.#filled = 0;
    }
    return true;
  }
}

registerProcessor('sound-tap', SoundTap);
