import { type Static, type TSchema, Type } from 'typebox';

const nullable = <T extends TSchema>(type: T) => Type.Union([type, Type.Null()]);
const bytes = (description: string) => Type.Integer({ description: `${description} Bytes.` });

/** How the server itself is: for those who run it. */
export const ServerStatus = Type.Object(
  {
    version: Type.String({ examples: ['0.5.0'] }),
    node: Type.String({ description: 'The version of Node.js.', examples: ['v24.0.0'] }),
    started_at: Type.String({ format: 'date-time' }),
    database: Type.Object({
      kind: Type.String({ enum: ['sqlite', 'postgres'] }),
      ok: Type.Boolean(),
      ms: nullable(Type.Integer({ description: 'How long it took to answer; null when it did not.' })),
    }),
    disk: nullable(
      Type.Object({ free: bytes('For us.'), total: bytes('Of all.') }, { description: 'Where data_dir is.' }),
    ),
    ffmpeg: nullable(Type.String({ description: 'Its version; null where it is not installed.', examples: ['5.1.6'] })),
    nodes: Type.Array(
      Type.Object({ _id: Type.String(), self: Type.Boolean({ description: 'It is the one that answers.' }) }),
      { description: 'The processes that work on this database.' },
    ),
    on_air: Type.Integer({ description: 'Live streams on air here, of all organizations.' }),
    viewers: Type.Integer({ description: 'Of them.' }),
    memory: Type.Object({ rss: bytes('Of the process.') }),
    event_loop_p99_ms: Type.Number({ description: 'By how much timers came late, over the last minute at least.' }),
  },
  { $id: 'ServerStatus' },
);
export type ServerStatus = Static<typeof ServerStatus>;
