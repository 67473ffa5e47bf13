import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CodedError } from '../../src/base/index.ts';
import { describeConfig, loadConfig } from '../../src/config/index.ts';
import { KEYS } from '../../src/config/keys.ts';

const cwd = mkdtempSync(join(tmpdir(), 'liveapi-config-'));
after(() => rmSync(cwd, { recursive: true }));

const file = (name: string, text: string) => {
  writeFileSync(join(cwd, name), text);
  return name;
};
const refused = (run: () => unknown, ...expected: RegExp[]) =>
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof CodedError && error.code === 'config_invalid', String(error));
    for (const pattern of expected) assert.match(error.message, pattern);
    return true;
  });

test('defaults, and what is derived from them', () => {
  const config = loadConfig({ env: {}, cwd });
  const everywhere = Object.values(networkInterfaces()).some((list) => list!.some(({ family }) => family === 'IPv6'))
    ? '::'
    : '0.0.0.0';
  assert.deepEqual(
    { ...config },
    {
      httpHost: everywhere,
      httpPort: 8080,
      publicUrl: 'http://localhost:8080',
      rtmpHost: everywhere,
      rtmpPort: 1935,
      rtmpsPort: 1936,
      tlsCertificate: undefined,
      tlsKey: undefined,
      rtmpPublicUrl: 'rtmp://localhost/static',
      dataDir: join(cwd, 'data'),
      databaseUrl: undefined,
      secretKeys: undefined,
      bootstrapToken: undefined,
      metricsToken: undefined,
      metricsStreams: false,
      logLevel: 'info',
      drainMs: 0,
      reconnectWindowMs: 60_000,
      publisherTimeoutMs: 15_000,
      takeoverAfterMs: 2000,
      backupTakeoverMs: 900,
      pullMaxFfmpeg: 16,
      partTargetMs: 334,
      segmentMs: 2000,
      liveWindowMs: 15_000,
      dvrMaxMs: 43_200_000,
      dvrMinFreeBytes: 1_073_741_824,
      httpMaxConnections: 50_000,
      rtmpMaxConnections: 10_000,
      rtmpMaxConnectionsPerAddress: 50,
      rtmpFailuresPerMinute: 10,
      apiAnonymousPerMinute: 300,
      pushDelayMaxBytes: 2 ** 30,
      maxPlayers: 10_000,
      rtmpPlayMergeMs: 30,
      maxLiveStreams: 10_000,
      streamPasswordBits: 32,
      embedAnalytics: true,
      apiRatePerMinute: 6000,
      mailFrom: undefined,
      smtpUrl: undefined,
      trustedProxies: [],
      countryHeader: null,
      outboundAllow: [],
      outboundPorts: [],
      webhookAllowHttp: false,
      webhookTimeoutMs: 15_000,
      webhookRetryMs: [5, 30, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 72_000].map((seconds) => seconds * 1000),
    },
  );
  assert.ok(Object.isFrozen(config));
  const derived = loadConfig({
    env: { LIVEAPI_PUBLIC_URL: 'https://live.example.com/media//', LIVEAPI_RTMP_PORT: '1940' },
    cwd,
  });
  assert.equal(derived.publicUrl, 'https://live.example.com/media');
  assert.equal(derived.rtmpPublicUrl, 'rtmp://live.example.com:1940/static');
  assert.equal(
    loadConfig({ env: { LIVEAPI_PUBLIC_URL: 'http://[::1]:9000' }, cwd }).rtmpPublicUrl,
    'rtmp://[::1]/static',
  );
  assert.equal(loadConfig({ env: { LIVEAPI_HTTP_PORT: '9000' }, cwd }).publicUrl, 'http://localhost:9000');
});

