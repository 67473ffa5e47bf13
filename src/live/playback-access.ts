import { type Logger, monotonicMs, secretsEqual } from '../base/index.ts';
import { Guesses } from './guesses.ts';
import type { PlaybackRefusal, PlaybackRules, PlaybackRulesSource, ViewerFacts } from './playback-rules.ts';
import { makePlaybackToken, type PlaybackToken, readPlaybackToken, Shown } from './playback-token.ts';
import { verifyViewingJwt } from './viewing-jwt.ts';

const MAX_KNOWN = 20_000;
const MAX_LOADING = 200;
/** Tokens that were looked at: a viewer shows the same one with each request. */
const MAX_READ = 50_000;
/** For who has given a password, or watches on a page that may show the player. */
const PASS_S = 12 * 3600;

/** `open`: everybody may watch, and caches may share it. `gone`: there is no such live stream. `unknown`: the rules cannot be read now. */
export type Verdict = 'open' | 'admitted' | PlaybackRefusal | 'gone' | 'unknown';

export interface Pass {
  readonly token: string;
  /** Seconds since 1970. */
  readonly expiresS: number;
}

interface Known {
  readonly rules: PlaybackRules;
  readonly open: boolean;
  /** What tokens of ours are bound to. */
  readonly text: string;
  readMs: number;
}

export interface PlaybackAccessOptions {
  readonly source: PlaybackRulesSource;
  /** What is known is used for so long without being asked for again, in the background. Infinite where nobody else changes it. */
  readonly freshMs: number;
  readonly log: Logger;
  readonly clock?: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock?: () => number;
}

/**
 * Decides who may watch: signed tokens, a password, the pages that may show the player, countries. One answer for playlists, parts,
 * pages and players of other protocols. The rules are in memory from the first request on, so a database that is away stops nobody who
 * watches; what is not known yet and cannot be read is refused.
 */
export class PlaybackAccess {
  readonly #source: PlaybackRulesSource;
  readonly #freshMs: number;
  readonly #log: Logger;
  readonly #clock: () => number;
  readonly #wallClock: () => number;
  readonly #guesses: Guesses;
  /** By playback id, the oldest first. */
  readonly #known = new Map<string, Known>();
  readonly #loading = new Map<string, Promise<Known | null>>();
  /** By playback id and token; null for what is none. For the rules of that moment. */
  readonly #read = new Map<string, { readonly for: Known; readonly token: PlaybackToken | null }>();

  constructor({ source, freshMs, log, clock = monotonicMs, wallClock = Date.now }: PlaybackAccessOptions) {
    this.#source = source;
    this.#freshMs = freshMs;
    this.#log = log;
    this.#clock = clock;
    this.#wallClock = wallClock;
    this.#guesses = new Guesses(log);
  }

  /** Whether who sends this may watch. At once where the rules are known. */
  check(playbackId: string, facts: ViewerFacts): Verdict | Promise<Verdict> {
    const known = this.#now(playbackId);
    if (known) return this.#judge(playbackId, known, facts);
    return this.#load(playbackId).then(
      (loaded) => (loaded ? this.#judge(playbackId, loaded, facts) : ('gone' as const)),
      () => 'unknown' as const,
    );
  }

