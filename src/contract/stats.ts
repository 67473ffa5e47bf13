import { type Static, type TSchema, Type } from 'typebox';

const optional = <T extends TSchema>(type: T) => Type.Optional(type);
const nullable = <T extends TSchema>(type: T) => Type.Union([type, Type.Null()]);
const kbps = (description: string) => Type.Number({ description: `${description} kbit/s, over the last ten seconds.` });
const unixMs = (description: string) => Type.Integer({ description: `${description} Milliseconds since 1970.` });

const Track = Type.Object({
  track_id: Type.String({ description: '`v1` or `a1`.' }),
  content: Type.String({ enum: ['video', 'audio'] }),
  codec: Type.String({ description: '`h264`, `aac` or `opus`.' }),
  bitrate: kbps('Of this track.'),
  width: optional(Type.Integer()),
  height: optional(Type.Integer()),
  pixel_width: optional(Type.Integer()),
  pixel_height: optional(Type.Integer()),
  sar_width: optional(Type.Integer({ description: 'A sample is shown sar_width : sar_height.' })),
  sar_height: optional(Type.Integer()),
  pix_fmt: optional(Type.String({ description: 'Such as `yuv420p`.' })),
  fps: optional(Type.Number({ description: 'As the encoder says; measured where it does not.' })),
  avg_fps: optional(Type.Number({ description: 'Measured over the last ten seconds.' })),
  profile: optional(Type.String()),
  level: optional(Type.String()),
  bframes: optional(Type.Integer({ description: 'The longest row of B-frames.' })),
  gop_size: optional(
    Type.Integer({ description: 'Frames between two key frames: the mean of the last eight groups.' }),
  ),
  last_gop: optional(Type.Integer({ description: 'Frames of the last group.' })),
  channels: optional(Type.Integer()),
  sample_rate: optional(Type.Integer()),
});

const Advice = Type.Object({
  code: Type.String({ description: 'Stable; docs/guide/encoder-advice.md lists them.' }),
  severity: Type.String({ enum: ['info', 'warning', 'error'] }),
  message: Type.String({ description: 'What is wrong and what to set, in plain words.' }),
  since: Type.String({ format: 'date-time' }),
});

/** Stats of a running broadcast: the union of what LiveAPI and Castr show (liveapi-contract.md §2.5), and our own beside it. */
export const Stats = Type.Object(
  {
    id: Type.String({ description: 'The broadcast: from the first connection to the end of the reconnect window.' }),
    source_id: Type.String({ description: 'The connection of the encoder, as the log calls it.' }),
    status: Type.String({ enum: ['running', 'waiting'], description: '`waiting`: connected, and no media yet.' }),
    running: Type.Boolean({ description: 'Media has come.' }),
    alive: Type.Boolean({ description: 'Something has come from the encoder in the last seconds.' }),
    url: Type.String({
      description: '`publish://`, or where it is fetched from.',
      examples: ['publish://'],
    }),
    published_via: Type.String({
      description: '`rtmp`, `rtmps` or `browser`; `pull-…` when it is fetched from a URL.',
    }),
    published_from: Type.String({ description: "The encoder's address." }),
    opened_at: unixMs('When the broadcast began.'),
    start_running_at: unixMs('When its first media came; opened_at until then.'),
    last_access_at: nullable(unixMs('When a viewer last asked for something.')),
    lifetime: Type.Number({ description: 'Milliseconds since opened_at.' }),
    last_dts: Type.Number({ description: "Milliseconds, on the encoder's clock; 0 before the first media." }),
    ts_delay: Type.Number({ description: 'By how many milliseconds later than at best the media comes.' }),
    retry_count: Type.Integer({ description: 'How often the encoder has come back.' }),
    bitrate: kbps('Of the media.'),
    input_bitrate: kbps('Of all that the connection brings.'),
    output_bitrate: kbps('To all viewers.'),
    out_bandwidth: kbps('The same as output_bitrate.'),
    bytes_in: Type.Integer(),
    bytes_out: Type.Integer({ description: 'Playlists and media sent to viewers.' }),
    online_clients: Type.Integer({ description: 'The same as viewers.' }),
    viewers: Type.Integer({ description: 'Playback sessions: up within 5 s, down within 15 s.' }),
    dropped: Type.Integer({ description: 'Frames that could not be used or passed on.' }),
    advice: Type.Array(Advice, { description: 'What the encoder does that viewers suffer from; empty is good.' }),
    pull_urls: Type.Object(
      { rtmp: optional(Type.String()), flv: optional(Type.String()) },
      { description: 'Where such players find the stream; only those that the server serves.' },
    ),
    srt_port_resolve: Type.Null({ description: 'The server takes no SRT yet.' }),
    push_stats: Type.Unsafe<Readonly<Record<string, { sent_bytes: number; status: string }>>>(
      Type.Object(
        {},
        {
          additionalProperties: {
            type: 'object',
            properties: { sent_bytes: { type: 'integer' }, status: { type: 'string' } },
            required: ['sent_bytes', 'status'],
          },
          description:
            "By target URL, its key masked: what was sent to each platform; status is `running`, or the platform's state.",
          examples: [{ 'rtmps://a.rtmps.youtube.com/live2/****5678': { sent_bytes: 13_650_000, status: 'running' } }],
        },
      ),
    ),
    active_encoder: Type.String({
      enum: ['primary', 'backup'],
      description: 'With which key the encoder that feeds it publishes.',
    }),
    standby: nullable(
      Type.Object(
        {
          published_via: Type.String({ examples: ['rtmp'] }),
          published_from: Type.String({ examples: ['192.0.2.11'] }),
          since: Type.String({ format: 'date-time' }),
        },
        { description: 'The encoder that stands by and would take over.' },
      ),
    ),
    media_info: Type.Object({ flow_type: Type.String(), stream_id: Type.String(), tracks: Type.Array(Track) }),
  },
  { $id: 'Stats' },
);
export type Stats = Static<typeof Stats>;
