import { setTimeout as delay } from 'node:timers/promises';
import { createTransport } from 'nodemailer';
import type { Logger } from '../base/index.ts';

export interface MailerOptions {
  /** `smtp://user:password@host:587` or `smtps://…`; a secret. */
  readonly smtpUrl: string;
  /** What stands under From, for example `LiveAPI <live@example.com>`. */
  readonly from: string;
  readonly log: Logger;
}

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** Mails under way; beyond it new ones are dropped, and the log says so. */
const MAX_WAITING = 1000;
const TIMEOUT_MS = 20_000;
const CLOSE_WITHIN_MS = 3000;

/** Hands mails to a mail server, in nobody's way: a mail that the server does not take is logged, without its text. */
export class Mailer {
  readonly #transport: ReturnType<typeof createTransport>;
  readonly #from: string;
  readonly #log: Logger;
  readonly #underWay = new Set<Promise<void>>();

  constructor({ smtpUrl, from, log }: MailerOptions) {
    this.#transport = createTransport({
      url: smtpUrl,
      pool: true,
      maxConnections: 2,
      connectionTimeout: TIMEOUT_MS,
      greetingTimeout: TIMEOUT_MS,
      socketTimeout: TIMEOUT_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
    } as Parameters<typeof createTransport>[0]);
    this.#from = from;
    this.#log = log;
  }

  /** Returns at once. */
  send({ to, subject, text }: Mail): void {
    if (this.#underWay.size >= MAX_WAITING) {
      this.#log.warn({ subject }, 'mail: dropped, too many wait for the mail server');
      return;
    }
    const sending: Promise<void> = this.#transport
      // As an object: an address is never read as a list of several.
      .sendMail({ from: this.#from, to: { name: '', address: to }, subject, text })
      .then(
        () => this.#log.info({ subject }, 'mail: handed over'),
        (error: { code?: string; responseCode?: number }) =>
          this.#log.warn({ subject, reason: error.code, answer: error.responseCode }, 'mail: not handed over'),
      )
      .finally(() => this.#underWay.delete(sending));
    this.#underWay.add(sending);
  }

  /** Gives the mails under way three seconds: a mail server that stands still does not keep the process from its end. */
  async close(): Promise<void> {
    const ended = new AbortController();
    const all = Promise.all(this.#underWay).then(() => ended.abort());
    await Promise.race([all, delay(CLOSE_WITHIN_MS, undefined, { signal: ended.signal }).catch(() => {})]);
    if (this.#underWay.size > 0) this.#log.warn({ mails: this.#underWay.size }, 'mail: given up, the server stops');
    this.#transport.close();
  }
}