  /** The rules; null when there is no such live stream. @throws CodedError store_unavailable */
  async rules(playbackId: string): Promise<PlaybackRules | null> {
    return (this.#now(playbackId) ?? (await this.#load(playbackId)))?.rules ?? null;
  }

  /**
   * Exchanges what a viewer has shown for a token of ours, which admits to everything of this playback id until it expires. `password`
   * is what was typed, from `address`. @throws CodedError store_unavailable
   */
  async pass(
    playbackId: string,
    facts: ViewerFacts,
    password: string | null = null,
    address = '',
  ): Promise<Pass | PlaybackRefusal> {
    const known = this.#now(playbackId) ?? (await this.#load(playbackId));
    // Nobody learns here which playback ids exist: one that does not is refused as a wrong password would be.
    if (!known) return 'password_wrong';
    const { rules } = known;
    const nowS = this.#wallClock() / 1000;
    const before = this.#shownBy(playbackId, known, facts.token);
    if (typeof before === 'string') return before;
    let { shown } = before;
    if (mayFrom(rules, facts.site)) shown |= Shown.site;
    if (password !== null && rules.password !== null) {
      const right = () => Promise.resolve(secretsEqual(password, rules.password!));
      if (!(await this.#guesses.attempt(playbackId, address, false, right, (answer) => !answer)))
        return 'password_wrong';
      shown |= Shown.password;
    }
    const refusal = missing(rules, shown, facts);
    if (refusal) return refusal;
    const expiresS = Math.floor(Math.min(before.expiresS, nowS + PASS_S));
    return this.#make(playbackId, known, { shown, expiresS, keyId: before.keyId });
  }

  /** A token for whoever the live stream's owner gives it to; countries are looked at all the same. @throws CodedError store_unavailable */
  async issue(playbackId: string, forS: number): Promise<Pass | null> {
    const known = this.#now(playbackId) ?? (await this.#load(playbackId));
    if (!known) return null;
    const expiresS = Math.floor(this.#wallClock() / 1000 + forS);
    const shown = Shown.signature | Shown.password | Shown.site;
    return this.#make(playbackId, known, { shown, expiresS, keyId: null });
  }

  /** A live stream's rules were changed in the store: they are read anew before anybody is admitted. */
  changed(playbackId: string): void {
    this.#known.delete(playbackId);
    this.#loading.delete(playbackId);
  }

  /** Signing keys were made or deleted. */
  keysChanged(): void {
    for (const [playbackId, { rules }] of this.#known)
      if (rules.keys.size > 0 || rules.signed) this.changed(playbackId);
  }

  #judge(playbackId: string, known: Known, facts: ViewerFacts): Verdict {
    if (known.open) return 'open';
    const { rules } = known;
    const token = this.#shownBy(playbackId, known, facts.token);
    if (typeof token === 'string') return token;
    const shown = token.shown | (mayFrom(rules, facts.site) ? Shown.site : 0);
    return missing(rules, shown, facts) ?? 'admitted';
  }

  /** What the bearer of a token has shown before; without one nothing. A refusal where it is no good. */
  #shownBy(playbackId: string, known: Known, text: string | null): PlaybackToken | 'token_invalid' | 'token_expired' {
    const nowS = this.#wallClock() / 1000;
    if (text === null) return { shown: 0, expiresS: Number.POSITIVE_INFINITY, keyId: null };
    const name = `${playbackId} ${text}`;
    let read = this.#read.get(name);
    if (read?.for !== known) {
      const answer = this.#open(playbackId, known, text, nowS);
      if (answer === 'token_expired') return answer;
      read = { for: known, token: answer };
      if (this.#read.size >= MAX_READ) this.#read.delete(this.#read.keys().next().value!);
      // Made-up ones would push out those of viewers.
      if (answer) this.#read.set(name, read);
    }
    const { token } = read;
    if (!token || (token.keyId !== null && !known.rules.keys.has(token.keyId))) return 'token_invalid';
    return token.expiresS > nowS ? token : 'token_expired';
  }

  #open(playbackId: string, known: Known, text: string, nowS: number): PlaybackToken | null | 'token_expired' {
    if (!text.includes('.')) return readPlaybackToken(this.#source.playbackTokenKeys, playbackId, known.text, text);
    const answer = verifyViewingJwt(text, playbackId, known.rules.keys, nowS);
    if (!answer.ok) return answer.reason === 'token_expired' ? answer.reason : null;
    // Whom the customer's own software lets in needs no password.
    return { shown: Shown.signature | Shown.password, expiresS: answer.expiresS, keyId: answer.keyId };
  }

  #make(playbackId: string, known: Known, token: PlaybackToken): Pass {
    const key = this.#source.playbackTokenKeys[0]!;
    return { token: makePlaybackToken(key, playbackId, known.text, token), expiresS: token.expiresS };
  }

  /** What is known, and asked for anew in the background when it is not fresh. */
  #now(playbackId: string): Known | undefined {
    const known = this.#known.get(playbackId);
    if (known && this.#clock() - known.readMs > this.#freshMs) {
      known.readMs = this.#clock();
      this.#load(playbackId).catch((error) => this.#log.debug({ reason: error.message }, 'playback rules: not read'));
    }
    return known;
  }

  #load(playbackId: string): Promise<Known | null> {
    const under = this.#loading.get(playbackId);
    if (under) return under;
    if (this.#loading.size >= MAX_LOADING) return Promise.reject(new Error('too many playback rules are being read'));
    const loading = this.#source
      .playbackRules(playbackId)
      .then((rules) => {
        // Changed meanwhile: what was read may be from before.
        if (this.#loading.get(playbackId) !== loading) return this.#load(playbackId);
        return this.#keep(playbackId, rules);
      })
      .finally(() => {
        if (this.#loading.get(playbackId) === loading) this.#loading.delete(playbackId);
      });
    this.#loading.set(playbackId, loading);
    return loading;
  }

  #keep(playbackId: string, rules: PlaybackRules | null): Known | null {
    const before = this.#known.get(playbackId) ?? null;
    // Deleted: what is left of it to watch is watched by its last rules.
    if (!rules) return before;
    const text = textOf(rules);
    const same = before && before.text === text && sameKeys(before.rules, rules);
    const known = same ? before : { rules, open: isOpen(rules), text, readMs: 0 };
    known.readMs = this.#clock();
    if (!before && this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(playbackId, known);
    return known;
  }
}

const isOpen = ({ signed, password, byDomain, countries, blockedCountries }: PlaybackRules): boolean =>
  !signed && password === null && !byDomain && countries.length === 0 && blockedCountries.length === 0;

const textOf = ({ signed, password, domains, byDomain, countries, blockedCountries }: PlaybackRules): string =>
  JSON.stringify([signed, password, domains, byDomain, countries, blockedCountries]);

const sameKeys = (a: PlaybackRules, b: PlaybackRules): boolean =>
  a.keys.size === b.keys.size && [...a.keys.keys()].every((id) => b.keys.has(id));

function missing(rules: PlaybackRules, shown: number, { country }: ViewerFacts): PlaybackRefusal | null {
  const code = country?.toUpperCase() ?? null;
  // Where it is not known where somebody is, nobody is let in (S27).
  if (rules.countries.length > 0 && !(code && rules.countries.includes(code))) return 'country_blocked';
  if (rules.blockedCountries.length > 0 && (!code || rules.blockedCountries.includes(code))) return 'country_blocked';
  if (rules.byDomain && !(shown & Shown.site)) return 'domain_blocked';
  if (rules.signed && !(shown & Shown.signature)) return 'token_required';
  if (rules.password !== null && !(shown & Shown.password)) return 'password_required';
  return null;
}

/** Whether the page is one of those that may show the player: a domain stands for those below it too. */
function mayFrom({ byDomain, domains }: PlaybackRules, site: string | null): boolean {
  if (!byDomain) return true;
  if (site === null || !URL.canParse(site)) return false;
  const host = new URL(site).hostname;
  return domains.some((domain) => host === domain || host.endsWith(`.${domain}`));
}
