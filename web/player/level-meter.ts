const frameMs = 50;
const barWidth = 4;
const gap = 4;
const restLevel = 0.04;

/** Not in every browser, and not in TypeScript's own declarations. */
type Capturable = HTMLMediaElement & { captureStream?(): MediaStream };

/**
 * Bars that follow what an audio element plays. It listens to a copy of the sound, so it can neither delay nor silence it;
 * where there is no copy to be had (Safari), or no motion is wanted, the bars rest. Costs nothing while paused or hidden.
 */
export class LevelMeter {
  readonly #canvas: HTMLCanvasElement;
  readonly #media: Capturable;
  #context: AudioContext | null = null;
  #source: MediaStreamAudioSourceNode | null = null;
  #analyser: AnalyserNode | null = null;
  #spectrum = new Uint8Array(0);
  #levels = new Float32Array(0);
  #timer: ReturnType<typeof setInterval> | undefined;
  #wanted = false;

  constructor(canvas: HTMLCanvasElement, media: HTMLMediaElement) {
    this.#canvas = canvas;
    this.#media = media;
    new ResizeObserver(() => this.#fit()).observe(canvas);
    document.addEventListener('visibilitychange', () => this.run(this.#wanted));
    // Without a gesture an audio context may not run; the sound itself does not depend on it.
    document.addEventListener('pointerdown', () => void this.#context?.resume().catch(() => {}));
  }

  run(wanted: boolean): void {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#wanted = wanted;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (wanted && !document.hidden && !still && this.#listen()) this.#timer = setInterval(() => this.#draw(), frameMs);
    else {
      void this.#context?.suspend().catch(() => {});
      this.#levels.fill(0);
      this.#paint();
    }
  }

  /** Every new load of the element brings new tracks, so each start listens anew. */
  #listen(): boolean {
    const stream = this.#media.captureStream?.();
    if (!stream?.getAudioTracks().length) return false;
    this.#context ??= new AudioContext();
    void this.#context.resume().catch(() => {});
    if (!this.#analyser) {
      this.#analyser = this.#context.createAnalyser();
      this.#analyser.fftSize = 2048;
      this.#analyser.smoothingTimeConstant = 0.75;
      this.#spectrum = new Uint8Array(this.#analyser.frequencyBinCount);
    }
    this.#source?.disconnect();
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
    return true;
  }

  #fit(): void {
    const { clientWidth, clientHeight } = this.#canvas;
    const scale = Math.min(2, devicePixelRatio);
    this.#canvas.width = clientWidth * scale;
    this.#canvas.height = clientHeight * scale;
    this.#levels = new Float32Array(Math.max(1, Math.floor((clientWidth + gap) / (barWidth + gap))));
    this.#paint();
  }

  /** Low notes in the middle, high ones to both sides, on a scale that spreads the octaves evenly. */
  #draw(): void {
    this.#analyser!.getByteFrequencyData(this.#spectrum);
    const middle = (this.#levels.length - 1) / 2;
    for (let i = 0; i < this.#levels.length; i++) {
      const away = Math.abs(i - middle) / (middle || 1);
      const bin = Math.min(this.#spectrum.length - 1, Math.floor((this.#spectrum.length * 0.4) ** away) + 6);
      this.#levels[i] = (this.#spectrum[bin] / 255) * (1 - 0.35 * away);
    }
    this.#paint();
  }

  #paint(): void {
    const pen = this.#canvas.getContext('2d');
    if (!pen || this.#canvas.width === 0) return;
    const scale = this.#canvas.width / this.#canvas.clientWidth;
    const { width, height } = this.#canvas;
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = getComputedStyle(this.#canvas).color;
    pen.beginPath();
    const count = this.#levels.length;
    const left = (width - scale * (count * (barWidth + gap) - gap)) / 2;
    for (let i = 0; i < count; i++) {
      const tall = Math.max(scale * barWidth, height * Math.max(restLevel, this.#levels[i]));
      pen.roundRect(left + scale * i * (barWidth + gap), (height - tall) / 2, scale * barWidth, tall, scale * 2);
    }
    pen.fill();
  }
}
