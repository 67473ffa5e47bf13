/** 2.5 MB: what encoders set themselves, and what we assume when a peer sets none but stops without acknowledgements. */
export const DEFAULT_WINDOW = 2_500_000;

/**
 * Decides when an acknowledgement is due (RTMP 1.0 section 5.4.3): at half the window, so that a peer that waits for one
 * never does. At most one a call, however small the window.
 */
export class Acknowledger {
  #window = DEFAULT_WINDOW;
  #acknowledged = 0;

  /** The window the peer asked for; 0 means the default. */
  set window(bytes: number) {
    this.#window = bytes === 0 ? DEFAULT_WINDOW : bytes;
  }

  /** Whether to acknowledge `bytesReceived` now. */
  due(bytesReceived: number): boolean {
    if (bytesReceived - this.#acknowledged < this.#window / 2) return false;
    this.#acknowledged = bytesReceived;
    return true;
  }
}
