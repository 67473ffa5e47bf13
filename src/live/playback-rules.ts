import type { KeyObject } from 'node:crypto';

/** A customer's public key, with which viewing tokens (JWT) are verified. */
export interface VerifyingKey {
  readonly algorithm: SigningAlgorithm;
  readonly key: KeyObject;
}

/** Of JWTs: RSA with SHA-256, or Ed25519. */
export type SigningAlgorithm = 'RS256' | 'EdDSA';

/** Who may watch a live stream. Empty lists, no password and `signed` false: everybody. */
export interface PlaybackRules {
  /** Only with a token that one of `keys` has signed, or that this server has made. */
  readonly signed: boolean;
  /** By their ids: those of the live stream's environment. */
  readonly keys: ReadonlyMap<string, VerifyingKey>;
  readonly password: string | null;
  /** Names in small letters, each for itself and what is below it. What is no name is left out, and matches nothing. */
  readonly domains: readonly string[];
  /** Some domains were asked for; `domains` may be empty even so. */
  readonly byDomain: boolean;
  /** ISO 3166 codes in capitals. */
  readonly countries: readonly string[];
  readonly blockedCountries: readonly string[];
}

/** Knows the rules of live streams. A rejected promise means that they cannot be read now. */
export interface PlaybackRulesSource {
  /** Null when there is no such live stream. */
  playbackRules(playbackId: string): Promise<PlaybackRules | null>;
  /** What the tokens that this server makes are authenticated with, the newest first; the same for all servers on one database. */
  readonly playbackTokenKeys: readonly Buffer[];
}

/** Why somebody may not watch. */
export type PlaybackRefusal =
  | 'token_required' // the live stream is for viewers with a signed token
  | 'token_invalid'
  | 'token_expired'
  | 'password_required'
  | 'password_wrong'
  | 'domain_blocked'
  | 'country_blocked';

/** What a request says of whom it comes from. */
export interface ViewerFacts {
  /** A token of ours, or a JWT. */
  readonly token: string | null;
  /** The page that asks: the `Origin` or `Referer` of the request. */
  readonly site: string | null;
  /** By the header that the operator has named. */
  readonly country: string | null;
}