test('defaults < file < environment < flags; an empty variable counts as not set', () => {
  file('config.yml', 'http_port: 1001\nrtmp_port: 1001\nlog_level: warn\nreconnect_window_s: 0\ndata_dir:\n');
  after(() => rmSync(join(cwd, 'config.yml'), { force: true }));
  const env = { LIVEAPI_HTTP_PORT: '1002', LIVEAPI_RTMP_PORT: '1002', LIVEAPI_LOG_LEVEL: '', PATH: '/bin' };
  const config = loadConfig({ argv: ['--http-port', '1003', '--segment-ms=3000'], env, cwd });
  assert.deepEqual(
    [config.httpPort, config.rtmpPort, config.logLevel, config.reconnectWindowMs, config.segmentMs, config.dataDir],
    [1003, 1002, 'warn', 0, 3000, join(cwd, 'data')],
  );
  const other = file('other.yml', 'http_port: 2001');
  const third = file('third.yml', '');
  assert.equal(loadConfig({ env: { LIVEAPI_CONFIG: other }, cwd }).httpPort, 2001);
  assert.equal(loadConfig({ argv: ['--config', third], env: { LIVEAPI_CONFIG: other }, cwd }).httpPort, 8080);
  rmSync(join(cwd, 'config.yml'));
});

test('lists are lists in the file, and have commas in between in the environment and in flags', () => {
  const lists = file(
    'lists.yml',
    'outbound_allow: [10.0.0.0/8, "fd00::/8"]\noutbound_ports: 8080\nwebhook_retry_s: []',
  );
  const fromFile = loadConfig({ argv: ['--config', lists], env: {}, cwd });
  assert.deepEqual(
    [fromFile.outboundAllow, fromFile.outboundPorts, fromFile.webhookRetryMs],
    [['10.0.0.0/8', 'fd00::/8'], [8080], []],
  );
  const env = { LIVEAPI_OUTBOUND_ALLOW: '127.0.0.0/8, ::1/128', LIVEAPI_WEBHOOK_ALLOW_HTTP: 'true' };
  const config = loadConfig({ argv: ['--outbound-ports', '81,82', '--webhook-retry-s=1'], env, cwd });
  assert.deepEqual(
    [config.outboundAllow, config.outboundPorts, config.webhookAllowHttp, config.webhookRetryMs],
    [['127.0.0.0/8', '::1/128'], [81, 82], true, [1000]],
  );
  refused(() => loadConfig({ env: { LIVEAPI_OUTBOUND_ALLOW: '10.0.0.1' }, cwd }), /outbound_allow holds "10\.0\.0\.1"/);
  refused(() => loadConfig({ env: { LIVEAPI_OUTBOUND_PORTS: '80,http' }, cwd }), /outbound_ports\.1 .*whole number/);
});

test('unknown keys are refused wherever they stand, with the nearest known one', () => {
  const typo = file('typo.yml', 'htp_port: 1');
  refused(
    () => loadConfig({ argv: ['--config', typo], env: {}, cwd }),
    /"htp_port" in .*typo\.yml/,
    /mean http_port\?/,
  );
  refused(() => loadConfig({ env: { LIVEAPI_RTMP_PROT: '1' }, cwd }), /LIVEAPI_RTMP_PROT/, /mean LIVEAPI_RTMP_PORT\?/);
  refused(() => loadConfig({ argv: ['--data-dri', 'x'], env: {}, cwd }), /"--data-dri"/, /mean --data-dir\?/);
  refused(() => loadConfig({ argv: ['--http_port', '1'], env: {}, cwd }), /mean --http-port\?/);
  refused(() => loadConfig({ argv: ['serve'], env: {}, cwd }), /"serve" is not a setting\. config\.example\.yml/);
  refused(() => loadConfig({ argv: ['--http-port'], env: {}, cwd }), /--http-port needs a value/);
  // What Kubernetes puts into every container when a service is called liveapi.
  const kubernetes = {
    LIVEAPI_SERVICE_HOST: '10.0.0.1',
    LIVEAPI_PORT: 'tcp://10.0.0.1:80',
    LIVEAPI_PORT_80_TCP_ADDR: '10.0.0.1',
  };
  assert.equal(loadConfig({ env: kubernetes, cwd }).httpPort, 8080);
  // A variable that resembles no setting may belong to another version: it is told, and does not keep the server down.
  assert.equal(loadConfig({ env: { LIVEAPI_SOMETHING_ELSE_ENTIRELY: '1' }, cwd }).httpPort, 8080);
});

