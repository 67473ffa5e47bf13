import { type TSchema, Type } from 'typebox';
import { listOf } from './answers.ts';

const playback = Type.Object({ embed_url: Type.String(), hls_url: Type.String() });
const optional = <T extends TSchema>(type: T) => Type.Optional(type);

/** LiveAPI's video: one object is one video (liveapi-contract.md §2.6). */
export const Video = Type.Object(
  {
    _id: Type.String(),
    playback,
    download_url: optional(Type.String()),
    active: Type.Boolean(),
    deleted: Type.Boolean(),
    user: Type.String(),
    environment: Type.String(),
    organization: Type.String(),
    creation_time: Type.String({ format: 'date-time' }),
  },
  { $id: 'Video' },
);
export const VideoList = listOf(Video, 'VideoList');

/** Castr's video: one object is one folder, with its items in `data` (liveapi-contract.md §2.6). */
export const VideoFolder = Type.Object(
  {
    _id: Type.String(),
    name: Type.String(),
    enabled: Type.Boolean(),
    type: Type.String(),
    data: Type.Array(
      Type.Object({
        id: Type.String(),
        _id: Type.String(),
        fileName: Type.String(),
        enabled: Type.Boolean(),
        bytes: Type.Integer(),
        encodingRequired: Type.Boolean(),
        precedence: Type.Integer(),
        creationTime: Type.String({ format: 'date-time' }),
        playback: optional(playback),
      }),
    ),
    user: Type.String(),
    creation_time: Type.String({ format: 'date-time' }),
  },
  { $id: 'VideoFolder' },
);
export const VideoFolderList = listOf(VideoFolder, 'VideoFolderList');
