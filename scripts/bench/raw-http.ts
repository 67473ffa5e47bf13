// A client light enough to load a server from one core: one socket, one request at a time, answers counted and, unless
// somebody wants them, not kept. It understands what our server answers: HTTP/1.1 with Content-Length.
import net from 'node:net';

/** Who sends requests over a connection. */
export interface Asker {
  /** Whether the body of the answer that is coming is to be kept. */
  wantsBody(connection: RawConnection): boolean;
  /** `body` is empty unless it was wanted. */
  answered(connection: RawConnection, status: number, body: Buffer, length: number): void;
  failed(connection: RawConnection, error: Error): void;
}

// All sockets read into it, one after the other: what is kept of it is copied.
const shared = Buffer.allocUnsafeSlow(256 * 1024);
const EMPTY = Buffer.alloc(0);
const HEAD_END = Buffer.from('\r\n\r\n');

/** The bytes of a GET, to be made once and sent often. */
export const getRequest = (path: string, ...headers: string[]): Buffer =>
  Buffer.from([`GET ${path} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, '', ''].join('\r\n'));

export class RawConnection {
  readonly #socket: net.Socket;
  readonly #asker: Asker;
  readonly opened: Promise<void>;
  /** The part of a head that has come, when it is not complete. */
  #head: Buffer = EMPTY;
  #status = 0;
  #length = 0;
  /** Body bytes still to come; -1 while the head is read. */
  #left = -1;
  #kept: Buffer[] | null = null;

  constructor(port: number, asker: Asker) {
    this.#asker = asker;
    const callback = (length: number, buffer: Uint8Array) => {
      this.#read((buffer as Buffer).subarray(0, length));
      return true;
    };
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: shared, callback } });
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once('connect', resolve);
      this.#socket.once('error', reject);
      this.#socket.once('close', () => reject(new Error('closed before it was open')));
    });
    this.opened.catch(() => {}); // asker.failed() tells as well
    this.#socket.on('error', (error) => asker.failed(this, error));
    this.#socket.on('end', () => asker.failed(this, new Error('the server closed the connection')));
  }

  send(request: Buffer): void {
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(read: Buffer): void {
    let bytes = read;
    if (this.#left < 0) {
      if (this.#head.length > 0) bytes = Buffer.concat([this.#head, bytes]);
      const end = bytes.indexOf(HEAD_END);
      if (end < 0) {
        this.#head = Buffer.from(bytes);
        return;
      }
      this.#head = EMPTY;
      const head = bytes.toString('latin1', 0, end + 2);
      this.#status = Number(head.slice(9, 12));
      this.#length = this.#left = contentLength(head);
      this.#kept = this.#asker.wantsBody(this) ? [] : null;
      bytes = bytes.subarray(end + 4);
    }
    this.#left -= bytes.length;
    if (this.#kept && bytes.length > 0) this.#kept.push(Buffer.from(bytes));
    if (this.#left > 0) return;
    const body = this.#kept ? Buffer.concat(this.#kept) : EMPTY;
    this.#left = -1;
    this.#kept = null;
    this.#asker.answered(this, this.#status, body, this.#length);
  }
}

function contentLength(head: string): number {
  const at = head.search(/\r\ncontent-length:/i);
  if (at < 0) throw new Error(`an answer without Content-Length: ${head.split('\r\n')[0]}`);
  return Number.parseInt(head.slice(at + 17), 10);
}

/**
 * `connections` clients, each sending the next of `requests` as soon as its last one is answered with `status`, for
 * `seconds`. Resolves with the number of answers. @throws when an answer has another status, or a connection breaks.
 */
export async function hammer(
  port: number,
  connections: number,
  requests: readonly Buffer[],
  seconds: number,
  status = 200,
): Promise<number> {
  let answers = 0;
  let next = 0;
  let running = true;
  await new Promise<void>((resolve, reject) => {
    const open: RawConnection[] = [];
    const finish = (error?: Error) => {
      if (!running) return;
      running = false;
      for (const connection of open) connection.close();
      error ? reject(error) : resolve();
    };
    const asker: Asker = {
      wantsBody: () => false,
      answered(connection, answered) {
        if (!running) return;
        if (answered !== status) return finish(new Error(`an answer with status ${answered}`));
        answers++;
        connection.send(requests[next++ % requests.length]!);
      },
      failed: (_connection, error) => finish(error),
    };
    for (let i = 0; i < connections; i++) {
      const connection = new RawConnection(port, asker);
      open.push(connection);
      connection.send(requests[next++ % requests.length]!);
    }
    setTimeout(finish, seconds * 1000);
  });
  return answers;
}
