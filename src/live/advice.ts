import type { AdviceSeverity } from './ports.ts';

/** What an encoder's user should change, in plain words. */
export interface Advice {
  /** Stable: software may act on it. docs/guide/encoder-advice.md lists them all. */
  readonly code: AdviceCode;
  readonly severity: AdviceSeverity;
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

export type AdviceCode = keyof typeof RULES;

interface Rule {
  readonly severity: AdviceSeverity;
  /** For how many seconds in a row it must be so, and must no longer be so. */
  readonly raiseS: number;
  readonly clearS: number;
}

const RULES = {
  unsupported_codec: { severity: 'error', raiseS: 1, clearS: 1 },
  key_frames_far_apart: { severity: 'warning', raiseS: 1, clearS: 5 },
  key_frames_irregular: { severity: 'info', raiseS: 3, clearS: 10 },
  no_audio: { severity: 'info', raiseS: 10, clearS: 3 },
  no_video: { severity: 'warning', raiseS: 5, clearS: 3 },
  timestamps_jumping: { severity: 'warning', raiseS: 1, clearS: 30 },
  audio_video_drift: { severity: 'warning', raiseS: 5, clearS: 5 },
  bitrate_swinging: { severity: 'info', raiseS: 5, clearS: 15 },
  frames_late: { severity: 'warning', raiseS: 3, clearS: 10 },
  frame_rate_unstable: { severity: 'info', raiseS: 3, clearS: 10 },
} as const satisfies Record<string, Rule>;

export const ADVICE_CODES = Object.keys(RULES) as AdviceCode[];

/** What is wrong in this second, by code, with the words for it. A code that is not there is in order. */
export type Findings = Partial<Record<AdviceCode, string>>;

/** Turns findings of single seconds into advice that neither flickers nor comes for a hiccup. */
export class AdviceBoard {
  readonly #raised = new Map<AdviceCode, Advice>();
  /** Seconds in a row that speak against what is shown now. */
  readonly #streaks = new Map<AdviceCode, number>();
  readonly #onChange: (advice: Advice, raised: boolean) => void;

  constructor(onChange: (advice: Advice, raised: boolean) => void) {
    this.#onChange = onChange;
  }

  /** What is raised, the oldest first. */
  list(): readonly Advice[] {
    return [...this.#raised.values()];
  }

  /** There is nobody left to be advised. */
  clear(): void {
    for (const advice of this.#raised.values()) this.#onChange(advice, false);
    this.#raised.clear();
    this.#streaks.clear();
  }

  /** To be called once a second. */
  judge(findings: Findings, nowMs: number): void {
    for (const code of ADVICE_CODES) {
      const message = findings[code];
      const advice = this.#raised.get(code);
      if ((message !== undefined) === (advice !== undefined)) {
        this.#streaks.delete(code);
        // The words follow what is measured; that they changed is no news.
        if (advice && message !== undefined) this.#raised.set(code, { ...advice, message });
        continue;
      }
      const rule = RULES[code];
      const streak = (this.#streaks.get(code) ?? 0) + 1;
      this.#streaks.set(code, streak);
      if (streak < (advice ? rule.clearS : rule.raiseS)) continue;
      this.#streaks.delete(code);
      if (advice) {
        this.#raised.delete(code);
        this.#onChange(advice, false);
      } else {
        const raised: Advice = { code, severity: rule.severity, message: message!, sinceMs: nowMs };
        this.#raised.set(code, raised);
        this.#onChange(raised, true);
      }
    }
  }
}
