import { networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import ipaddr from 'ipaddr.js';
import { CodedError } from '../base/index.ts';
import type { Config, LogLevel } from './keys.ts';

/** Settings by their names in the file, each of the right type or absent. */
type Values = Readonly<Record<string, unknown>>;

const invalid = (message: string) => new CodedError('config_invalid', message);

/**
 * Turns single valid values into the Config: fills in what follows from others, and refuses what does not go together.
 * @throws CodedError config_invalid
 */
export function derive(values: Values, cwd: string): Config {
  const text = (name: string) => values[name] as string | undefined;
  const number = (name: string) => values[name] as number;
  const path = (name: string) => (text(name) === undefined ? undefined : resolve(cwd, text(name)!));

  if ((text('tls_certificate') === undefined) !== (text('tls_key') === undefined)) {
    throw invalid('tls_certificate and tls_key belong together: give both to serve RTMPS, or neither.');
  }
  const parts = Math.floor(number('segment_ms') / number('part_target_ms'));
  if (parts < 2) {
    throw invalid(
      `part_target_ms is ${number('part_target_ms')}: a segment (segment_ms is ${number('segment_ms')}) must hold two parts at least.`,
    );
  }
  if (number('live_window_s') * 1000 < 3 * number('segment_ms')) {
    throw invalid(
      `live_window_s is ${number('live_window_s')}: it must hold three segments at least (segment_ms is ${number('segment_ms')}).`,
    );
  }
  const publicUrl = url('public_url', text('public_url') ?? `http://localhost:${number('http_port')}`, [
    'http:',
    'https:',
  ]);
  return {
    httpHost: text('http_host') ?? allAddresses(),
    httpPort: number('http_port'),
    publicUrl,
    rtmpHost: text('rtmp_host') ?? allAddresses(),
    rtmpPort: number('rtmp_port'),
    rtmpsPort: number('rtmps_port'),
    tlsCertificate: path('tls_certificate'),
    tlsKey: path('tls_key'),
    rtmpPublicUrl: url('rtmp_public_url', text('rtmp_public_url') ?? rtmpUrl(publicUrl, number('rtmp_port')), [
      'rtmp:',
      'rtmps:',
    ]),
    dataDir: path('data_dir')!,
    databaseUrl: databaseUrl(text('database_url')),
    secretKeys: secretKeys(text('secret_key')),
    bootstrapToken: token(text('bootstrap_token')),
    metricsToken: text('metrics_token'),
    metricsStreams: values.metrics_streams as boolean,
    logLevel: text('log_level') as LogLevel,
    drainMs: number('drain_s') * 1000,
    reconnectWindowMs: number('reconnect_window_s') * 1000,
    publisherTimeoutMs: number('publisher_timeout_s') * 1000,
    takeoverAfterMs: number('takeover_after_ms'),
    backupTakeoverMs: number('backup_takeover_ms'),
    pullMaxFfmpeg: number('pull_max_ffmpeg'),
    partTargetMs: number('part_target_ms'),
    segmentMs: number('segment_ms'),
    liveWindowMs: number('live_window_s') * 1000,
    dvrMaxMs: number('dvr_max_s') * 1000,
    dvrMinFreeBytes: number('dvr_min_free_bytes'),
    httpMaxConnections: number('http_max_connections'),
    rtmpMaxConnections: number('rtmp_max_connections'),
    rtmpMaxConnectionsPerAddress: number('rtmp_max_connections_per_address'),
    rtmpFailuresPerMinute: number('rtmp_failures_per_minute'),
    pushDelayMaxBytes: number('push_delay_max_bytes'),
    maxPlayers: number('max_players'),
    rtmpPlayMergeMs: number('rtmp_play_merge_ms'),
    maxLiveStreams: number('max_live_streams'),
    streamPasswordBits: number('stream_password_bits') as 32 | 128,
    embedAnalytics: values.embed_analytics as boolean,
    apiRatePerMinute: number('api_rate_per_minute'),
    apiAnonymousPerMinute: number('api_anonymous_per_minute'),
    outboundAllow: networks('outbound_allow', values.outbound_allow as string[]),
    trustedProxies: networks('trusted_proxies', values.trusted_proxies as string[]),
    countryHeader: text('country_header') ?? null,
    smtpUrl: smtpUrl(text('smtp_url'), text('mail_from')),
    mailFrom: text('mail_from'),
    outboundPorts: values.outbound_ports as number[],
    webhookAllowHttp: values.webhook_allow_http as boolean,
    webhookTimeoutMs: number('webhook_timeout_s') * 1000,
    webhookRetryMs: (values.webhook_retry_s as number[]).map((seconds) => seconds * 1000),
  };
}

/** `::` takes IPv4 as well, but cannot be listened on where IPv6 is switched off. */
function allAddresses(): string {
  const ipv6 = Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ family }) => family === 'IPv6'),
  );
  return ipv6 ? '::' : '0.0.0.0';
}

