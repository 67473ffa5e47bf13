import { clock } from './screen.ts';
import type { Playback } from './shell.ts';

const stepS = 10;

/** The bar on which a viewer goes back and forth, in a recording or in a live stream that keeps its past. */
export class Timeline {
  readonly #bar: HTMLInputElement;
  readonly #clock: HTMLElement;
  readonly #player: Playback;
  #dragging = false;

  constructor(root: ParentNode, player: Playback) {
    this.#bar = root.querySelector<HTMLInputElement>('.timeline')!;
    this.#clock = root.querySelector<HTMLElement>('.clock')!;
    this.#player = player;
    this.#bar.addEventListener('input', () => {
      this.#dragging = true;
      this.#paint();
    });
    this.#bar.addEventListener('change', () => {
      this.#dragging = false;
      player.seek(this.#bar.valueAsNumber);
    });
    for (const type of ['keydown', 'keyup']) this.#bar.addEventListener(type, (event) => event.stopPropagation());
  }

  show(): void {
    const { window, media } = this.#player;
    this.#bar.hidden = window === null;
    this.#clock.hidden = window === null;
    if (!window) return;
    this.#bar.min = String(window.startS);
    this.#bar.max = String(window.endS);
    if (!this.#dragging) this.#bar.value = String(media.currentTime);
    this.#paint();
  }

  /** Ten seconds back (-1) or forth (1); false where there is nothing to go back in. */
  step(direction: number): boolean {
    if (!this.#player.window) return false;
    this.#player.seek(this.#player.media.currentTime + direction * stepS);
    return true;
  }

  #paint(): void {
    const { window, isRecording, atLiveEdge } = this.#player;
    if (!window) return;
    const { startS, endS } = window;
    const atS = this.#bar.valueAsNumber;
    this.#bar.style.setProperty('--level', String((atS - startS) / (endS - startS || 1)));
    const live = atLiveEdge && !this.#dragging ? '' : clock(Math.min(0, atS - endS));
    const text = isRecording ? `${clock(atS - startS)} / ${clock(endS - startS)}` : live;
    if (this.#clock.textContent !== text) this.#clock.textContent = text;
    this.#bar.setAttribute('aria-valuetext', text || this.#player.texts.live);
  }
}
