import ipaddr from 'ipaddr.js';
import { type Logger, monotonicMs, randomHex, sha256 } from '../base/index.ts';

const MINUTE_MS = 60_000;
/** Wrong ones a minute for one live stream: from one network, and from all that have never known its password. */
const PER_NETWORK = 30;
const PER_LIVE_STREAM = 150;
/** Who makes up playback ids shares these with everybody, at a price of more connections than a machine takes. */
const COUNTERS = 65_536;
const MAX_KNOWN = 10_000;

/**
 * Counts wrong passwords, and holds up who guesses (S20): beyond 30 wrong ones a minute from a network (an IPv4 address, 64 bits of
 * IPv6) for one live stream, or 150 from all, none is looked at until the minute is over. Networks that have known the password have
 * the first limit alone, so that whom it belongs to comes in under an attack.
 */
export class Guesses {
  readonly #log: Logger;
  /** Under a digest that strangers cannot foresee; memory that does not grow with what they send. */
  readonly #salt = randomHex(16);
  readonly #counts = new Uint8Array(COUNTERS);
  /** Live stream and network, those that knew the password last at the end. */
  readonly #known = new Set<string>();
  #sinceMs = Number.NEGATIVE_INFINITY;
  #told = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** What `check` answers; `held` in its place where too many were wrong. */
  async attempt<Answer>(
    playbackId: string,
    address: string,
    held: Answer,
    check: () => Promise<Answer>,
    isWrong: (answer: Answer) => boolean,
  ): Promise<Answer> {
    this.#turnMinute();
    const place = `${playbackId} ${networkOf(address)}`;
    const perNetwork = this.#counterOf(place);
    const perLiveStream = this.#known.has(place) ? null : this.#counterOf(playbackId);
    const full =
      this.#counts[perNetwork]! >= PER_NETWORK ||
      (perLiveStream !== null && this.#counts[perLiveStream]! >= PER_LIVE_STREAM);
    if (full) {
      this.#tell(playbackId);
      return held;
    }
    // Counted before the answer: many may be under way at once.
    this.#add(1, perNetwork, perLiveStream);
    const sinceMs = this.#sinceMs;
    let wrong = false;
    try {
      const answer = await check();
      wrong = isWrong(answer);
      if (!wrong) this.#remember(place);
      return answer;
    } finally {
      if (!wrong && sinceMs === this.#sinceMs) this.#add(-1, perNetwork, perLiveStream);
    }
  }

  #turnMinute(): void {
    const now = monotonicMs();
    if (now - this.#sinceMs < MINUTE_MS) return;
    this.#sinceMs = now;
    this.#counts.fill(0);
    this.#told = false;
  }

  #counterOf(text: string): number {
    return sha256(this.#salt + text).readUInt16BE(0);
  }

  #add(change: 1 | -1, ...counters: (number | null)[]): void {
    // A counter that several share stands at its highest value rather than at 0.
    for (const counter of counters)
      if (counter !== null && (change < 0 || this.#counts[counter]! < 255)) this.#counts[counter]! += change;
  }

  #remember(place: string): void {
    this.#known.delete(place);
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.values().next().value!);
    this.#known.add(place);
  }

  /** Once a minute: who guesses must not fill the log. */
  #tell(playbackId: string): void {
    if (this.#told) return;
    this.#told = true;
    this.#log.warn({ playbackId }, 'passwords of a live stream are being guessed: held up for the rest of the minute');
  }
}

/** Of IPv6 one customer has 64 bits of addresses. */
function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed instanceof ipaddr.IPv6 ? parsed.parts.slice(0, 4).join(':') : parsed.toString();
}
