import type { Logger } from '../base/index.ts';
import { Guesses } from './guesses.ts';
import type { AuthorisationAnswer, PublishAuthoriser, PublishRequest } from './ports.ts';

export interface GuessLimiterOptions {
  /** Who checks the passwords. */
  readonly authoriser: PublishAuthoriser;
  readonly log: Logger;
}

/** Hex digits of a password that nobody guesses: 128 bits. */
const LONG = 32;

/**
 * Makes guessing the 32 bits of a short stream password hopeless (S20): who is held up is answered as for a wrong one. Long passwords
 * are neither counted nor held up.
 */
export class GuessLimiter implements PublishAuthoriser {
  readonly #authoriser: PublishAuthoriser;
  readonly #guesses: Guesses;

  constructor({ authoriser, log }: GuessLimiterOptions) {
    this.#authoriser = authoriser;
    this.#guesses = new Guesses(log);
  }

  async authorise(request: PublishRequest): Promise<AuthorisationAnswer> {
    const { playbackId, password, address = '' } = request;
    const check = () => this.#authoriser.authorise(request);
    if (password.length >= LONG) return check();
    const isWrong = (answer: AuthorisationAnswer) => !answer.ok && answer.reason === 'unknown';
    return this.#guesses.attempt<AuthorisationAnswer>(
      playbackId,
      address,
      { ok: false, reason: 'unknown' },
      check,
      isWrong,
    );
  }
}
