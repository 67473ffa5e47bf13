import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import { CodedError } from '../base/index.ts';

type Address = ReturnType<typeof ipaddr.process>;

/** A listener of this process, or a name and port under which the outside reaches one. */
export interface OwnListener {
  /** An IP address, `::` and `0.0.0.0` for all of the machine, or a host name. */
  readonly address: string;
  readonly port: number;
}

const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3');

/** Which IP addresses may be connected to: public ones, and the operator's networks. */
export class AddressRules {
  readonly #allow: readonly ReturnType<typeof ipaddr.parseCIDR>[];

  /** @throws CodedError config_invalid for what is no network in CIDR notation */
  constructor(allow: readonly string[]) {
    this.#allow = allow.map((network) => {
      if (!ipaddr.isValidCIDR(network))
        throw new CodedError(
          'config_invalid',
          `outbound_allow holds ${JSON.stringify(network)}: it must list networks such as 10.0.0.0/8 or fd00::/8.`,
        );
      return ipaddr.parseCIDR(network);
    });
  }

  /** IPv4 in the clothes of IPv6 (`::ffff:…`) counts as IPv4. What is no address at all may not be connected to. */
  permits(address: string): boolean {
    if (!ipaddr.isValid(address)) return false;
    const ip = ipaddr.process(address);
    if (this.#allow.some(([network, bits]) => ip.kind() === network.kind() && ip.match(network, bits))) return true;
    // For IPv6 the library calls unicast whatever it has no name for, `::1.2.3.4` too; only 2000::/3 is given out.
    return ip.range() === 'unicast' && (ip.kind() === 'ipv4' || ip.match(GLOBAL_UNICAST));
  }
}

/** Whether a connection to `address` and `port`, asked for as `host`, would end at one of `listeners`. */
export function reachesOwn(listeners: readonly OwnListener[], host: string, address: string, port: number): boolean {
  return listeners.some((own) => {
    if (own.port !== port) return false;
    const theirs = ipaddr.process(address);
    if (!ipaddr.isValid(own.address)) return own.address === host || isOfThisMachine(theirs);
    const ours = ipaddr.process(own.address);
    if (ours.range() === 'unspecified') return isOfThisMachine(theirs);
    // Who connects to 0.0.0.0 or :: reaches the machine itself.
    return same(ours, theirs) || (theirs.range() === 'unspecified' && isOfThisMachine(ours));
  });
}

function isOfThisMachine(address: Address): boolean {
  if (address.range() === 'loopback' || address.range() === 'unspecified') return true;
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .some((mine) => same(ipaddr.process(mine.address.replace(/%.*$/, '')), address));
}

const same = (a: Address, b: Address): boolean => a.toNormalizedString() === b.toNormalizedString();
