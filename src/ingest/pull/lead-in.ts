import { monotonicMs } from '../../base/index.ts';
import type { Packet } from '../../media/index.ts';

/** Sound that comes first may have a picture after it; so long without one, and there is none. */
const SOUND_ALONE_MS = 1000;
/** What may wait while the live stream is being claimed. */
const MAX_BYTES = 16 << 20;
const MAX_PACKETS = 4000;

/**
 * The first packets of a source, until its media may begin: a source is joined in the middle of it, and nothing before its first key
 * frame can be shown.
 */
export class LeadIn {
  #packets: Packet[] = [];
  #bytes = 0;
  #hasVideo = false;
  #firstMs = Number.NaN;

  /** Takes a packet; true when what it holds is a beginning. */
  take(packet: Packet): boolean {
    const now = monotonicMs();
    if (Number.isNaN(this.#firstMs)) this.#firstMs = now;
    const begun = this.#packets[0]?.track.kind === 'video';
    if (packet.track.kind === 'video') {
      this.#hasVideo = true;
      // A key frame anew when too much has gathered: what came before it is not needed.
      if (!begun || (packet.key && this.#full)) this.#clear();
      if (begun || packet.key) this.#keep(packet);
    } else if (begun || !this.#hasVideo) {
      if (!begun && this.#full) this.#clear();
      this.#keep(packet);
    }
    return this.#hasVideo ? this.#packets.length > 0 : now - this.#firstMs >= SOUND_ALONE_MS;
  }

  /** Gives away what it holds. */
  release(): readonly Packet[] {
    const packets = this.#packets;
    this.#clear();
    return packets;
  }

  get #full(): boolean {
    return this.#bytes > MAX_BYTES || this.#packets.length > MAX_PACKETS;
  }

  #keep(packet: Packet): void {
    if (this.#packets.length > 2 * MAX_PACKETS || this.#bytes > 2 * MAX_BYTES) return;
    this.#packets.push(packet);
    this.#bytes += packet.data.length;
  }

  #clear(): void {
    this.#packets = [];
    this.#bytes = 0;
  }
}
