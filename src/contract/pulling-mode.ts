import { type Static, type TSchema, Type } from 'typebox';
import { CodedError } from '../base/index.ts';
import { isMasked, maskUrl } from './mask.ts';

const optional = <T extends TSchema>(type: T) => Type.Optional(type);
const choice = <T extends string>(values: readonly T[], description: string) =>
  Type.Unsafe<T>(Type.String({ enum: [...values], description }));

const PullWindow = Type.Object(
  {
    days: optional(
      Type.Array(Type.Integer({ minimum: 0, maximum: 6 }), {
        maxItems: 7,
        description: 'Of the week, 0 is Sunday; every day, when not given. The day is that of `from`.',
      }),
    ),
    from: optional(Type.String({ maxLength: 5, description: 'HH:MM.', examples: ['09:30'] })),
    to: optional(
      Type.String({ maxLength: 5, description: 'HH:MM; before `from`: on the next day.', examples: ['17:00'] }),
    ),
    time_zone: optional(
      Type.String({ maxLength: 64, description: 'Of from and to; UTC when not given.', examples: ['Europe/Vienna'] }),
    ),
    start: optional(
      Type.String({ maxLength: 40, description: 'Once: an ISO time.', examples: ['2026-03-01T10:00:00Z'] }),
    ),
    end: optional(Type.String({ maxLength: 40, description: 'An ISO time.', examples: ['2026-03-01T12:00:00Z'] })),
  },
  { description: 'Either from and to, again and again, or start and end, once.' },
);
export type PullWindow = Static<typeof PullWindow>;

const PULLING_MODE = {
  enabled: Type.Boolean(),
  url: Type.String({
    maxLength: 2048,
    description: 'rtmp(s)://, http(s):// (HLS, MPEG-TS, FLV), rtsp:// or srt://. A password in it is shown masked.',
    examples: ['https://origin.example.net/live/index.m3u8'],
  }),
  urls: Type.Array(Type.String({ maxLength: 2048 }), {
    maxItems: 10,
    description: 'Tried in this order, after `url`, when the one before gives nothing.',
    examples: [['rtmp://backup.example.net/live/cam']],
  }),
  start: choice(
    ['always', 'on_demand', 'schedule'],
    'always: while it is enabled (the default); on_demand: while somebody watches; schedule: at its times.',
  ),
  stop_after_idle_s: Type.Integer({
    minimum: 5,
    maximum: 86_400,
    description: 'on_demand: seconds without viewers after which it stops; 30 when not given.',
  }),
  schedule: Type.Array(PullWindow, { maxItems: 100, description: 'When it is pulled, with `start: schedule`.' }),
  encoder: choice(
    ['takes_over', 'refused'],
    'An encoder that publishes meanwhile takes over from the pull (the default), or is refused.',
  ),
};

/** `settings.pulling_mode`: the live stream is fed from a URL; {} is off. The fields are our own (liveapi-contract.md §2.2). */
export const PullingMode = Type.Partial(Type.Object(PULLING_MODE), {
  description: 'Fetch the stream from a URL; {} is off.',
});
export type PullingMode = Static<typeof PullingMode>;

/** What changes of it: null takes a key away. */
export type PullingModeChange = { readonly [Key in keyof PullingMode]?: PullingMode[Key] | null };
export const PullingModeChange = Type.Unsafe<PullingModeChange>(
  Type.Object(
    Object.fromEntries(
      Object.entries(PULLING_MODE).map(([key, type]) => [key, optional(Type.Union([type, Type.Null()]))]),
    ),
    { description: 'Fetch the stream from a URL; {} changes nothing, null is off.' },
  ),
);

/** Where to pull from, in the order in which they are tried. */
export const pullUrls = ({ url, urls = [] }: PullingMode): string[] => [...new Set(url ? [url, ...urls] : urls)];

/** As it is shown: without the passwords in its URLs. */
export const maskPullingMode = (mode: PullingMode): PullingMode => ({
  ...mode,
  ...(mode.url !== undefined && { url: maskUrl(mode.url) }),
  ...(mode.urls && { urls: mode.urls.map(maskUrl) }),
});

/**
 * The change with the passwords that it has masked: whoever sends back what was shown changes nothing.
 * @throws CodedError bad_request when a masked URL is none of those before
 */
export function unmaskPullingMode(change: PullingModeChange, before: PullingMode): PullingModeChange {
  const known = pullUrls(before);
  const unmask = (url: string, field: string) => {
    if (!isMasked(url)) return url;
    const same = known.find((one) => maskUrl(one) === url);
    if (same === undefined)
      refuse(field, 'an address with its password: a masked one stands only for itself, unchanged');
    return same;
  };
  return {
    ...change,
    ...(change.url && { url: unmask(change.url, 'url') }),
    ...(change.urls && { urls: change.urls.map((url, i) => unmask(url, `urls.${i}`)) }),
  };
}

const SCHEME = /^(?:https?|rtmps?|rtsp|srt):\/\/[^\s/?#]/i;
const CLOCK = /^(?:[01]\d|2[0-3]):[0-5]\d$/;

/**
 * What the fields' types do not say: that they fit together.
 * @throws CodedError bad_request, naming the field
 */
export function checkPullingMode(mode: PullingMode): void {
  const { enabled, url, urls = [], start, schedule = [] } = mode;
  const scheme = 'an rtmp(s)://, http(s)://, rtsp:// or srt:// URL';
  // An empty one is none.
  if (url && !SCHEME.test(url)) refuse('url', scheme);
  for (const [i, one] of urls.entries()) if (!SCHEME.test(one)) refuse(`urls.${i}`, scheme);
  if (enabled && pullUrls(mode).length === 0) refuse('url', `${scheme} while pulling_mode is enabled`);
  if (enabled && start === 'schedule' && schedule.length === 0)
    refuse('schedule', 'a list of times with start: schedule');
  for (const [i, window] of schedule.entries()) checkWindow(window, `schedule.${i}`);
}

function checkWindow({ days, from, to, time_zone, start, end }: PullWindow, field: string): void {
  const once = start !== undefined || end !== undefined;
  const again = from !== undefined || to !== undefined;
  if (once === again || (once && (days || time_zone)))
    refuse(field, 'either {from, to, days, time_zone} or {start, end}');
  if (once) {
    for (const [name, time] of Object.entries({ start, end }))
      if (!time || !/^\d{4}-\d\d-\d\dT/.test(time) || Number.isNaN(Date.parse(time)))
        refuse(`${field}.${name}`, 'an ISO time such as 2026-03-01T10:00:00Z');
    if (Date.parse(start!) >= Date.parse(end!)) refuse(`${field}.end`, 'later than start');
    return;
  }
  for (const [name, time] of Object.entries({ from, to }))
    if (!time || !CLOCK.test(time)) refuse(`${field}.${name}`, 'a time such as 09:30');
  if (from === to) refuse(`${field}.to`, 'another time than from');
  if (days?.length === 0) refuse(`${field}.days`, 'a list of days from 0 (Sunday) to 6');
  if (time_zone !== undefined && !isTimeZone(time_zone))
    refuse(`${field}.time_zone`, 'a time zone such as Europe/Vienna');
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function refuse(field: string, wanted: string): never {
  throw new CodedError('bad_request', `settings.pulling_mode.${field} must be ${wanted}.`);
}
