import type { FastifyRequest } from 'fastify';
import ipaddr from 'ipaddr.js';

/**
 * Whom a request comes from: the peer's address, or what a proxy in `trusted_proxies` says that it is (S18). IPv4 in IPv6 is
 * written as IPv4.
 */
export function addressOf(request: FastifyRequest): string {
  // A trusted proxy may pass on whatever a stranger wrote into the header.
  const address = ipaddr.isValid(request.ip) ? request.ip : (request.socket.remoteAddress ?? '');
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}

/** What stands for one customer in limits: an IPv4 address, or the first 64 bits of IPv6, of which one has as many as it likes. */
export function networkOf(request: FastifyRequest): string {
  const address = addressOf(request);
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.parse(address);
  return parsed instanceof ipaddr.IPv6 ? parsed.parts.slice(0, 4).join(':') : address;
}
