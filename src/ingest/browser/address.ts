import ipaddr from 'ipaddr.js';

/**
 * Whose connection it is: `remote`, or whom the proxies that the operator trusts (networks in CIDR notation) have named in
 * X-Forwarded-For, the last one that is no such proxy.
 */
export function addressOf(remote: string, forwardedFor: string | undefined, trusted: readonly string[]): string {
  const hops = [...(forwardedFor ?? '').split(',').map((hop) => hop.trim()), remote];
  let address = remote;
  for (const hop of hops.reverse()) {
    if (!ipaddr.isValid(hop)) break;
    address = ipaddr.process(hop).toString();
    if (!trusted.some((network) => contains(network, address))) break;
  }
  return address;
}

function contains(network: string, address: string): boolean {
  const [base, bits] = ipaddr.parseCIDR(network);
  const parsed = ipaddr.process(address);
  return base.kind() === parsed.kind() && parsed.match(base, bits);
}
