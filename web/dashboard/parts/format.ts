const number = new Intl.NumberFormat('en');
const dateTime = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });
const clock = new Intl.DateTimeFormat('en', { timeStyle: 'medium', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat('en', { dateStyle: 'medium' });

export const count = (value: number): string => number.format(value);

/** `4.2 Mbit/s` of kbit/s. */
export const bitrate = (kbps: number): string =>
  kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mbit/s` : `${Math.round(kbps)} kbit/s`;

export const bytes = (value: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  let rest = value;
  for (; rest >= 1000 && unit < units.length - 1; unit++) rest /= 1000;
  return `${unit === 0 || rest >= 100 ? Math.round(rest) : rest.toFixed(1)} ${units[unit]}`;
};

/** In the reader's own time zone; what is no time stays as it is. */
const inWords = (format: Intl.DateTimeFormat) => (iso: string | number) => {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? String(iso) : format.format(time);
};
export const timeOf = inWords(dateTime);
export const clockOf = inWords(clock);
export const dayOf = inWords(day);

/** `3 h 5 min` of seconds. */
export function duration(seconds: number): string {
  const [s, m, h] = [Math.floor(seconds) % 60, Math.floor(seconds / 60) % 60, Math.floor(seconds / 3600)];
  if (h > 0) return `${count(h)} h ${m} min`;
  return m > 0 ? `${m} min ${s} s` : `${s} s`;
}
