// How secrets are shown that their owner knows already: enough to tell which one it is, not enough to use it.

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
  const [, base = '', path = '', query = ''] = /^([a-z]+:\/\/[^/?#]*)([^?#]*)([?#].*)?$/is.exec(server) ?? [];
  const shown = key ? path : path.replace(/(?<=^\/.*\/)[^/]+(?=\/?$)/s, maskSecret);
  return base + shown + query.replaceAll(/(?<==|[?#](?=[^=&]*$))[^=&]+/g, maskSecret);
}

/** An address to fetch from as it may be shown: without its password, and without what looks like a secret in its query. */
export function maskUrl(url: string): string {
  return url
    .replace(/^([a-z]+:\/\/[^/?#:@]*):[^/?#]*@/i, `$1:${MASK}@`)
    .replaceAll(/(?<=[?&])([^=&#]+)=([^&#]+)/g, (pair, name: string) =>
      SECRET_NAME.test(name) ? `${name}=${MASK}` : pair,
    );
}
