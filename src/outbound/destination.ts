import { isIP } from 'node:net';
import { CodedError } from '../base/index.ts';

/** What a connection is for. Each kind has its schemes and ports. */
export type OutboundKind = 'webhook' | 'platform' | 'pull' | 'download';

/** A URL taken apart: what would be connected to, before any name is resolved. */
export interface Target {
  readonly scheme: 'http' | 'https' | 'rtmp' | 'rtmps' | 'rtsp' | 'srt';
  /** Lower-case name, or an IP address as WHATWG writes it, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Whether `host` is an address and not a name. */
  readonly isAddress: boolean;
  /** What follows host and port: path and query, beginning with `/`; never logged. */
  readonly path: string;
  /** User name and password of a pull's URL, decoded; null without. For this host and port only; never logged. */
  readonly credentials: { readonly user: string; readonly password: string } | null;
}

export interface TargetRules {
  readonly allowHttpWebhooks: boolean;
  /** Beside those of the kind. */
  readonly ports: readonly number[];
}

const SCHEMES: Record<OutboundKind, readonly Target['scheme'][]> = {
  webhook: ['https'],
  platform: ['rtmp', 'rtmps'],
  pull: ['http', 'https', 'rtmp', 'rtmps', 'rtsp', 'srt'],
  download: ['http', 'https'],
};
/** SRT has none: its URLs name their port. */
const DEFAULT_PORTS = { http: 80, https: 443, rtmp: 1935, rtmps: 443, rtsp: 554, srt: 0 };
const PORTS: Record<OutboundKind, readonly number[]> = {
  webhook: [80, 443],
  platform: [80, 443, 1935, 1936],
  pull: [80, 443, 554, 1935, 1936, 8080],
  download: [80, 443, 8080],
};
/** From here on a port is anybody's; below stand the services that must not be talked to (S37: "8443+"). */
const FIRST_FREE_PORT = 8443;
/** Schemes in which a pull's URL may carry a user name and a password. */
const WITH_USER: readonly string[] = ['http', 'https', 'rtsp'];
const MAX_URL_LENGTH = 2048;

const refused = (message: string): CodedError => new CodedError('destination_refused', message);

/**
 * Takes a URL apart and checks what can be checked without the network (S35, S37): the form, the scheme, the port. All schemes
 * are read alike: rtmp is not normalised by the WHATWG parser, so its host is read as http's would be, and `2130706433` or
 * `0x7f.1` come out as the addresses that they are.
 * @throws CodedError destination_refused; the message never repeats more of the URL than its scheme and port
 */
export function parseTarget(url: string, kind: OutboundKind, rules: TargetRules): Target {
  if (url.length > MAX_URL_LENGTH) throw refused(`The URL must have at most ${MAX_URL_LENGTH} characters.`);
  const schemes = kind === 'webhook' && rules.allowHttpWebhooks ? ['https', 'http'] : SCHEMES[kind];
  // Blanks and control characters are dropped by parsers, and a backslash is a slash to some: none of them may stand here.
  const match = /^([a-z]+):\/\/(?:([^\s\p{Cc}\\/?#@]*)@)?([^\s\p{Cc}\\/?#@]+)([/?#][^\s\p{Cc}\\]*)?$/iu.exec(
    url.trim(),
  );
  const scheme = match?.[1]?.toLowerCase() as Target['scheme'] | undefined;
  const mayNameUser = kind === 'pull' && WITH_USER.includes(scheme!);
  if (!match || !schemes.includes(scheme!) || (match[2] !== undefined && !mayNameUser)) {
    const begin = schemes.map((name) => `${name}://`).join(' or ');
    const without = mayNameUser ? '' : 'user name, password, ';
    throw refused(`The URL must begin with ${begin} and a host, without ${without}blanks or backslashes.`);
  }
  const authority = match[3]!;
  const parsed = URL.parse(`http://${authority}/`);
  // Compared in full: nothing in the authority may have become path, query or user info on the way.
  if (
    !parsed?.hostname ||
    parsed.username ||
    parsed.password ||
    parsed.pathname !== '/' ||
    parsed.search ||
    parsed.hash
  )
    throw refused('The host of the URL cannot be read.');
  const written = /:(\d*)$/.exec(authority)?.[1];
  const port = written ? Number(written) : DEFAULT_PORTS[scheme!];
  if (scheme === 'srt' && !written) throw refused('An srt:// URL must name its port.');
  if (port < FIRST_FREE_PORT && !PORTS[kind].includes(port) && !rules.ports.includes(port))
    throw refused(`Port ${port} is not one that this server connects to (the operator can add it to outbound_ports).`);
  const host = parsed.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const credentials = match[2] === undefined ? null : credentialsOf(match[2]);
  return { scheme: scheme!, host, port, isAddress: isIP(host) > 0, path: pathOf(match[4] ?? '', scheme!), credentials };
}

function credentialsOf(userInfo: string): Target['credentials'] {
  const [, user, password = ''] = /^([^:]*):?(.*)$/s.exec(userInfo)!;
  try {
    return { user: decodeURIComponent(user!), password: decodeURIComponent(password) };
  } catch {
    throw refused('The user name and password in the URL cannot be read: write % as %25.');
  }
}

function pathOf(rest: string, scheme: Target['scheme']): string {
  const path = rest.replace(/#.*$/s, '').replace(/^(?!\/)/, '/');
  if (!scheme.startsWith('http')) return path;
  const { pathname, search } = new URL(`http://host${path}`);
  return pathname + search;
}
