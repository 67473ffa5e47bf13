import type { PullWindow } from '../../contract/index.ts';

const MINUTE_MS = 60_000;
const DAY_MIN = 1440;
const WEEK_MIN = 7 * DAY_MIN;
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** Whether one of the windows is open at `nowMs` (ms since 1970). Daily ones follow the clocks of their time zone, summer time included. */
export function isScheduled(windows: readonly PullWindow[], nowMs: number): boolean {
  return windows.some((window) => {
    if (window.start !== undefined) return Date.parse(window.start) <= nowMs && nowMs < Date.parse(window.end!);
    const local = minuteOfWeek(nowMs, window.time_zone);
    const { from, to } = clockOf(window);
    const [day, minute] = [Math.floor(local / DAY_MIN), local % DAY_MIN];
    if (from < to) return on(window, day) && from <= minute && minute < to;
    // Over midnight: the day is that on which it began.
    return (on(window, day) && minute >= from) || (on(window, (day + 6) % 7) && minute < to);
  });
}

/** When the next window opens after `nowMs`, to the minute; null when none will. */
export function nextScheduled(windows: readonly PullWindow[], nowMs: number): number | null {
  const starts = windows.flatMap((window) => {
    if (window.start !== undefined) return [Date.parse(window.start)];
    const now = minuteOfWeek(nowMs, window.time_zone);
    return DAYS.flatMap((_name, day) => {
      if (!on(window, day)) return [];
      const wanted = day * DAY_MIN + clockOf(window).from;
      const ahead = (wanted - now + WEEK_MIN) % WEEK_MIN || WEEK_MIN;
      const guess = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS + ahead * MINUTE_MS;
      // The clocks may change on the way there.
      const shift = (minuteOfWeek(guess, window.time_zone) - wanted + 1.5 * WEEK_MIN) % WEEK_MIN;
      return [guess - (shift - WEEK_MIN / 2) * MINUTE_MS];
    });
  });
  const next = Math.min(...starts.filter((start) => start > nowMs));
  return Number.isFinite(next) ? next : null;
}

const on = ({ days }: PullWindow, day: number): boolean => days === undefined || days.includes(day);

function clockOf({ from = '', to = '' }: PullWindow): { from: number; to: number } {
  const minutes = (clock: string) => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5));
  return { from: minutes(from), to: minutes(to) };
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Since Sunday 00:00, as the clocks of the zone show it. */
function minuteOfWeek(atMs: number, timeZone = 'UTC'): number {
  let format = formats.get(timeZone);
  if (!format) {
    const parts = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    format = new Intl.DateTimeFormat('en-US', { timeZone, ...parts });
    formats.set(timeZone, format);
  }
  const [, day = '', hour, minute] = /^(\w+),? (\d+):(\d+)/.exec(format.format(atMs)) ?? [];
  return DAYS.indexOf(day) * DAY_MIN + Number(hour) * 60 + Number(minute);
}
