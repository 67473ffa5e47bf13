import type { Destination } from '../outbound/index.ts';

/** What the publishing client says of where it publishes. All of it may hold secrets. */
export interface PushAddress {
  readonly app: string;
  readonly tcUrl: string;
  readonly streamName: string;
}

const DEFAULT_PORTS: { readonly [scheme: string]: number } = { rtmp: 1935, rtmps: 443 };

/**
 * Server and key as a service hands them out, in RTMP's words (G06). The server's path is the application, with its query where it
 * has one (`live2?backup=1`); the key is the stream name, verbatim, with `?` and `&` in it. Where there is no key the last part of the
 * server's path is. Nothing is decoded, and nothing appended: `tcUrl` is what was given, without a default port or a slash at the end.
 */
export function pushAddress(
  destination: Pick<Destination, 'scheme' | 'host' | 'port' | 'path'>,
  key: string,
): PushAddress {
  const { scheme, host, port, path } = destination;
  const [, folders = '', query = ''] = /^\/*([^?]*?)\/*(?:\?(.*))?$/s.exec(path)!;
  const search = query && `?${query}`;
  const name = key.trim().replace(/^\/+/, '');
  const slash = name ? -1 : folders.lastIndexOf('/');
  const app = name ? folders + search : slash < 0 ? folders : folders.slice(0, slash);
  const streamName = name || (slash < 0 ? '' : folders.slice(slash + 1) + search);
  const authority = (host.includes(':') ? `[${host}]` : host) + (port === DEFAULT_PORTS[scheme] ? '' : `:${port}`);
  return { app, tcUrl: `${scheme}://${authority}/${app}`, streamName };
}
