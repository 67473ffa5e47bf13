import { type Static, type TSchema, Type } from 'typebox';

const nullable = <T extends TSchema>(type: T) => Type.Union([type, Type.Null()]);

/** A URL that is to be looked at. */
export const PullTest = Type.Object({
  url: Type.String({
    minLength: 1,
    maxLength: 2048,
    description: "As in settings.pulling_mode; masked, where it is one of the live stream's own.",
    examples: ['https://origin.example.net/live/index.m3u8'],
  }),
});
export type PullTest = Static<typeof PullTest>;

/** What came from it. Our own addition. */
export const PullTestResult = Type.Object(
  {
    ok: Type.Boolean({ description: 'The live stream could be fed from it.' }),
    code: nullable(Type.String({ description: 'Why not, as last_error says it.', examples: ['not_found'] })),
    message: Type.String({ description: 'In plain words: what came, or what was wrong and what to do.' }),
    protocol: nullable(Type.String({ description: 'What it is.', examples: ['pull-hls'] })),
    video: nullable(
      Type.Object({
        codec: Type.String({ examples: ['avc'] }),
        width: Type.Integer(),
        height: Type.Integer(),
        frame_rate: nullable(Type.Number({ description: 'Null where there were too few frames to tell.' })),
      }),
    ),
    audio: nullable(
      Type.Object({
        codec: Type.String({ examples: ['aac'] }),
        sample_rate: Type.Integer({ description: 'Hz.' }),
        channels: Type.Integer(),
      }),
    ),
  },
  { $id: 'PullTestResult', description: 'What a URL gives that might be pulled from: our own addition.' },
);
export type PullTestResult = Static<typeof PullTestResult>;
