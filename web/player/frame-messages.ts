import type { PlayerEventName, PlayerEvents } from './reporter.ts';

/** What the page around may ask for: `{liveapi: 1, command, value?}`. */
type Command = 'hello' | 'play' | 'pause' | 'mute' | 'unmute' | 'volume' | 'seek' | 'live';

/** What the commands act on. */
interface Commanded {
  readonly media: HTMLMediaElement;
  play(): void;
  goLive(): void;
  seek(toS: number): void;
}

/**
 * Talks with the page that frames this one. Messages go to its origin only: the one that the browser names, or, where it names
 * none, the one that has said hello first. Commands are taken from that window and that origin alone, and only as the schema says.
 */
export class FrameMessages {
  readonly #playbackId: string;
  readonly #player: Commanded;
  #origin = parentOrigin();

  constructor(playbackId: string, player: Commanded) {
    this.#playbackId = playbackId;
    this.#player = player;
    if (window.parent !== window) window.addEventListener('message', (event) => this.#onMessage(event));
  }

  send<N extends PlayerEventName | 'ready'>(
    event: N,
    detail: N extends PlayerEventName ? PlayerEvents[N] : object,
  ): void {
    if (window.parent === window || !this.#origin) return;
    window.parent.postMessage({ liveapi: 1, event, playback_id: this.#playbackId, ...detail }, this.#origin);
  }

  #onMessage(event: MessageEvent): void {
    if (event.source !== window.parent || event.origin === 'null') return;
    if (this.#origin && event.origin !== this.#origin) return;
    const { data } = event;
    if (typeof data !== 'object' || data === null || data.liveapi !== 1 || typeof data.command !== 'string') return;
    this.#origin ??= event.origin;
    this.#obey(data.command as Command, typeof data.value === 'number' ? data.value : Number.NaN);
  }

  #obey(command: Command, value: number): void {
    const { media } = this.#player;
    if (command === 'hello') this.send('ready', {});
    else if (command === 'play') this.#player.play();
    else if (command === 'pause') media.pause();
    else if (command === 'mute' || command === 'unmute') media.muted = command === 'mute';
    else if (command === 'volume' && value >= 0 && value <= 1) media.volume = value;
    else if (command === 'seek' && value >= 0) this.#player.seek(value);
    else if (command === 'live') this.#player.goLive();
  }
}

/** A frame of a sandbox, or a local file, has an origin that nothing can be sent to: null. */
function parentOrigin(): string | null {
  try {
    const origin = location.ancestorOrigins?.[0] ?? new URL(document.referrer).origin;
    return origin === 'null' ? null : origin;
  } catch {
    return null;
  }
}
