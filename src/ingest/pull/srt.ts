import { CodedError } from '../../base/index.ts';
import type { Destination } from '../../outbound/index.ts';
import type { FfmpegInput } from './ffmpeg-source.ts';

/** What is taken over of an SRT URL's query, and what it may look like. All else is left out: `mode` and addresses are ours. */
const TAKEN: Readonly<Record<string, RegExp>> = {
  streamid: /^(?!-)[\x21-\x7e]{1,512}$/,
  passphrase: /^(?!-)[\x21-\x7e]{10,64}$/,
  pbkeylen: /^(?:16|24|32)$/,
  latency: /^\d{1,5}$/,
};
const TIMEOUT_US = 10_000_000;
const DEFAULT_LATENCY_MS = 120;

/**
 * What ffmpeg is told for an SRT URL: it calls the address that was checked, and resolves no name.
 * @throws CodedError bad_request for a value in the query that cannot be meant
 */
export function srtInput({ addresses, port, path }: Destination): FfmpegInput {
  const query = new URLSearchParams(path.replace(/^[^?]*\??/, ''));
  if (query.has('mode') && query.get('mode') !== 'caller')
    throw new CodedError('bad_request', 'An SRT source is called: mode=caller is the only one.');
  const options: string[] = [];
  for (const [name, form] of Object.entries(TAKEN)) {
    const value = query.get(name);
    if (value === null || value === '') continue;
    if (!form.test(value))
      throw new CodedError('bad_request', `${name} in the SRT URL cannot be used: ${RULES[name]}.`);
    // Milliseconds to us and to most tools, microseconds to ffmpeg.
    if (name !== 'latency') options.push(`-${name}`, value);
  }
  const latencyMs = Number(query.get('latency') || DEFAULT_LATENCY_MS);
  const address = addresses[0]!;
  return {
    protocols: ['srt', 'udp'],
    input: [
      ...['-f', 'mpegts', '-mode', 'caller', '-latency', String(latencyMs * 1000), '-timeout', String(TIMEOUT_US)],
      ...['-connect_timeout', '5000', ...options],
      ...['-i', `srt://${address.includes(':') ? `[${address}]` : address}:${port}`],
    ],
  };
}

const RULES: Readonly<Record<string, string>> = {
  streamid: 'up to 512 printable characters without blanks, the first no hyphen',
  passphrase: '10 to 64 printable characters without blanks',
  pbkeylen: '16, 24 or 32',
  latency: 'milliseconds, up to 99999',
};
