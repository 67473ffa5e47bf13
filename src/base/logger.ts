import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** The process's logger: JSON lines on stderr, so that stdout stays free for what a command prints. */
export function createLogger(level: string): Logger {
  return pino(
    { level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** Cuts what a stranger sent down to something a log line can hold: no control characters, no secrets after `?`, 80 long. */
export function forLog(text: string): string {
  return text
    .replace(/\?.*$/s, '?…')
    .replace(/[\p{Cc}\u2028\u2029]/gu, '.')
    .slice(0, 80);
}
