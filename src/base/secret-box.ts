import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { CodedError } from './errors.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of what was opened last, so many texts of at most that many characters are remembered. */
const MAX_OPENED = 4096;
const MAX_REMEMBERED = 1024;

/**
 * Seals secrets that have to be shown or used again (stream passwords, platform keys, webhook secrets), with AES-256-GCM: a copy
 * of the database alone opens none of them. Seals with the first key and opens with any, so that keys can be changed.
 * `purpose` binds a sealed text to its column: one copied to another place does not open there.
 */
export class SecretBox {
  readonly #keys: readonly { readonly id: string; readonly key: KeyObject }[];
  /** By purpose and sealed text, which no two sealings share: nothing here can be out of date. */
  readonly #opened = new Map<string, string>();

  /** Each key has 32 bytes; the newest first. */
  constructor(keys: readonly Buffer[]) {
    if (keys.length === 0 || keys.some((key) => key.length !== 32)) throw new Error('SecretBox: keys of 32 bytes');
    // Key objects: raw bytes are looked at anew with every use, which costs more than the cipher.
    this.#keys = keys.map((key) => ({
      id: createHmac('sha256', key).update('id').digest('hex').slice(0, 8),
      key: createSecretKey(key),
    }));
  }

  /** `<key id>.<base64url of nonce, tag and cipher text>`. */
  seal(text: string, purpose: string): string {
    const { id, key } = this.#keys[0]!;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return `${id}.${Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')}`;
  }

  /** @throws CodedError secret_unreadable when the key is not among ours, or the text was changed or moved. */
  open(sealed: string, purpose: string): string {
    const name = `${purpose}\n${sealed}`;
    const known = this.#opened.get(name);
    if (known !== undefined) return known;
    const text = this.#open(sealed, purpose);
    if (name.length + text.length <= MAX_REMEMBERED) {
      // The oldest goes first: a map keeps the order in which it was filled.
      if (this.#opened.size >= MAX_OPENED) this.#opened.delete(this.#opened.keys().next().value!);
      this.#opened.set(name, text);
    }
    return text;
  }

  #open(sealed: string, purpose: string): string {
    const dot = sealed.indexOf('.');
    const known = this.#keys.find(({ id }) => id === sealed.slice(0, dot));
    const bytes = Buffer.from(sealed.slice(dot + 1), 'base64url');
    try {
      if (!known || bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('unknown key');
      const cipher = createDecipheriv('aes-256-gcm', known.key, bytes.subarray(0, NONCE_BYTES))
        .setAAD(Buffer.from(purpose))
        .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      return cipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + cipher.final('utf8');
    } catch {
      const message =
        'A stored secret cannot be opened: secret_key (or the file secret.key) is not the one it was sealed with.';
      throw new CodedError('secret_unreadable', message);
    }
  }

  /** Keys of 32 bytes for another purpose, one for each of ours, the newest first: nobody learns ours from them. */
  derive(purpose: string): Buffer[] {
    return this.#keys.map(({ key }) => createHmac('sha256', key).update(`derive:${purpose}`).digest());
  }

  /** Whether `sealed` was made with the newest key. */
  isCurrent(sealed: string): boolean {
    return sealed.startsWith(`${this.#keys[0]!.id}.`);
  }
}