/** What an encoder uses as its server when nothing else is said: the public host, and the port unless it is RTMP's own. */
function rtmpUrl(publicUrl: string, port: number): string {
  return `rtmp://${new URL(publicUrl).hostname}${port === 1935 ? '' : `:${port}`}/static`;
}

function url(name: string, value: string, protocols: readonly string[]): string {
  const parsed = URL.parse(value);
  const plain = parsed?.host && !parsed.username && !parsed.password && !parsed.search && !parsed.hash;
  if (!plain || !protocols.includes(parsed.protocol)) {
    const allowed = protocols.map((protocol) => `${protocol}//`).join(' or ');
    throw invalid(
      `${name} is ${JSON.stringify(value)}: it must be an address that begins with ${allowed}, without user, password, query or fragment.`,
    );
  }
  return value.replace(/\/+$/, '');
}

function networks(name: string, value: readonly string[]): readonly string[] {
  const wrong = value.find((network) => !ipaddr.isValidCIDR(network));
  if (wrong === undefined) return value;
  throw invalid(`${name} holds ${JSON.stringify(wrong)}: it must list networks such as 10.0.0.0/8 or fd00::/8.`);
}

/** Its message does not repeat the value: a password is in it. */
function smtpUrl(value: string | undefined, from: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const parsed = URL.parse(value);
  if (!parsed?.hostname || !/^smtps?:$/.test(parsed.protocol))
    throw invalid('smtp_url must be an address of the form smtp://user:password@host:587 or smtps://….');
  if (from === undefined) throw invalid('mail_from belongs to smtp_url: say whom the e-mails come from.');
  return value;
}

/** Its message does not repeat the value: a password is in it. */
function databaseUrl(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const parsed = URL.parse(value);
  if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol) || parsed.pathname.length < 2) {
    throw invalid('database_url must be an address of the form postgres://user:password@host:5432/name.');
  }
  return value;
}

/** Its message does not repeat the value: it is the secret that guards all others. */
function secretKeys(value: string | undefined): readonly Buffer[] | undefined {
  const keys = value?.split(',').map((key) => Buffer.from(key.trim(), 'base64'));
  if (keys?.some((key) => key.length !== 32)) {
    throw invalid(
      'secret_key must be base64 of 32 bytes (`openssl rand -base64 32` makes one); several have commas between them, the newest first.',
    );
  }
  return keys;
}

function token(value: string | undefined): string | undefined {
  // The value is a secret: the message describes it and does not repeat it.
  if (value !== undefined && !/^[A-Za-z0-9_-]{1,64}:[\x21-\x7e]{1,256}$/.test(value)) {
    throw invalid(
      'bootstrap_token must be id:secret; the id has 1 to 64 letters, digits, "-" or "_", the secret 1 to 256 visible ASCII characters.',
    );
  }
  return value;
}
