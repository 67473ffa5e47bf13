// How secrets are shown that their owner knows already: enough to tell which one it is, not enough to use it. Strangers choose what
// is masked here, and lists have a lot of it: everything is done in one pass.

const MASK = '****';
/** Of a shorter secret the last four characters would be too large a part. */
const MIN_SHOWN = 12;
const SECRET_NAME = /pass|pwd|token|secret|key|auth|sig/i;

/** `****` and the last four characters; of a short secret `****` alone. An empty one stays empty. */
export const maskSecret = (secret: string): string =>
  secret.length >= MIN_SHOWN ? MASK + secret.slice(-4) : secret && MASK;

/** Whether a text is what a mask made, or holds it. */
export const isMasked = (text: string): boolean => text.includes(MASK);

/**
 * A platform's server as it may be shown. Many services have the key in the query; and where the platform brings no key of its
 * own, it is what the path ends with.
 */
export function maskServer(server: string, key: string): string {
  const { base, path, query } = split(server);
  return base + (key ? path : maskLastSegment(path, 2, maskSecret)) + maskQuery(query, () => true);
}

/** The same for who need not tell keys apart: without the query, and without what the path ends with, whatever that is. */
export function hideEnd(server: string): string {
  const { base, path } = split(server);
  return base + maskLastSegment(path, 1, () => '***');
}

/** An address to fetch from as it may be shown: without its password, and without what looks like a secret in its query. */
export function maskUrl(url: string): string {
  const { base, path, query } = split(url);
  const shown = base.replace(/^([a-z]+:\/\/[^:@]*):.*@/is, `$1:${MASK}@`);
  return shown + path + maskQuery(query, (name) => SECRET_NAME.test(name));
}

/** Scheme and host; path; what follows it, with its `?` or `#`. */
function split(url: string): { base: string; path: string; query: string } {
  const host = url.indexOf('://') + 3;
  const mark = url.slice(host).search(/[?#]/);
  const end = mark < 0 ? url.length : host + mark;
  const slash = url.indexOf('/', host);
  const begin = slash < 0 ? end : Math.min(slash, end);
  return { base: url.slice(0, begin), path: url.slice(begin, end), query: url.slice(end) };
}

/** Slashes at the end go. A path of fewer segments than `atLeast` stays as it is. */
function maskLastSegment(path: string, atLeast: 1 | 2, mask: (segment: string) => string): string {
  let end = path.length;
  while (path[end - 1] === '/') end--;
  const begin = path.lastIndexOf('/', end - 1) + 1;
  let first = 0;
  while (path[first] === '/') first++;
  if (end === 0 || (atLeast === 2 && begin <= first)) return path;
  return path.slice(0, begin) + mask(path.slice(begin, end));
}

/** Values by the names before them; what stands there without a name is masked in any case. */
function maskQuery(query: string, isSecret: (name: string) => boolean): string {
  if (query.length < 2) return query;
  const parts = query
    .slice(1)
    .split('&')
    .map((part) => {
      const at = part.indexOf('=');
      if (at < 0) return maskSecret(part);
      return isSecret(part.slice(0, at)) ? part.slice(0, at + 1) + maskSecret(part.slice(at + 1)) : part;
    });
  return query[0] + parts.join('&');
}
