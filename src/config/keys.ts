import { type TSchema, Type } from 'typebox';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** All settings of the process, validated and complete. Paths are absolute, times are milliseconds. */
export interface Config {
  /** By default all addresses of the machine, IPv4 and IPv6. */
  readonly httpHost: string;
  readonly httpPort: number;
  /** Where the outside reaches us, without a slash at the end; may have a path. Every URL that we hand out begins with it. */
  readonly publicUrl: string;
  /** By default all addresses of the machine, IPv4 and IPv6. */
  readonly rtmpHost: string;
  readonly rtmpPort: number;
  readonly rtmpsPort: number;
  /** Paths of PEM files; both or neither. RTMPS is served when they are given. */
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  /** What an encoder takes for its server. */
  readonly rtmpPublicUrl: string;
  readonly dataDir: string;
  /** `postgres://…`, with its password; SQLite in dataDir when there is none. */
  readonly databaseUrl?: string;
  /** What secrets at rest are sealed with, the newest first; the file secret.key in dataDir when there are none. */
  readonly secretKeys?: readonly Buffer[];
  /** `id:secret` of a production access token that exists from the first start on. */
  readonly bootstrapToken?: string;
  /** What a Prometheus scraper must show; without it only this machine is answered. */
  readonly metricsToken?: string;
  readonly metricsStreams: boolean;
  readonly logLevel: LogLevel;
  readonly drainMs: number;
  readonly reconnectWindowMs: number;
  readonly publisherTimeoutMs: number;
  readonly takeoverAfterMs: number;
  readonly backupTakeoverMs: number;
  readonly pullMaxFfmpeg: number;
  readonly partTargetMs: number;
  readonly segmentMs: number;
  readonly liveWindowMs: number;
  readonly dvrMaxMs: number;
  readonly dvrMinFreeBytes: number;
  readonly httpMaxConnections: number;
  readonly rtmpMaxConnections: number;
  readonly rtmpMaxConnectionsPerAddress: number;
  readonly rtmpFailuresPerMinute: number;
  /** By RTMP and HTTP-FLV together. */
  /** Of all platforms' delays together. */
  readonly pushDelayMaxBytes: number;
  readonly maxPlayers: number;
  readonly rtmpPlayMergeMs: number;
  /** Of one environment. */
  readonly maxLiveStreams: number;
  /** Of the passwords of stream keys that are made from now on. */
  readonly streamPasswordBits: 32 | 128;
  /** Whether what players report is counted. */
  readonly embedAnalytics: boolean;
  /** Of one access token or person; 0: no limit. */
  readonly apiRatePerMinute: number;
  /** Of one address without a valid credential; 0: no limit. */
  readonly apiAnonymousPerMinute: number;
  /** The header in which those proxies say from which country a request comes; null: none does. */
  readonly countryHeader: string | null;
  /** Networks in CIDR notation of the proxies in front of us, whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** `smtp://…`, with its password: where invitations and links for new passwords are handed over; with mailFrom. */
  readonly smtpUrl?: string;
  readonly mailFrom?: string;
  /** Networks in CIDR notation that may be connected to although they are not public. */
  readonly outboundAllow: readonly string[];
  readonly outboundPorts: readonly number[];
  readonly webhookAllowHttp: boolean;
  readonly webhookTimeoutMs: number;
  /** Waits before the second, third, … attempt. */
  readonly webhookRetryMs: readonly number[];
}

/** One setting as the file, the environment (`LIVEAPI_` and the name in capitals) and the flags (with dashes) know it. */
export interface Key {
  readonly name: string;
  readonly schema: TSchema & { readonly type?: string };
  readonly default?: string | number | boolean | readonly (string | number)[];
  /** What stands in for a default where it depends on other settings or is nothing. */
  readonly defaultText?: string;
  /** Its value is never repeated in a message. */
  readonly secret?: boolean;
  readonly description: string;
}

