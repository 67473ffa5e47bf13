import ipaddr from 'ipaddr.js';

/** Networks, in CIDR notation, of the proxies that the operator trusts. */
export class ClientAddress {
  readonly #trusted: readonly (readonly [ipaddr.IPv4 | ipaddr.IPv6, number])[];

  constructor(trustedProxies: readonly string[]) {
    this.#trusted = trustedProxies.map((network) => ipaddr.parseCIDR(network));
  }

  /** Whether the address is that of such a proxy. */
  readonly trusts = (address: string): boolean => {
    if (!ipaddr.isValid(address)) return false;
    const parsed = ipaddr.process(address);
    return this.#trusted.some(([base, bits]) => base.kind() === parsed.kind() && parsed.match(base, bits));
  };
}

/** What is looked at of a request. */
interface FromSomewhere {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/**
 * Whose request it is: the peer, or whom the trusted proxies have named in X-Forwarded-For, the last one that is no such proxy (S18).
 * IPv4 in IPv6 is written as IPv4.
 */
export function clientAddress({ headers, socket }: FromSomewhere, { trusts }: ClientAddress): string {
  const forwarded = headers['x-forwarded-for'];
  const remote = socket.remoteAddress ?? '';
  const hops = [...(typeof forwarded === 'string' ? forwarded.split(',').map((hop) => hop.trim()) : []), remote];
  let address = remote;
  for (const hop of hops.reverse()) {
    if (!ipaddr.isValid(hop)) break;
    address = ipaddr.process(hop).toString();
    if (!trusts(address)) break;
  }
  return address;
}
