import type { Socket } from 'node:net';
import { forLog } from '../../base/index.ts';
import { ToPackets } from '../../formats/flv/index.ts';
import { type PlayEnd, PlaySession, statusCode } from '../../formats/rtmp/index.ts';
import type { MakeSource, SourceEnd } from './source.ts';
import { endOfError, SOURCE_ENDED, unsupportedVideo } from './source-end.ts';

/** For the handshake, and for the server to say that it plays. */
const UNTIL_PLAYING_MS = 10_000;
/** A server that reads nothing of what we tell it (acknowledgements, pings) has this much left waiting at most. */
const MAX_UNREAD_BYTES = 1 << 20;

/** RTMP and RTMPS, by our own client. */
export const rtmpSource: MakeSource = (url, events, { outbound, log }) => {
  let socket: Socket | null = null;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const close = () => {
    closed = true;
    clearTimeout(timer);
    session.close();
    socket?.destroy();
  };
  const end = (reason: SourceEnd) => {
    if (closed) return;
    close();
    events.ended(reason);
  };

  const packets = new ToPackets({
    unsupported: (kind, codec) => {
      events.unsupported(kind, forLog(codec));
      if (kind === 'video') end(unsupportedVideo(forLog(codec)));
    },
    dropped: (reason) => log.info({ reason }, 'frame of the source dropped'),
  });
  const session = new PlaySession(targetOf(url), {
    send: (bytes) => {
      if (!socket || closed) return;
      socket.write(bytes);
      if (socket.writableLength > MAX_UNREAD_BYTES) end(UNREADING);
    },
    playing: () => clearTimeout(timer),
    media: (kind, timestampMs, body) => {
      if (closed) return;
      const packet = kind === 'video' ? packets.video(timestampMs, body) : packets.audio(timestampMs, body);
      if (packet) events.packet(packet);
    },
    metadata: (values) => events.metadata(values),
    ended: (reason) => end(endOfPlay(reason)),
  });

  async function open(): Promise<void> {
    const connected = await outbound.connectTcp(url, 'pull');
    socket = connected.socket;
    if (closed) {
      socket.destroy();
      return;
    }
    timer = setTimeout(() => end(NO_ANSWER), UNTIL_PLAYING_MS);
    socket.on('data', (bytes) => {
      if (closed) return;
      events.progress(bytes.length);
      try {
        session.receive(bytes);
      } catch (error) {
        end(endOfError(error, log));
      }
    });
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => end(BROKE_OFF));
    session.start();
  }

  return {
    protocol: 'pull-rtmp',
    start: () => void open().catch((error) => end(endOfError(error, log))),
    close,
  };
};

/**
 * App and stream name as FFmpeg takes them out of a URL: the first part of the path is the app, or the first two where there are three
 * or more (`/app/instance/name`), unless the second begins the name (`/app/mp4:folder/name`).
 */
export function targetOf(url: string): { readonly app: string; readonly tcUrl: string; readonly streamName: string } {
  const [, base = '', path = '', query = ''] = /^(rtmps?:\/\/[^/?#]+)\/?([^?#]*)(\?[^#]*)?/i.exec(url.trim()) ?? [];
  const [, app = '', name = ''] = /^([^/]*(?:\/[^/:]+(?=\/))?)\/?(.*)$/s.exec(path)!;
  return { app, tcUrl: `${base}/${app}`, streamName: name + query };
}

function endOfPlay({ kind, code, description }: PlayEnd): SourceEnd {
  // Its description is read, and never repeated.
  const detail = statusCode(code);
  switch (kind) {
    case 'ended':
      return SOURCE_ENDED;
    case 'not_found':
      return {
        code: 'not_found',
        message: 'The source has no such stream now. Look at the path of the URL.',
        permanent: false,
      };
    case 'redirected':
      return {
        code: 'bad_answer',
        message: 'The source sends us to another address, which is not followed: pull from there.',
        permanent: true,
      };
    case 'refused':
      return {
        code: 'unauthorized',
        message: `The source refuses us${detail && ` (${detail})`}: look at the path and the token in the URL.`,
        permanent: /auth|denied|forbidden|reject|invalidapp/i.test(code + description),
      };
  }
}

const NO_ANSWER: SourceEnd = { code: 'timeout', message: 'The source does not begin to play.', permanent: false };
const BROKE_OFF: SourceEnd = {
  code: 'unreachable',
  message: 'The connection to the source broke off.',
  permanent: false,
};
const UNREADING: SourceEnd = { code: 'bad_answer', message: 'The source reads nothing.', permanent: false };
