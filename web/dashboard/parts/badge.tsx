import type { ReactNode } from 'react';

export type Tone = 'live' | 'good' | 'warn' | 'bad' | 'quiet';

/** A state in a word; `live` has a dot that beats. */
export const Badge = ({ tone, children }: { readonly tone: Tone; readonly children: ReactNode }): ReactNode => (
  <span className="badge" data-tone={tone}>
    {tone === 'live' && <i aria-hidden="true" />}
    {children}
  </span>
);
