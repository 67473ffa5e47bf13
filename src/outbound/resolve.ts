import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { monotonicMs } from '../base/index.ts';

/** All addresses of a name, IPv4 and IPv6. Rejects, or resolves to an empty list, when there are none. */
export type Resolve = (host: string) => Promise<readonly string[]>;

const CACHE_MS = 5000;
const MAX_CACHED = 1000;

/**
 * Resolves by the hosts file, then by DNS. Not by getaddrinfo: it takes a thread of libuv's four for as long as a dead name
 * server is silent, and four tenants with such names would make everybody's webhooks wait. Names are full ones: no search
 * domains. Answers are kept for five seconds; whoever connects uses the addresses that were checked, so that is no gap.
 */
export function createResolve(): Resolve {
  const dns = new Resolver({ timeout: 2000, tries: 2 });
  const cache = new Map<string, { readonly untilMs: number; readonly addresses: Promise<readonly string[]> }>();
  return (host) => {
    const known = cache.get(host);
    if (known && known.untilMs > monotonicMs()) return known.addresses;
    cache.delete(host);
    if (cache.size >= MAX_CACHED) cache.delete(cache.keys().next().value!);
    const addresses = lookUp(dns, host);
    cache.set(host, { untilMs: monotonicMs() + CACHE_MS, addresses });
    return addresses;
  };
}

async function lookUp(dns: Resolver, host: string): Promise<readonly string[]> {
  const listed = await fromHostsFile(host);
  if (listed.length > 0) return listed;
  if (host === 'localhost' || host.endsWith('.localhost')) return ['127.0.0.1', '::1'];
  const answers = await Promise.allSettled([dns.resolve4(host), dns.resolve6(host)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}

async function fromHostsFile(host: string): Promise<string[]> {
  const text = await readFile('/etc/hosts', 'utf8').catch(() => '');
  return text
    .split('\n')
    .map((line) => line.replace(/#.*$/, '').trim().toLowerCase().split(/\s+/))
    .filter(([, ...names]) => names.includes(host))
    .map(([address]) => address!);
}
