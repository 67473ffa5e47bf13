import type { Evidence } from './evidence.ts';

/** An assertion that does not apply to this stream or this watch, and why. */
export class NotApplicable {
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

/** One numbered assertion over what was watched. Throws when it does not hold; may answer with a NotApplicable. */
export interface Check {
  readonly id: string;
  readonly says: string;
  readonly run: (evidence: Evidence) => unknown;
}

/** Shorthand for the lists of checks. */
export const check = (id: string, says: string, run: Check['run']): Check => ({ id, says, run });

/** @throws with `why` unless `condition` holds. */
export function must(condition: unknown, why: string | (() => string)): asserts condition {
  if (!condition) throw new Error(typeof why === 'string' ? why : why());
}

/** The value below which the share `p` of `values` lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}