const port = Type.Integer({ minimum: 1, maximum: 65535 });
const count = Type.Integer({ minimum: 1, maximum: 1_000_000 });
const text = Type.String({ minLength: 1, maxLength: 4096 });
const whole = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum });
const levels: LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Every setting there is: the file, the environment, the flags, the help and the checks derive from this list. */
export const KEYS: readonly Key[] = [
  {
    name: 'http_host',
    schema: text,
    defaultText: 'all addresses',
    description: 'Address that the API and playback listen on.',
  },
  {
    name: 'http_port',
    schema: port,
    default: 8080,
    description: 'Port of the API and of playback.',
  },
  {
    name: 'public_url',
    schema: text,
    defaultText: 'http://localhost:<http_port>',
    description: 'Where the outside reaches http_port, for example https://live.example.com; may have a path.',
  },
  {
    name: 'rtmp_host',
    schema: text,
    defaultText: 'all addresses',
    description: 'Address that RTMP and RTMPS listen on.',
  },
  { name: 'rtmp_port', schema: port, default: 1935, description: 'Port for encoders.' },
  {
    name: 'rtmps_port',
    schema: port,
    default: 1936,
    description: 'Port for encoders that use TLS; needs tls_certificate and tls_key.',
  },
  {
    name: 'tls_certificate',
    schema: text,
    defaultText: 'no RTMPS',
    description: 'PEM file with the certificate chain for RTMPS.',
  },
  { name: 'tls_key', schema: text, defaultText: 'no RTMPS', description: 'PEM file with the private key for RTMPS.' },
  {
    name: 'rtmp_public_url',
    schema: text,
    defaultText: 'rtmp://<host of public_url>:<rtmp_port>/static',
    description: 'What encoders are told to use as their server.',
  },
  { name: 'data_dir', schema: text, default: './data', description: 'Folder for the database; made when missing.' },
  {
    name: 'database_url',
    schema: text,
    defaultText: 'SQLite in data_dir',
    secret: true,
    description: 'postgres://user:password@host:5432/name, to keep the data in Postgres (15 or newer).',
  },
  {
    name: 'secret_key',
    schema: text,
    defaultText: 'the file secret.key in data_dir, made at the first start',
    secret: true,
    description:
      'What stored secrets are encrypted with: base64 of 32 bytes; several with commas between, newest first.',
  },
  {
    name: 'bootstrap_token',
    schema: text,
    defaultText: 'a new token, shown once, at the first start',
    secret: true,
    description: 'id:secret of a production access token to create; make the secret long and random.',
  },
  {
    name: 'log_level',
    schema: Type.String({ enum: levels }),
    default: 'info',
    description: `How much is logged: ${levels.join(', ')}.`,
  },
  {
    name: 'drain_s',
    schema: whole(0, 3600),
    default: 0,
    description: 'Seconds after SIGTERM in which the server is not ready and takes no new encoder, before it closes.',
  },
  {
    name: 'reconnect_window_s',
    schema: whole(0, 3600),
    default: 60,
    description: 'Seconds that a broadcast waits for its encoder to come back.',
  },
  {
    name: 'publisher_timeout_s',
    schema: whole(1, 3600),
    default: 15,
    description: 'Seconds of silence after which an encoder is taken for gone.',
  },
  {
    name: 'takeover_after_ms',
    schema: whole(0, 60_000),
    default: 2000,
    description: 'Milliseconds of silence after which a second connection with the same key takes over.',
  },
  {
    name: 'backup_takeover_ms',
    schema: whole(100, 60_000),
    default: 900,
    description: 'Milliseconds of silence after which the backup encoder takes over.',
  },
  {
    name: 'part_target_ms',
    schema: whole(100, 2000),
    default: 334,
    description: 'Longest part of the live playlist, in milliseconds.',
  },
  {
    name: 'segment_ms',
    schema: whole(1000, 10_000),
    default: 2000,
    description: 'Segment length aimed at, in milliseconds.',
  },
  {
    name: 'live_window_s',
    schema: whole(6, 3600),
    default: 15,
    description: 'Seconds of media that the live playlist holds.',
  },
  {
    name: 'dvr_max_s',
    schema: whole(0, 86_400),
    default: 43_200,
    description:
      'The most seconds that viewers may go back, whatever a live stream asks for; 0: none, nothing is written.',
  },
  {
    name: 'dvr_min_free_bytes',
    schema: whole(0, Number.MAX_SAFE_INTEGER),
    default: 1_073_741_824,
    description: 'Bytes that stay free on the disk of data_dir: with less, what viewers may go back gets shorter.',
  },
  {
    name: 'http_max_connections',
    schema: count,
    default: 50_000,
    description: 'HTTP connections at a time, of viewers and of API clients; further ones are closed at once.',
  },
  { name: 'rtmp_max_connections', schema: count, default: 10_000, description: 'Encoder connections at a time.' },
  {
    name: 'rtmp_max_connections_per_address',
    schema: count,
    default: 50,
    description: 'Encoder connections at a time from one address; loopback is exempt.',
  },
  {
    name: 'pull_max_ffmpeg',
    schema: whole(0, 1000),
    default: 16,
    description: 'Processes of ffmpeg at a time: one for each RTSP or SRT source on air; 0: no such sources.',
  },
  {
    name: 'rtmp_failures_per_minute',
    schema: count,
    default: 10,
    description: 'Wrong stream keys a minute from one address, after which the answers to further ones are held back.',
  },
  {
    name: 'push_delay_max_bytes',
    schema: whole(0, 2 ** 40),
    default: 2 ** 30,
    description: 'Bytes of media that the delays of platforms may hold in memory, all together.',
  },
  {
    name: 'max_players',
    schema: count,
    default: 10_000,
    description: 'Players at a time over RTMP and HTTP-FLV together; HLS viewers are not limited.',
  },
  {
    name: 'rtmp_play_merge_ms',
    schema: whole(0, 1000),
    default: 30,
    description:
      'Milliseconds of media that are sent to platforms and RTMP players at once; 0 sends each frame as it comes.',
  },
  {
    name: 'max_live_streams',
    schema: count,
    default: 10_000,
    description: 'Live streams that one environment of an organization may have.',
  },
  {
    name: 'stream_password_bits',
    schema: Type.Integer({ enum: [32, 128] }),
    default: 32,
    description:
      'Length of new stream passwords: 32 (8 hex digits) or 128 (32 hex digits), which need no limit on guesses.',
  },
  {
    name: 'embed_analytics',
    schema: Type.Boolean(),
    default: true,
    description: 'Whether plays, watch time and stalls that players report are counted.',
  },
  {
    name: 'api_rate_per_minute',
    schema: whole(0, 1_000_000),
    default: 6000,
    description: 'API requests a minute with one access token; 0 is no limit.',
  },
  {
    name: 'api_anonymous_per_minute',
    schema: whole(0, 1_000_000),
    default: 300,
    description: 'API requests a minute from one address without a valid access token; 0 is no limit.',
  },
  {
    name: 'trusted_proxies',
    schema: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 100 }),
    default: [],
    description: 'Networks (10.0.0.0/8) of the proxies in front of this server, whose X-Forwarded-For is believed.',
  },
  {
    name: 'country_header',
    schema: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }),
    defaultText: 'live streams with country rules are watched by nobody',
    description: 'Header in which a trusted proxy says from which country a viewer comes, for example CF-IPCountry.',
  },
  {
    name: 'smtp_url',
    schema: text,
    defaultText: 'links are copied by hand',
    secret: true,
    description: 'Mail server for invitations and new passwords: smtp://user:password@host:587 or smtps://….',
  },
  {
    name: 'mail_from',
    schema: text,
    defaultText: 'needed with smtp_url',
    description: 'Whom e-mails come from, for example LiveAPI <live@example.com>.',
  },
  {
    name: 'outbound_allow',
    schema: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 100 }),
    default: [],
    description: 'Networks (10.0.0.0/8) that webhooks and the like may connect to although they are not public.',
  },
  {
    name: 'outbound_ports',
    schema: Type.Array(port, { maxItems: 100 }),
    default: [],
    description: 'Ports below 8443 that webhooks and the like may connect to, beside the usual ones.',
  },
  {
    name: 'webhook_allow_http',
    schema: Type.Boolean(),
    default: false,
    description: 'Whether webhooks may be sent over plain HTTP.',
  },
  {
    name: 'webhook_timeout_s',
    schema: whole(1, 60),
    default: 15,
    description: 'Seconds that a receiver has to answer a webhook.',
  },
  {
    name: 'webhook_retry_s',
    schema: Type.Array(whole(0, 604_800), { maxItems: 30 }),
    default: [5, 30, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 72_000],
    description: 'Seconds between the attempts to deliver a webhook, give or take a half.',
  },
  {
    name: 'metrics_token',
    schema: Type.String({ minLength: 16, maxLength: 256 }),
    defaultText: 'metrics for this machine only',
    secret: true,
    description:
      'Bearer token that /metrics asks for; without it only direct connections from this machine are answered.',
  },
  {
    name: 'metrics_streams',
    schema: Type.Boolean(),
    default: false,
    description: 'Whether /metrics shows each live stream on air by its id.',
  },
];

export const environmentName = (key: string): string => `LIVEAPI_${key.toUpperCase()}`;
export const flagName = (key: string): string => `--${key.replaceAll('_', '-')}`;
