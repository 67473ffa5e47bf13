const everyMs = 5_000;

/**
 * Tells the server that somebody watches, every five seconds. So the playlists need no session and caches may share them; an id
 * lives as long as the page does and is kept nowhere.
 */
export class Presence {
  readonly #url: string;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `hls` is the address of a playlist: reports go to its neighbour. */
  constructor(hls: string) {
    // Not randomUUID(): a page on plain HTTP does not have it.
    const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join(
      '',
    );
    this.#url = new URL(`viewer?_session=${id}`, hls).href;
  }

  /** Begins to report, at once, or stops. */
  run(watching: boolean): void {
    if (watching === (this.#timer !== undefined)) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (!watching) return;
    this.#timer = setInterval(() => this.#report(), everyMs);
    this.#report();
  }

  /** A report that does not arrive is no matter: the next one will. */
  #report(): void {
    fetch(this.#url, { cache: 'no-store', credentials: 'omit' }).catch(() => {});
  }
}
