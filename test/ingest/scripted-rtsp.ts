import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { after } from 'node:test';
import { FLV_AUDIO, FLV_VIDEO, frameHash, readFlvTags } from '../support/flv-frames.ts';

/** How the server behaves. */
export interface RtspBehaviour {
  readonly user?: { readonly name: string; readonly password: string; readonly basic?: boolean };
  /** Answers DESCRIBE with a redirect to there. */
  readonly redirect?: string;
  /** Answers SETUP with this transport, whatever was asked for. */
  readonly transport?: string;
  /** Answers this to DESCRIBE. */
  readonly status?: string;
  /** Sends this instead of an answer. */
  readonly garbage?: Buffer;
  /** Requests with this method are not answered. */
  readonly ignores?: string;
  /** Plays nothing. */
  readonly silent?: boolean;
}

export interface RtspServer {
  readonly port: number;
  /** First lines of the requests that have come. */
  readonly requests: string[];
  /** Requests as they came. */
  readonly texts: string[];
  readonly connections: number;
  /** Of them now. */
  readonly open: number;
  /** Hashes of the video frames sent to the latest player, without SPS and PPS. */
  sent(): readonly string[];
}

/** The smallest RTSP server that plays H.264 and AAC over one TCP connection: an FLV file in real time, again and again. */
export async function startRtspServer(flv: string, behaviour: RtspBehaviour = {}): Promise<RtspServer> {
  const tags = readFlvTags(flv).filter(({ type, body }) => (type === FLV_VIDEO || type === FLV_AUDIO) && body[1] === 1);
  const configs = readFlvTags(flv).filter(({ type, body }) => type !== 18 && body[1] === 0);
  const avcc = configs.find(({ type }) => type === FLV_VIDEO)!.body.subarray(5);
  const asc = configs.find(({ type }) => type === FLV_AUDIO)!.body.subarray(2);
  const spsLength = avcc.readUInt16BE(6);
  const sps = avcc.subarray(8, 8 + spsLength);
  const ppsLength = avcc.readUInt16BE(9 + spsLength);
  const pps = avcc.subarray(11 + spsLength, 11 + spsLength + ppsLength);
  const roundMs = tags.at(-1)!.timestampMs + 33;
  const requests: string[] = [];
  const texts: string[] = [];
  const sockets = new Set<net.Socket>();
  let sent: string[] = [];
  let connections = 0;
  const nonce = randomBytes(8).toString('hex');
  const sdp = [
    'v=0',
    'o=- 0 0 IN IP4 127.0.0.1',
    's=scripted',
    'c=IN IP4 0.0.0.0',
    't=0 0',
    'a=control:*',
    'a=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,AAAA',
    'm=video 0 RTP/AVP 96',
    'a=rtpmap:96 H264/90000',
    `a=fmtp:96 packetization-mode=1;sprop-parameter-sets=${sps.toString('base64')},${pps.toString('base64')}`,
    'a=control:trackID=0',
    'm=audio 0 RTP/AVP 97',
    'a=rtpmap:97 MPEG4-GENERIC/48000/1',
    `a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=${asc.toString('hex')}`,
    'a=control:trackID=1',
    '',
  ].join('\r\n');

  const server = net.createServer((socket) => {
    connections++;
    sockets.add(socket);
    let timer: NodeJS.Timeout | undefined;
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(timer);
      sockets.delete(socket);
    });
    let text = '';
    let track = 0;
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      // RTCP reports of the player.
      while (text.startsWith('$') && text.length >= 4) {
        const length = 4 + text.charCodeAt(2) * 256 + text.charCodeAt(3);
        if (text.length < length) return;
        text = text.slice(length);
      }
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        answer(text.slice(0, end));
        text = text.slice(end + 4);
      }
    });
    const answer = (request: string) => {
      texts.push(request);
      requests.push(request.split('\r\n')[0]!);
      const [method = '', uri = ''] = request.split(' ');
      const cseq = /^CSeq: *(\d+)/im.exec(request)?.[1];
      const reply = (status: string, headers: string[] = [], body = '') =>
        socket.write(
          [`RTSP/1.0 ${status}`, `CSeq: ${cseq}`, 'Server: RealServer', ...headers, '', body].join('\r\n'),
          'latin1',
        );
      if (behaviour.garbage) return socket.write(behaviour.garbage);
      if (method === behaviour.ignores) return;
      if (method === 'OPTIONS') return reply('200 OK', ['Public: OPTIONS, DESCRIBE, SETUP, PLAY']);
      if (behaviour.user && !authorised(request, method, uri))
        return reply('401 Unauthorized', [
          behaviour.user.basic
            ? 'WWW-Authenticate: Basic realm="cam"'
            : `WWW-Authenticate: Digest realm="cam", nonce="${nonce}", qop="auth"`,
        ]);
      if (method === 'DESCRIBE') {
        if (behaviour.redirect) return reply('302 Moved', [`Location: ${behaviour.redirect}`]);
        if (behaviour.status) return reply(behaviour.status);
        return reply('200 OK', ['Content-Type: application/sdp', `Content-Length: ${sdp.length}`], sdp);
      }
      if (method === 'SETUP') {
        const channel = 2 * track++;
        const transport = behaviour.transport ?? `RTP/AVP/TCP;unicast;interleaved=${channel}-${channel + 1}`;
        return reply('200 OK', ['Session: 42', `Transport: ${transport}`]);
      }
      reply('200 OK', ['Session: 42']);
      if (method === 'PLAY' && !behaviour.silent) play();
    };
    const authorised = (request: string, method: string, uri: string): boolean => {
      const { name, password, basic } = behaviour.user!;
      const given = /^Authorization: *(.*)$/im.exec(request)?.[1] ?? '';
      if (basic) return given === `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
      const field = (key: string) => new RegExp(`\\b${key}="?([^",]*)`).exec(given)?.[1] ?? '';
      const md5 = (plain: string) => createHash('md5').update(plain).digest('hex');
      const [ha1, ha2] = [md5(`${name}:cam:${password}`), md5(`${method}:${uri}`)];
      return (
        field('uri') === uri &&
        field('response') === md5(`${ha1}:${nonce}:${field('nc')}:${field('cnonce')}:auth:${ha2}`)
      );
    };
    const play = () => {
      const mine: string[] = [];
      sent = mine;
      const sequence = [0, 0];
      const rtp = (of: 0 | 1, marker: boolean, time: number, payload: Buffer) => {
        const head = Buffer.alloc(16);
        head.write('$', 'latin1');
        head[1] = 2 * of;
        head.writeUInt16BE(12 + payload.length, 2);
        head[4] = 0x80;
        head[5] = (marker ? 0x80 : 0) | (96 + of);
        head.writeUInt16BE(sequence[of]!++ & 0xffff, 6);
        head.writeUInt32BE(time >>> 0, 8);
        head.writeUInt32BE(1 + of, 12);
        socket.write(Buffer.concat([head, payload]));
      };
      const startMs = performance.now();
      let next = 0;
      timer = setInterval(() => {
        for (;;) {
          const { type, timestampMs, body } = tags[next % tags.length]!;
          const ms = timestampMs + Math.floor(next / tags.length) * roundMs;
          if (ms > performance.now() - startMs) return;
          next++;
          if (type === FLV_AUDIO) {
            const unit = body.subarray(2);
            const header = Buffer.alloc(4);
            header.writeUInt16BE(16, 0);
            header.writeUInt16BE(unit.length << 3, 2);
            rtp(1, true, Math.round(ms * 48), Buffer.concat([header, unit]));
            continue;
          }
          const frame = body.subarray(5);
          mine.push(frameHash(frame));
          for (let at = 0; at < frame.length; ) {
            const length = frame.readUInt32BE(at);
            const nal = frame.subarray(at + 4, at + 4 + length);
            at += 4 + length;
            const last = at >= frame.length;
            if (nal.length <= 1400) rtp(0, last, ms * 90, nal);
            else
              for (let from = 1; from < nal.length; from += 1400) {
                const to = Math.min(from + 1400, nal.length);
                const flags = (from === 1 ? 0x80 : 0) | (to === nal.length ? 0x40 : 0) | (nal[0]! & 31);
                const head = Buffer.from([(nal[0]! & 0xe0) | 28, flags]);
                rtp(0, last && to === nal.length, ms * 90, Buffer.concat([head, nal.subarray(from, to)]));
              }
          }
        }
      }, 5);
    };
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    texts,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    sent: () => sent,
  };
}
