import { createHash, randomBytes } from 'node:crypto';
import { CodedError } from '../../base/index.ts';

const MAX_HEAD = 16_384;
const MAX_BODY = 65_536;
const DOLLAR = 0x24;

/** A request or an answer. */
export interface RtspMessage {
  /** The first line. */
  readonly start: string;
  /** In their order, names as they were written. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** The first value of a header, or undefined. */
export function headerOf({ headers }: Pick<RtspMessage, 'headers'>, name: string): string | undefined {
  return headers.find(([one]) => one.toLowerCase() === name)?.[1];
}

export function writeMessage({ start, headers, body }: RtspMessage): Buffer {
  const lines = [start, ...headers.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

/** Takes one direction of an RTSP connection apart: messages, and between them frames of interleaved media (RFC 2326, 10.12). */
export class RtspReader {
  readonly #onMessage: (message: RtspMessage) => void;
  readonly #onFrame: (bytes: Buffer) => void;
  #held: Buffer = Buffer.alloc(0);

  constructor(onMessage: (message: RtspMessage) => void, onFrame: (bytes: Buffer) => void) {
    this.#onMessage = onMessage;
    this.#onFrame = onFrame;
  }

  /** @throws CodedError media_invalid for what is no RTSP, or too long */
  push(bytes: Buffer): void {
    let rest = this.#held.length > 0 ? Buffer.concat([this.#held, bytes]) : bytes;
    for (let length = this.#next(rest); length > 0; length = this.#next(rest)) rest = rest.subarray(length);
    // A copy: the rest is a view on what is much larger.
    this.#held = Buffer.from(rest);
  }

  /** The length of what `bytes` begin with, told; 0 when it is not whole yet. */
  #next(bytes: Buffer): number {
    if (bytes.length < 4) return 0;
    if (bytes[0] === DOLLAR) {
      const length = 4 + bytes.readUInt16BE(2);
      if (bytes.length < length) return 0;
      this.#onFrame(bytes.subarray(0, length));
      return length;
    }
    const end = bytes.subarray(0, MAX_HEAD).indexOf('\r\n\r\n');
    if (end < 0) {
      if (bytes.length >= MAX_HEAD || !/^[A-Z_\r\n]/.test(String.fromCharCode(bytes[0]!)))
        throw new CodedError('media_invalid', 'not RTSP');
      return 0;
    }
    const [start = '', ...lines] = bytes
      .toString('latin1', 0, end)
      .replace(/^[\r\n]+/, '')
      .split('\r\n');
    const headers = lines.flatMap((line) => {
      const match = /^([\w-]+)[ \t]*:[ \t]*(.*)$/.exec(line);
      return match ? [[match[1]!, match[2]!.trim()] as const] : [];
    });
    const length = Number(headerOf({ headers }, 'content-length') ?? 0);
    if (!(length >= 0 && length <= MAX_BODY)) throw new CodedError('media_invalid', 'an RTSP message is too long');
    const whole = end + 4 + length;
    if (bytes.length < whole) return 0;
    this.#onMessage({ start, headers, body: bytes.subarray(end + 4, whole) });
    return whole;
  }
}

/** What a server asks for with 401, of that which we can give. */
export interface Challenge {
  readonly scheme: 'Digest' | 'Basic';
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  readonly qop: boolean;
  readonly algorithm: 'MD5' | 'SHA-256';
  readonly stale: boolean;
}

/** The best of the challenges in an answer: Digest before Basic; null when there is none that we know. */
export function challengeOf({ headers }: Pick<RtspMessage, 'headers'>): Challenge | null {
  const challenges = headers.flatMap(([name, value]): Challenge[] => {
    if (name.toLowerCase() !== 'www-authenticate') return [];
    const field = (key: string) =>
      new RegExp(`\\b${key}=(?:"([^"]*)"|([^\\s,]*))`, 'i').exec(value)?.slice(1).find(Boolean);
    const scheme = /^digest\b/i.test(value) ? 'Digest' : /^basic\b/i.test(value) ? 'Basic' : null;
    const algorithm = (field('algorithm') ?? 'MD5').toUpperCase();
    if (!scheme || (algorithm !== 'MD5' && algorithm !== 'SHA-256')) return [];
    const [realm = '', nonce = ''] = [field('realm'), field('nonce')];
    const qop = /\bauth\b/.test(field('qop') ?? '');
    return [
      { scheme, realm, nonce, opaque: field('opaque'), qop, algorithm, stale: /true/i.test(field('stale') ?? '') },
    ];
  });
  return challenges.find(({ scheme }) => scheme === 'Digest') ?? challenges[0] ?? null;
}

/** The Authorization header that answers a challenge (RFC 2617, RFC 7616). */
export function authorizationFor(
  { scheme, realm, nonce, opaque, qop, algorithm }: Challenge,
  { user, password }: { readonly user: string; readonly password: string },
  method: string,
  uri: string,
): string {
  if (scheme === 'Basic') return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const hash = (text: string) =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex');
  const cnonce = randomBytes(8).toString('hex');
  const [ha1, ha2] = [hash(`${user}:${realm}:${password}`), hash(`${method}:${uri}`)];
  const response = hash(qop ? `${ha1}:${nonce}:00000001:${cnonce}:auth:${ha2}` : `${ha1}:${nonce}:${ha2}`);
  const quoted = (text: string) => `"${text.replace(/["\\]/g, '')}"`;
  return [
    `Digest username=${quoted(user)}, realm=${quoted(realm)}, nonce=${quoted(nonce)}, uri=${quoted(uri)}, response="${response}"`,
    ...(qop ? [`qop=auth, nc=00000001, cnonce="${cnonce}"`] : []),
    ...(opaque === undefined ? [] : [`opaque=${quoted(opaque)}`]),
    ...(algorithm === 'MD5' ? [] : [`algorithm=${algorithm}`]),
  ].join(', ');
}
