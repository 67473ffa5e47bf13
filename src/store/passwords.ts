import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { CodedError } from '../base/index.ts';

const derive = promisify(argon2);

/** OWASP's second choice for argon2id: 19 MiB, two passes. */
const MEMORY_KIB = 19_456;
const PASSES = 2;
const HASH_BYTES = 32;
const SALT_BYTES = 16;
/** Each takes a thread of libuv's four and 19 MiB: the rest waits, and beyond that is sent away. */
const MAX_RUNNING = 2;
const MAX_WAITING = 50;

let running = 0;
const waiting: (() => void)[] = [];

/** `argon2id$<KiB>$<passes>$<salt>$<hash>`, the last two in hex. @throws CodedError too_many_requests */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await run(password, salt, MEMORY_KIB, PASSES);
  return `argon2id$${MEMORY_KIB}$${PASSES}$${salt.toString('hex')}$${hash.toString('hex')}`;
}

/**
 * Whether `password` is the one that `stored` was made of. Null stands for nobody's password: false, after the same work.
 * @throws CodedError too_many_requests when too many people sign in at once
 */
export async function isPassword(password: string, stored: string | null): Promise<boolean> {
  const [, memory, passes, salt, hash] = stored?.split('$') ?? [];
  const wanted = hash ? Buffer.from(hash, 'hex') : randomBytes(HASH_BYTES);
  const saltBytes = salt ? Buffer.from(salt, 'hex') : randomBytes(SALT_BYTES);
  const made = await run(password, saltBytes, Number(memory ?? MEMORY_KIB), Number(passes ?? PASSES));
  return timingSafeEqual(made, wanted) && stored !== null;
}

async function run(password: string, salt: Buffer, memory: number, passes: number): Promise<Buffer> {
  if (running < MAX_RUNNING) running++;
  else if (waiting.length < MAX_WAITING) await new Promise<void>((resolve) => waiting.push(resolve));
  else throw new CodedError('too_many_requests', 'Too many people sign in at once: try again in a few seconds.');
  try {
    const message = Buffer.from(password.normalize('NFKC'));
    return await derive('argon2id', { message, nonce: salt, parallelism: 1, tagLength: HASH_BYTES, memory, passes });
  } finally {
    // Who waits takes over this one's place.
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}
