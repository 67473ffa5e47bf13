import { createHmac, randomBytes, randomFillSync } from 'node:crypto';
import { CodedError } from '../../base/index.ts';

// RTMP 1.0 section 5.2. The digest form is what Flash Media Server added to it: C1 and S1 carry, at a place that other
// bytes of theirs point to, an HMAC-SHA256 of all the rest, and S2 and C2 one of themselves, keyed by the peer's digest.
// There are two layouts, which differ in the order of the digest block and a key block that only encryption uses.

const VERSION = 3;
const SIZE = 1536;
const DIGEST = 32;
/** Where the four bytes that point to the digest stand, by layout. */
const LAYOUTS = [772, 8];
const DIGEST_PLACES = 728;

const KEY_TAIL = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');
const CLIENT_KEY = Buffer.from('Genuine Adobe Flash Player 001');
const SERVER_KEY = Buffer.from('Genuine Adobe Flash Media Server 001');
const SERVER_KEY_FULL = Buffer.concat([SERVER_KEY, KEY_TAIL]);
/** Any version that is not zero announces a digest; clients look for 3 or more. */
const SERVER_VERSION = 0x04050001;

/** Collects exactly `size` bytes from pieces of any size. */
class Collector {
  readonly bytes: Buffer;
  #length = 0;

  constructor(size: number) {
    // Not from the pool, of which it would keep a whole block for the life of the connection.
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  get full(): boolean {
    return this.#length === this.bytes.length;
  }

  /** Takes what is missing from `bytes` at `offset`; returns the offset after it. */
  take(bytes: Buffer, offset: number): number {
    const count = bytes.copy(this.bytes, this.#length, offset);
    this.#length += count;
    return offset + count;
  }
}

/** The accepting side. */
export class ServerHandshake {
  readonly #c0c1 = new Collector(1 + SIZE);
  #c2Left = SIZE;
  #answered = false;

  get done(): boolean {
    return this.#c2Left === 0;
  }

  /**
   * Reads on and returns how many bytes it took; what is left after `done` belongs to the chunk layer. C2 is not compared
   * with S1: several encoders send something else. Throws CodedError('rtmp_protocol') for a version other than 3.
   */
  receive(bytes: Buffer, send: (bytes: Buffer) => void): number {
    let offset = 0;
    if (!this.#answered) {
      offset = this.#c0c1.take(bytes, 0);
      checkVersion(this.#c0c1.bytes, offset > 0);
      if (!this.#c0c1.full) return offset;
      this.#answered = true;
      send(answer(this.#c0c1.bytes.subarray(1)));
    }
    const count = Math.min(this.#c2Left, bytes.length - offset);
    this.#c2Left -= count;
    return offset + count;
  }
}

/** The connecting side, in the plain form, which every server takes. */
export class ClientHandshake {
  readonly #s0s1 = new Collector(1 + SIZE);
  #s2Left = SIZE;
  #answered = false;

  get done(): boolean {
    return this.#s2Left === 0;
  }

  /** C0 and C1. */
  start(): Buffer {
    const bytes = Buffer.alloc(1 + SIZE);
    bytes[0] = VERSION;
    randomFillSync(bytes, 9);
    return bytes;
  }

  /** As in ServerHandshake. C2 goes out as soon as S0 and S1 are in: some servers send S2 only after it. */
  receive(bytes: Buffer, send: (bytes: Buffer) => void): number {
    let offset = 0;
    if (!this.#answered) {
      offset = this.#s0s1.take(bytes, 0);
      checkVersion(this.#s0s1.bytes, offset > 0);
      if (!this.#s0s1.full) return offset;
      this.#answered = true;
      send(this.#s0s1.bytes.subarray(1));
    }
    const count = Math.min(this.#s2Left, bytes.length - offset);
    this.#s2Left -= count;
    return offset + count;
  }
}

function checkVersion(bytes: Buffer, any: boolean): void {
  if (any && bytes[0] !== VERSION) {
    throw new CodedError('rtmp_protocol', `byte 0: RTMP version ${bytes[0]}, only version ${VERSION} is spoken here`);
  }
}

/** S0, S1 and S2 for a C1. */
function answer(c1: Buffer): Buffer {
  const bytes = Buffer.alloc(1 + 2 * SIZE);
  bytes[0] = VERSION;
  const s1 = bytes.subarray(1, 1 + SIZE);
  const s2 = bytes.subarray(1 + SIZE);
  randomFillSync(s1, 8);
  const found = c1.readUInt32BE(4) === 0 ? null : findDigest(c1);
  if (found === null) {
    c1.copy(s2);
    return bytes;
  }
  s1.writeUInt32BE(SERVER_VERSION, 4);
  const place = digestPlace(s1, found.layout);
  digest(s1, place, SERVER_KEY).copy(s1, place);
  randomBytes(SIZE - DIGEST).copy(s2);
  const key = createHmac('sha256', SERVER_KEY_FULL).update(found.digest).digest();
  digest(s2, SIZE - DIGEST, key).copy(s2, SIZE - DIGEST);
  return bytes;
}

function findDigest(c1: Buffer): { layout: number; digest: Buffer } | null {
  for (const layout of LAYOUTS) {
    const place = digestPlace(c1, layout);
    const found = c1.subarray(place, place + DIGEST);
    if (digest(c1, place, CLIENT_KEY).equals(found)) return { layout, digest: found };
  }
  return null;
}

function digestPlace(bytes: Buffer, layout: number): number {
  const sum = bytes[layout]! + bytes[layout + 1]! + bytes[layout + 2]! + bytes[layout + 3]!;
  return layout + 4 + (sum % DIGEST_PLACES);
}

/** HMAC of all bytes but the digest itself. */
function digest(bytes: Buffer, place: number, key: Buffer): Buffer {
  const rest = bytes.subarray(place + DIGEST);
  return createHmac('sha256', key).update(bytes.subarray(0, place)).update(rest).digest();
}
