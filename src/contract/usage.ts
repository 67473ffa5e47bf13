import { type Static, type TSchema, Type } from 'typebox';

const optional = <T extends TSchema>(type: T) => Type.Optional(type);
const nullable = <T extends TSchema>(type: T) => Type.Union([type, Type.Null()]);
const count = (description: string) => Type.Integer({ description });
const day = (description: string) =>
  Type.String({ maxLength: 10, description: `${description} YYYY-MM-DD, of UTC.`, examples: ['2026-03-01'] });

export const UsageQuery = Type.Object({
  from: optional(day('The first day; 29 days before `to` when not given.')),
  to: optional(day('The last day; today when not given. At most 366 days.')),
  group: Type.Unsafe<'day' | 'live_stream'>(
    Type.String({
      enum: ['day', 'live_stream'],
      default: 'day',
      description: 'day: each day; live_stream: each that was used, the most watched first, a thousand at most.',
    }),
  ),
});
export type UsageQuery = Static<typeof UsageQuery>;

const SUM = {
  streamed_s: count('Seconds with an encoder.'),
  viewer_s: count("All viewers' seconds together, whatever they play with."),
  bytes_in: count('From encoders and sources.'),
  bytes_out: count('To viewers; not to platforms.'),
  plays: count('As players of ours report them, and all that follows too.'),
  unique_viewers: count('Told apart within a day, without cookies or addresses that are kept; over more days the sum.'),
  watch_s: count('Seconds that were seen.'),
  startup_ms: nullable(
    Type.Object(
      { p50: Type.Integer(), p95: Type.Integer() },
      { description: 'From the wish to play to the moving picture, in steps of 15 %.' },
    ),
  ),
  stalls: count('How often a picture stood still.'),
  errors: count('How often one could not be played.'),
};

export const UsageSum = Type.Object(SUM, { $id: 'UsageSum' });
export type UsageSum = Static<typeof UsageSum>;

export const Usage = Type.Object(
  {
    docs: Type.Array(
      Type.Object({
        day: optional(Type.String({ description: 'With group=day.', examples: ['2026-03-01'] })),
        live_stream: optional(Type.String({ description: 'With group=live_stream.' })),
        name: optional(Type.String({ description: 'Of a live stream that is there still.' })),
        ...SUM,
      }),
    ),
    total: UsageSum,
  },
  { $id: 'Usage' },
);
export type Usage = Static<typeof Usage>;

/** What a player reports of one play. */
export const Beacon = Type.Object(
  {
    playback_id: Type.String({ maxLength: 64, examples: ['lv_0d1e2f3a4b5c11eeb0a1c2d3e4f50617'] }),
    play_id: Type.String({
      pattern: '^[0-9a-f]{16,32}$',
      description: 'Made up by the player for one play, kept nowhere.',
      examples: ['0123456789abcdef'],
    }),
    event: Type.Unsafe<'play' | 'watch' | 'stall' | 'error' | 'end'>(
      Type.String({ enum: ['play', 'watch', 'stall', 'error', 'end'] }),
    ),
    watched_s: optional(Type.Number({ minimum: 0, maximum: 1e7, description: 'Of this play so far.' })),
    startup_ms: optional(Type.Number({ minimum: 0, maximum: 1e7 })),
    stall_ms: optional(Type.Number({ minimum: 0, maximum: 1e9 })),
    latency_ms: optional(Type.Number({ minimum: 0, maximum: 1e9 })),
    code: optional(Type.String({ maxLength: 64 })),
  },
  { $id: 'Beacon' },
);
export type Beacon = Static<typeof Beacon>;
