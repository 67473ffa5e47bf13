/** Acknowledgements seen before their absence means anything: some services acknowledge the beginning and nothing else. */
const ENOUGH = 3;
const SLACK_BYTES = 262_144;

/**
 * Whether a service that acknowledges has stopped doing so. What a connection has taken may still lie in the kernel's buffers, for
 * half a minute at low bit rates; acknowledgements say what arrived.
 */
export class AckWatch {
  #acknowledged = 0;
  #times = 0;
  #sentThen = 0;
  /** The most that was ever sent from one acknowledgement to the next. */
  #stepBytes = 0;
  #lateSinceMs = Number.NaN;

  /** To be asked about once a second: for how long an acknowledgement has been due, by the service's own habit; 0 when none is. */
  lateMs(nowMs: number, bytesSent: number, bytesAcknowledged: number): number {
    if (bytesAcknowledged !== this.#acknowledged) {
      if (this.#times++ > 0) this.#stepBytes = Math.max(this.#stepBytes, bytesSent - this.#sentThen);
      this.#acknowledged = bytesAcknowledged;
      this.#sentThen = bytesSent;
      this.#lateSinceMs = Number.NaN;
      return 0;
    }
    if (this.#times < ENOUGH || bytesSent - this.#sentThen <= 2 * this.#stepBytes + SLACK_BYTES) return 0;
    if (Number.isNaN(this.#lateSinceMs)) this.#lateSinceMs = nowMs;
    return nowMs - this.#lateSinceMs;
  }
}
