import { createHmac, timingSafeEqual } from 'node:crypto';

/** What the bearer of a token has shown. */
export const Shown = { signature: 1, password: 2, site: 4 } as const;

export interface PlaybackToken {
  /** Of `Shown`. */
  readonly shown: number;
  /** Seconds since 1970. */
  readonly expiresS: number;
  /** Of the key that signed the JWT which it was made for; null: of none. */
  readonly keyId: string | null;
}

const HEAD_BYTES = 1 + 5 + 12;
const MAC_BYTES = 16;
const NO_KEY = '0'.repeat(24);
const FORM = /^[A-Za-z0-9_-]{46}$/;

/**
 * A token of our own for one playback id: 46 characters that may stand in a path. It authenticates, with HMAC-SHA256, what was shown and until
 * when; `rules` is a text of the rules that it was shown for: with other rules it is void.
 */
export function makePlaybackToken(key: Buffer, playbackId: string, rules: string, token: PlaybackToken): string {
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = token.shown;
  head.writeUIntBE(token.expiresS, 1, 5);
  head.write(token.keyId ?? NO_KEY, 6, 'hex');
  return Buffer.concat([head, mac(key, playbackId, rules, head)]).toString('base64url');
}

/** Null when it is none of ours, or for another playback id or other rules. Whether it has expired is the caller's to see. */
export function readPlaybackToken(
  keys: readonly Buffer[],
  playbackId: string,
  rules: string,
  text: string,
): PlaybackToken | null {
  if (!FORM.test(text)) return null;
  const bytes = Buffer.from(text, 'base64url');
  const head = bytes.subarray(0, HEAD_BYTES);
  const own = bytes.subarray(HEAD_BYTES);
  if (!keys.some((key) => timingSafeEqual(mac(key, playbackId, rules, head), own))) return null;
  const keyId = head.toString('hex', 6);
  return { shown: head[0]!, expiresS: head.readUIntBE(1, 5), keyId: keyId === NO_KEY ? null : keyId };
}

function mac(key: Buffer, playbackId: string, rules: string, head: Buffer): Buffer {
  const text = `${playbackId}\n${rules}\n`;
  return createHmac('sha256', key).update(text).update(head).digest().subarray(0, MAC_BYTES);
}