test('wrong values are refused with the key, the value, the place and what is allowed', () => {
  const from = (env: Record<string, string>) => () => loadConfig({ env, cwd });
  refused(
    from({ LIVEAPI_HTTP_PORT: 'abc' }),
    /http_port must be a whole number from 1 to 65535/,
    /"abc"/,
    /LIVEAPI_HTTP_PORT/,
  );
  refused(from({ LIVEAPI_HTTP_PORT: '65536' }), /65535/);
  refused(from({ LIVEAPI_RECONNECT_WINDOW_S: '3601' }), /reconnect_window_s .* 0 to 3600/);
  refused(from({ LIVEAPI_LOG_LEVEL: 'loud' }), /log_level must be one of trace, debug/);
  refused(
    from({ LIVEAPI_PUBLIC_URL: 'live.example.com' }),
    /public_url is "live\.example\.com"/,
    /http:\/\/ or https:\/\//,
  );
  refused(from({ LIVEAPI_PUBLIC_URL: 'https://me:pw@live.example.com' }), /without user/);
  refused(from({ LIVEAPI_RTMP_PUBLIC_URL: 'http://x/static' }), /rtmp_public_url .* rtmp:\/\/ or rtmps:\/\//);
  refused(from({ LIVEAPI_TLS_KEY: 'key.pem' }), /tls_certificate and tls_key belong together/);
  refused(
    from({ LIVEAPI_TLS_KEY: 'no.pem', LIVEAPI_TLS_CERTIFICATE: 'no.pem' }),
    /tls_certificate is .*no\.pem.*ENOENT/,
  );
  refused(from({ LIVEAPI_PART_TARGET_MS: '1500' }), /part_target_ms is 1500/, /segment_ms is 2000/);
  refused(from({ LIVEAPI_SEGMENT_MS: '10000', LIVEAPI_LIVE_WINDOW_S: '10' }), /live_window_s is 10/);
  refused(from({ LIVEAPI_CONFIG: file('list.yml', '- 1') }), /list\.yml must hold lines/);
  refused(
    from({ LIVEAPI_CONFIG: file('twice.yml', 'http_port: 1\nhttp_port: 2') }),
    /twice\.yml cannot be read.*line 2/s,
  );
  refused(from({ LIVEAPI_CONFIG: 'absent.yml' }), /absent\.yml cannot be read/);
  refused(
    from({ LIVEAPI_CONFIG: file('text.yml', 'http_port: "80"') }),
    /http_port must be a whole number/,
    /text\.yml/,
  );
  for (const token of ['no-colon-in-this-one', 'nobody:', ':0123456789abcdef', 'an id:0123456789abcdef']) {
    assert.throws(
      from({ LIVEAPI_BOOTSTRAP_TOKEN: token }),
      (error: Error) => /bootstrap_token must be id:secret/.test(error.message) && !error.message.includes(token),
    );
  }
  assert.equal(from({ LIVEAPI_BOOTSTRAP_TOKEN: 'me:0123456789:abcdef' })().bootstrapToken, 'me:0123456789:abcdef');
});

test('config.example.yml lists every setting with its default', () => {
  const text = readFileSync(new URL('../../config.example.yml', import.meta.url), 'utf8');
  const settings = text.match(/^#\w+: .*$/gm)!.map((line) => line.slice(1));
  assert.deepEqual(settings.map((line) => line.split(':')[0]).sort(), KEYS.map((key) => key.name).sort());
  // Settings without a default stand there with an example.
  const examples = [
    'http_host',
    'rtmp_host',
    'tls_certificate',
    'tls_key',
    'bootstrap_token',
    'database_url',
    'secret_key',
    'country_header',
    'smtp_url',
    'mail_from',
    'metrics_token',
  ];
  const all = file('all.yml', settings.filter((line) => !examples.includes(line.split(':')[0]!)).join('\n'));
  assert.deepEqual(loadConfig({ env: { LIVEAPI_CONFIG: all }, cwd }), loadConfig({ env: {}, cwd }));
  const only = file(
    'only.yml',
    settings.filter((line) => examples.slice(0, 2).concat('bootstrap_token').includes(line.split(':')[0]!)).join('\n'),
  );
  assert.equal(loadConfig({ env: { LIVEAPI_CONFIG: only }, cwd }).httpHost, '127.0.0.1');
  assert.equal(Object.keys(loadConfig({ env: { LIVEAPI_CONFIG: file('as-is.yml', text) }, cwd })).length, KEYS.length);
  for (const key of KEYS) assert.ok(describeConfig().includes(key.description), key.name);
});
