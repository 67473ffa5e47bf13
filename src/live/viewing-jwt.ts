import { verify } from 'node:crypto';
import type { VerifyingKey } from './playback-rules.ts';

/** Of video, as Mux names it; other kinds of tokens (thumbnails, statistics) open no media. */
const AUDIENCE = 'v';
const MAX_LENGTH = 4096;
/** A token that lives for longer is no viewing token (S24). */
const MAX_LIFE_S = 7 * 86_400;
/** By which the clock that signed it may be ahead. */
const SKEW_S = 5;
const KEY_ID = /^[0-9a-f]{24}$/;

export type JwtAnswer =
  | { readonly ok: true; readonly keyId: string; readonly expiresS: number }
  | { readonly ok: false; readonly reason: 'token_invalid' | 'token_expired' };

const INVALID = { ok: false, reason: 'token_invalid' } as const;

/**
 * Verifies a viewing token that a customer has signed (RFC 7519, RFC 8725): RS256 or EdDSA as its key says, `sub` the playback id, `aud` "v", `exp` within seven days.
 * `keys` are those of the live stream's environment and no others.
 */
export function verifyViewingJwt(
  text: string,
  playbackId: string,
  keys: ReadonlyMap<string, VerifyingKey>,
  nowS: number,
): JwtAnswer {
  const [head, body, signature, ...more] = text.length > MAX_LENGTH ? [] : text.split('.');
  if (!head || !body || !signature || more.length > 0) return INVALID;
  const header = readObject(head);
  const claims = readObject(body);
  if (!header || !claims) return INVALID;
  const keyId = header.kid ?? claims.kid;
  if (typeof keyId !== 'string' || !KEY_ID.test(keyId)) return INVALID;
  const known = keys.get(keyId);
  // The algorithm is the key's: what the token says may only agree. Extensions that must be understood are not.
  if (!known || header.alg !== known.algorithm || 'crit' in header) return INVALID;
  const signed = Buffer.from(`${head}.${body}`);
  const algorithm = known.algorithm === 'RS256' ? 'sha256' : null;
  const bytes = readBytes(signature);
  if (!bytes || !verify(algorithm, signed, known.key, bytes)) return INVALID;
  if (claims.sub !== playbackId || claims.aud !== AUDIENCE) return INVALID;
  const { exp, nbf } = claims;
  if (typeof exp !== 'number' || !Number.isFinite(exp) || exp > nowS + MAX_LIFE_S) return INVALID;
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf <= nowS + SKEW_S)) return INVALID;
  if (exp <= nowS) return { ok: false, reason: 'token_expired' };
  return { ok: true, keyId, expiresS: Math.floor(exp) };
}

/** Null unless it is the one canonical spelling. */
function readBytes(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}

/** An object of JSON that names nothing twice: others may read another of the two than we do. */
function readObject(text: string): Record<string, unknown> | null {
  const json = readBytes(text)?.toString();
  if (json === undefined) return null;
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    // A name with an escape in it may be one of these in disguise.
    if (/"[^"]*\\[^"]*"\s*:/.test(json)) return null;
    for (const name of ['alg', 'kid', 'crit', 'sub', 'aud', 'exp', 'nbf'])
      if (json.split(`"${name}"`).length - 1 !== (name in value ? 1 : 0)) return null;
    return value as Record<string, unknown>;
  } catch {
    return null;
  }
}
