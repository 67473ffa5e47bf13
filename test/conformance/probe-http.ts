import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { must, NotApplicable } from './check.ts';
import { nextPosition } from './delta.ts';
import { type Answer, ask, withQuery } from './http.ts';
import { current, mediaPlaylist, probe, type Target } from './probe.ts';

const NAMES = 20_000;

/** One address of each kind that a player asks for. */
async function resources({ hlsUrl, mainUrl, audioUrl, main }: Target) {
  const playlist = await current(mainUrl);
  const segment = playlist.segments.at(-2)!;
  const url = (uri: string): string => main.resolve(uri);
  return {
    playlists: [hlsUrl, mainUrl, ...(audioUrl ? [audioUrl] : [])],
    init: url(segment.map!),
    segment: url(segment.uri),
    part: url(playlist.segments.at(-1)!.parts[0]!.uri),
    future: url(playlist.segments.at(-1)!.parts[0]!.uri).replace(
      /\d+\.\d+(?=\.m4s$)/,
      `${nextPosition(playlist).msn + 30}.0`,
    ),
    targetDurationS: playlist.targetDurationS,
  };
}

const maxAge = (answer: Answer): number =>
  Number(/(?:^|[ ,])max-age=(\d+)/.exec(answer.headers['cache-control'] ?? '')?.[1] ?? Number.NaN);
const uncached = (answer: Answer, mostS: number): boolean =>
  /no-store/.test(answer.headers['cache-control'] ?? '') || maxAge(answer) <= mostS;

/** Sends `head` as it stands and returns everything that comes back until the connection is closed or 1 s of silence. */
function raw(url: string, head: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ host: hostname, port: Number(port || 80) }, () => socket.write(head, 'latin1'));
    socket.setEncoding('latin1').setTimeout(1000, () => socket.destroy());
    socket.on('data', (more: string) => (text += more)).on('error', (error) => (text ? resolve(text) : reject(error)));
    socket.on('close', () => resolve(text));
  });
}

