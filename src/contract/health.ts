import { type Static, type TSchema, Type } from 'typebox';
import { PullingStatus } from './live-stream.ts';
import { PlatformStatus } from './platform.ts';

const nullable = <T extends TSchema>(type: T) => Type.Union([type, Type.Null()]);
const time = (description: string) => Type.String({ format: 'date-time', description });
const column = (description: string) => Type.Array(nullable(Type.Number()), { description });
const severity = Type.String({ enum: ['info', 'warning', 'error'] });

/** How the running broadcast fares, or how the last one did: for charts. Our own addition. */
export const StreamHealth = Type.Object(
  {
    session: nullable(
      Type.Object(
        {
          broadcast: Type.String({ description: 'As GET /live_streams/{id}/broadcasts lists it.' }),
          started_at: time('When the encoder was accepted.'),
          ended_at: nullable(time('Null while it lasts.')),
        },
        { description: 'Null when it has not been on air since the server started.' },
      ),
    ),
    interval_s: Type.Integer({ description: 'Seconds that each sample stands for.' }),
    samples: Type.Object(
      {
        at: Type.Array(Type.Integer(), { description: 'Seconds since 1970.' }),
        bitrate_kbps: column('Of the media; 0 while the encoder is away.'),
        frame_rate: column('Frames a second.'),
        key_frame_interval_s: column('From one key frame to the next.'),
        drift_ms: column('By how much the sound is behind the picture; below 0 the picture is behind.'),
        dropped: column('Frames that could not be used or passed on, since the sample before.'),
        viewers: column('Playback sessions.'),
      },
      { description: 'Columns of equal length, at most 720; null where a value was not known.' },
    ),
    moments: Type.Array(
      Type.Object({
        at: time('When it began.'),
        code: Type.String({
          description: 'Of the advice (docs/guide/encoder-advice.md); or encoder_away, encoder_switched.',
        }),
        severity,
        message: Type.String({ description: 'In plain words.' }),
        cleared_at: nullable(time('When it was over; null while it lasts.')),
      }),
    ),
  },
  { $id: 'StreamHealth' },
);
export type StreamHealth = Static<typeof StreamHealth>;

/** How a live stream stands now: what GET /updates tells. */
export const LiveState = Type.Object(
  {
    _id: Type.String({ description: 'The live stream.' }),
    broadcasting_status: Type.Unsafe<'online' | 'offline'>(Type.String({ enum: ['online', 'offline'] })),
    state: Type.Unsafe<'live' | 'reconnecting' | 'offline'>(
      Type.String({
        enum: ['live', 'reconnecting', 'offline'],
        description: 'reconnecting: the encoder is away and waited for.',
      }),
    ),
    since: nullable(time('Since when the encoder is there, or away; null while offline.')),
    viewers: Type.Integer(),
    bitrate_kbps: Type.Number(),
    advice: Type.Array(
      Type.Object({ code: Type.String(), severity, message: Type.String(), since: time('When it was raised.') }),
    ),
    platforms: Type.Array(Type.Object({ _id: Type.String(), ...PlatformStatus.properties })),
    pull: nullable(PullingStatus),
  },
  { $id: 'LiveState', description: 'How a live stream stands now: what an `event: live` of GET /updates lists.' },
);
export type LiveState = Static<typeof LiveState>;

export const UpdatesQuery = Type.Object({
  after: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'Begin with the events after this number; the header Last-Event-ID says the same.',
    }),
  ),
  for_s: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 86_400,
      description: 'End after so many seconds; 0: what there is now. Without it the answer does not end.',
    }),
  ),
});
export type UpdatesQuery = Static<typeof UpdatesQuery>;
