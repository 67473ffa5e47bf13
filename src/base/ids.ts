import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

const ofThisProcess = randomBytes(5);
let counter = randomBytes(3).readUIntBE(0, 3);

/**
 * A new id of 24 lower-case hex digits: 4 bytes of time, 5 of this process, 3 counting up, so that ids made here sort by
 * time. Ids name things; they are no secrets.
 */
export function newId(nowMs: number = Date.now()): string {
  const id = Buffer.allocUnsafe(12);
  id.writeUInt32BE(Math.floor(nowMs / 1000) >>> 0, 0);
  ofThisProcess.copy(id, 4);
  counter = (counter + 1) & 0xffffff;
  id.writeUIntBE(counter, 9, 3);
  return id.toString('hex');
}

/** `bytes` random bytes as lower-case hex. */
export const randomHex = (bytes: number): string => randomBytes(bytes).toString('hex');

/** SHA-256 of a random secret: a fast hash is right for secrets of 128 bits and more (not for people's passwords). */
export const sha256 = (secret: string): Buffer => hash('sha256', secret, 'buffer');

/** The same in lower-case hex, as it is stored. */
export const sha256Hex = (secret: string): string => sha256(secret).toString('hex');

/** Compares two secrets in constant time, whatever their lengths. */
export const secretsEqual = (a: string, b: string): boolean => timingSafeEqual(sha256(a), sha256(b));
