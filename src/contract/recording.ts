import { Type } from 'typebox';
import { listOf } from './answers.ts';

/** One stretch of a recording that was, or is to be, exported (liveapi-contract.md §2.4). */
export const ExportData = Type.Object(
  {
    from: Type.String({ format: 'date-time' }),
    duration: Type.Integer({ description: 'Seconds.' }),
    bytes: Type.Integer(),
    status: Type.String(),
    video_id: Type.Optional(Type.String()),
    download_url: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: 'ExportData' },
);

/** What is kept of a broadcast for 72 hours (liveapi-contract.md §2.4). */
export const TemporaryRecording = Type.Object(
  {
    _id: Type.String(),
    stream_key: Type.String({ description: 'The key without its password.' }),
    start_time: Type.String({ format: 'date-time' }),
    end_time: Type.String({ format: 'date-time' }),
    duration: Type.Integer({ description: 'Seconds.' }),
    export_data: Type.Array(ExportData),
    playback: Type.Object({ temporary_playback: Type.String() }),
    download_url: Type.String(),
  },
  { $id: 'TemporaryRecording' },
);

/** A bare list: this one is not paged. */
export const TemporaryRecordings = Type.Array(TemporaryRecording);

/** What is kept of a broadcast for good: camelCase and unix seconds, as clients know it. Without an `$id`: it stands in one schema twice. */
export const Recording = Type.Object({
  _id: Type.Optional(Type.String()),
  name: Type.String(),
  from: Type.Optional(Type.Integer({ description: 'Seconds since 1970.' })),
  duration: Type.Optional(Type.Integer({ description: 'Seconds.' })),
  bytes: Type.Optional(Type.Integer()),
  status: Type.Optional(Type.String()),
  creationTime: Type.Optional(Type.String({ format: 'date-time' })),
  playback: Type.Optional(Type.Object({ embed_url: Type.String(), hls_url: Type.String() })),
});

/** A bare list without `page` and `limit`, a page with either (liveapi-contract.md §3). */
export const Recordings = Type.Union([Type.Array(Recording), listOf(Recording, 'RecordingList')]);