/** Answers over HTTP: types, compression, ranges, caching, CORS, strangers. */
export const httpProbes = [
  probe('H70', 'content types, and no redirect on media', async (target) => {
    const { playlists, init, segment, part } = await resources(target);
    for (const url of playlists)
      must(
        (await ask(url)).headers['content-type'] === 'application/vnd.apple.mpegurl',
        `${url}: ${(await ask(url)).headers['content-type']}`,
      );
    must((await ask(init)).headers['content-type'] === 'video/mp4', 'init');
    for (const url of [segment, part]) {
      const { status, headers } = await ask(url);
      must(
        status === 200 && ['video/mp4', 'video/iso.segment'].includes(headers['content-type'] ?? ''),
        `${url}: ${status} ${headers['content-type']}`,
      );
    }
  }),
  probe('H71', 'gzip on playlists when accepted, with Vary; never on media; identity when refused', async (target) => {
    const { playlists, init, segment, part } = await resources(target);
    for (const url of playlists) {
      const zipped = await ask(url, { headers: { 'accept-encoding': 'gzip, deflate, br' } });
      must(
        zipped.headers['content-encoding'] === 'gzip' && /accept-encoding/i.test(zipped.headers.vary ?? ''),
        `${url}: ${zipped.headers['content-encoding']}, Vary ${zipped.headers.vary}`,
      );
      must(gunzipSync(zipped.body).toString('utf8').startsWith('#EXTM3U'), `${url}: not a playlist inside`);
      for (const refusal of ['identity', 'gzip;q=0', 'br']) {
        const plain = await ask(url, { headers: { 'accept-encoding': refusal } });
        must(
          plain.headers['content-encoding'] === undefined && plain.body.toString('latin1', 0, 7) === '#EXTM3U',
          `${url}: ${plain.headers['content-encoding']} for ${refusal}`,
        );
        must(/accept-encoding/i.test(plain.headers.vary ?? ''), `${url}: no Vary on the plain form`);
      }
    }
    for (const url of [init, segment, part])
      must(
        (await ask(url, { headers: { 'accept-encoding': 'gzip' } })).headers['content-encoding'] === undefined,
        `${url} is compressed`,
      );
  }),
  probe('H72', 'Content-Length, HEAD and ranges', async (target) => {
    const { init, segment, part } = await resources(target);
    for (const url of [init, segment, part]) {
      const whole = await ask(url);
      const head = await ask(url, { method: 'HEAD' });
      must(
        Number(whole.headers['content-length']) === whole.body.length,
        `${url}: Content-Length ${whole.headers['content-length']} for ${whole.body.length}`,
      );
      must(
        head.status === 200 &&
          head.body.length === 0 &&
          ['content-length', 'content-type', 'cache-control', 'etag'].every(
            (name) => head.headers[name] === whole.headers[name],
          ),
        `${url}: HEAD disagrees`,
      );
      const size = whole.body.length;
      for (const [range, from, to] of [
        ['bytes=0-99', 0, 100],
        ['bytes=100-199', 100, 200],
        ['bytes=-100', size - 100, size],
        [`bytes=${size - 10}-`, size - 10, size],
        [`bytes=50-${size + 999}`, 50, size],
      ] as const) {
        const answer = await ask(url, { headers: { range } });
        must(
          answer.status === 206 && answer.body.equals(whole.body.subarray(from, to)),
          `${url}: ${range} gives ${answer.status}, ${answer.body.length} bytes`,
        );
        must(
          answer.headers['content-range'] === `bytes ${from}-${to - 1}/${size}`,
          `${url}: ${range}: ${answer.headers['content-range']}`,
        );
      }
      const beyond = await ask(url, { headers: { range: `bytes=${size}-` } });
      must(
        beyond.status === 416 && beyond.headers['content-range'] === `bytes */${size}`,
        `${url}: beyond its end ${beyond.status} ${beyond.headers['content-range']}`,
      );
    }
  }),
  probe('H73', 'media immutable, playlists short, directives cacheable, errors not', async (target) => {
    const { init, segment, part, playlists, future, targetDurationS } = await resources(target);
    for (const url of [init, segment, part]) {
      const answer = await ask(url);
      must(
        /immutable/.test(answer.headers['cache-control'] ?? '') && maxAge(answer) >= 3600,
        `${url}: ${answer.headers['cache-control']}`,
      );
    }
    for (const url of playlists.slice(1)) {
      must(uncached(await ask(url), targetDurationS / 2), `${url}: ${(await ask(url)).headers['cache-control']}`);
      const { msn, part: index } = nextPosition(await current(url));
      const directive = await ask(withQuery(url, `_HLS_msn=${msn}&_HLS_part=${index}`));
      must(maxAge(directive) > targetDurationS / 2, `an answer to directives: ${directive.headers['cache-control']}`);
    }
    must(
      uncached(await ask(playlists[0]!), targetDurationS),
      `the master: ${(await ask(playlists[0]!)).headers['cache-control']}`,
    );
    for (const url of [future, withQuery(target.mainUrl, '_HLS_part=0')])
      must(uncached(await ask(url), targetDurationS), `${url}: an error is kept`);
  }),
  probe('H74', '404 for a part to come is not cacheable; If-None-Match gives 304 with CORS', async (target) => {
    const { init, segment, part, future } = await resources(target);
    const missing = await ask(future);
    must(
      missing.status === 404 && /no-store/.test(missing.headers['cache-control'] ?? ''),
      `${future}: ${missing.status} ${missing.headers['cache-control']}`,
    );
    for (const url of [init, segment, part]) {
      const { etag } = (await ask(url)).headers;
      must(etag, `${url} has no ETag`);
      const again = await ask(url, { headers: { 'if-none-match': etag } });
      must(
        again.status === 304 && again.body.length === 0 && again.headers['access-control-allow-origin'],
        `${url}: ${again.status}, CORS ${again.headers['access-control-allow-origin']}`,
      );
    }
  }),
  probe('H75', 'CORS on every status; OPTIONS 204; Timing-Allow-Origin', async (target) => {
    const { playlists, segment, future } = await resources(target);
    const origin = 'https://somewhere.example';
    const size = (await ask(segment)).body.length;
    const cases: [string, Record<string, string>, number][] = [
      ...playlists.map((url): [string, Record<string, string>, number] => [url, {}, 200]),
      [segment, {}, 200],
      [segment, { range: 'bytes=0-9' }, 206],
      [segment, { range: `bytes=${size}-` }, 416],
      [future, {}, 404],
      [withQuery(target.mainUrl, '_HLS_part=0'), {}, 400],
      [target.mainUrl.replace(/[0-9a-f]{32}/, '0'.repeat(32)), {}, 404],
    ];
    for (const [url, headers, wanted] of cases) {
      const answer = await ask(url, { headers: { origin, ...headers } });
      must(answer.status === wanted, `${url}: ${answer.status}, ${wanted} expected`);
      const allowed = answer.headers['access-control-allow-origin'];
      must(allowed === '*' || allowed === origin, `${url}: ${wanted} without CORS`);
      must(!(allowed === '*' && answer.headers['access-control-allow-credentials']), `${url}: credentials with *`);
      must(wanted !== 200 || answer.headers['timing-allow-origin'], `${url}: no Timing-Allow-Origin`);
    }
    const asked = {
      origin,
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'range,authorization',
    };
    for (const url of [target.mainUrl, segment]) {
      const { status, headers } = await ask(url, { method: 'OPTIONS', headers: asked });
      const allowed = (headers['access-control-allow-headers'] ?? '').toLowerCase();
      must(
        status === 204 && allowed.includes('range') && allowed.includes('authorization'),
        `OPTIONS ${url}: ${status}, ${allowed}`,
      );
    }
  }),
  probe('H77', 'Date and PROGRAM-DATE-TIME agree within 1 s', async ({ mainUrl, figures }) => {
    // A blocking answer comes when the part has just ended: what it dates so is now.
    const { msn, part } = nextPosition(await current(mainUrl));
    const answer = await ask(withQuery(mainUrl, `_HLS_msn=${msn}&_HLS_part=${part}`));
    const playlist = mediaPlaylist(answer);
    const last = playlist.segments.at(-1)!;
    const edgeMs =
      Date.parse(last.dateText ?? '') +
      (last.durationS + playlist.openParts.reduce((sum, { durationS }) => sum + durationS, 0)) * 1000;
    figures.set('H77', `the edge of the playlist is dated ${Math.round(answer.wallMs - edgeMs)} ms before its arrival`);
    must(Math.abs(answer.wallMs - Date.parse(answer.headers.date ?? '')) <= 2000, `Date ${answer.headers.date}`);
    must(Math.abs(answer.wallMs - edgeMs) <= 1000, figures.get('H77')!);
  }),
  probe(
    'H79',
    'unknown names look like offline ones and leave nothing behind',
    async ({ hlsUrl, offlineUrl, serverPid, figures }) => {
      const stranger = (): string =>
        hlsUrl.replace(
          /lv_[0-9a-f]{32}/,
          () => `lv_${Array.from({ length: 32 }, () => Math.floor(Math.random() * 16).toString(16)).join('')}`,
        );
      const unknown = await ask(stranger());
      must(unknown.status === 404, `an unknown name is ${unknown.status}`);
      if (offlineUrl) {
        const offline = await ask(offlineUrl);
        must(
          offline.status === unknown.status && offline.body.equals(unknown.body),
          `offline: ${offline.status} ${offline.body}; unknown: ${unknown.status} ${unknown.body}`,
        );
        const shape = ({ headers }: Answer): string => JSON.stringify({ ...headers, date: '' });
        must(shape(offline) === shape(unknown), `headers differ: ${shape(offline)} ${shape(unknown)}`);
      }
      const resident = (): number =>
        serverPid === null
          ? 0
          : Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${serverPid}/status`, 'latin1'))![1]) / 1024;
      const many = async (count: number): Promise<void> => {
        const lane = async (): Promise<void> => {
          for (let index = 0; index < count / 20; index++)
            must((await ask(stranger())).status === 404, 'an unknown name is not 404');
        };
        await Promise.all(Array.from({ length: 20 }, lane));
      };
      await many(NAMES / 4);
      const before = resident();
      await many(NAMES);
      figures.set(
        'H79',
        `${NAMES} names: resident memory ${before.toFixed(0)} MiB before, ${resident().toFixed(0)} MiB after`,
      );
      must(resident() - before < 32, figures.get('H79')!);
    },
  ),
  probe('H80', 'path games are refused, and nothing from outside the media comes out', async ({ mainUrl }) => {
    const folder = new URL('.', mainUrl).pathname;
    const climbs = [
      '../../../../../../etc/passwd',
      '..%2f..%2f..%2f..%2fetc/passwd',
      '%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd',
      '..\\..\\..\\etc\\passwd',
      '%5c..%5c..%5cetc%5cpasswd',
      '%00',
      'main.m3u8%00.png',
      '....//....//etc/passwd',
      `${'a'.repeat(8192)}`,
      '%',
      '%zz',
      '..;/etc/passwd',
      '%c0%ae%c0%ae/etc/passwd',
      'package.json',
    ];
    const paths = [
      ...climbs.flatMap((climb) => [folder + climb, `/embed/assets/${climb}`, `/hls/${climb}`]),
      '//etc/passwd',
      '/embed/../package.json',
      '/hls//main.m3u8',
    ];
    for (const path of paths) {
      const text = await raw(mainUrl, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
      must([400, 401, 404, 414, 431].includes(status), `${status} for ${path.slice(0, 80)}`);
      must(!/root:.*:0:0:|"devDependencies"/.test(text), `${path} reads a file`);
    }
    // An absolute-form request is a proxy's: its host must not be asked, and its path is judged like any other.
    const absolute = await raw(
      mainUrl,
      'GET http://127.0.0.1:1/etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    must(/^HTTP\/1\.1 4\d\d/.test(absolute), `an absolute-form request: ${absolute.slice(0, 60)}`);
  }),
  probe('H76', 'HTTP/2 with TLS', () =>
    Promise.resolve(new NotApplicable("served in plain HTTP/1.1; TLS and HTTP/2 are a proxy's")),
  ),
];
