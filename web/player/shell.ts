import type { Choice, ChoiceKind } from './engine.ts';
import type { PlayerOptions } from './options.ts';
import type { Refusal } from './probe.ts';
import type { PlayerState } from './session.ts';
import type { Texts } from './texts.ts';

/** What the buttons around a media element need of the player. */
export interface Playback {
  readonly media: HTMLMediaElement;
  readonly state: PlayerState;
  readonly refusal: Refusal | null;
  readonly options: PlayerOptions;
  readonly texts: Texts;
  readonly language: string;
  /** Seconds behind the server; null while nothing plays. */
  readonly latency: number | null;
  readonly atLiveEdge: boolean;
  readonly isRecording: boolean;
  /** Seconds of the media element that a viewer may go to; null where there is nothing to go back in. */
  readonly window: { readonly startS: number; readonly endS: number } | null;
  choice(kind: ChoiceKind): Choice;
  choose(kind: ChoiceKind, index: number): void;
  play(): void;
  goLive(): void;
  seek(toS: number): void;
  setRate(rate: number): void;
  /** Shows the server a password; null when it was right, else a code that says why not. */
  enterPassword(password: string): Promise<string | null>;
}

/** The dress of a player: what stands in its shadow tree around the media element. */
export interface Shell {
  /** HTML in which `%name%` stands for a text. */
  readonly markup: string;
  readonly css: string;
  /** Wires the buttons, once; answers what shows the player's state, called after every change and about twice a second. */
  mount(root: ShadowRoot, player: Playback): () => void;
}

/** Sets a text, where it is another: screen readers speak of every change. */
export function write(root: ParentNode, selector: string, text: string): void {
  const element = root.querySelector(selector);
  if (element && element.textContent !== text) element.textContent = text;
}
