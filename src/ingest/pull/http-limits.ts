/** To the head of an answer. */
export const HEAD_MS = 10_000;
/** The longest pause in its body. */
export const IDLE_MS = 10_000;
