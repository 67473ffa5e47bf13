// The floor for ingest: a Node process that reads with one reused buffer, walks the RTMP chunks of a raw stream (no handshake)
// and copies every message body once. Nothing is checked, kept or answered: no server in Node can cost less per stream.
import net from 'node:net';

const CHUNK_SIZE = 4096;
const HEADER_BYTES = [12, 8, 4, 1];
const shared = Buffer.allocUnsafeSlow(64 * 1024);

interface ChunkStream {
  length: number;
  body: Buffer | null;
  have: number;
}

class Walker {
  readonly #streams = new Map<number, ChunkStream>();
  #current: ChunkStream | null = null;
  /** Payload bytes of the current chunk still to come. */
  #left = 0;
  /** A header that straddles two reads. */
  #rest: Buffer | null = null;

  walk(read: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, read]) : read;
    this.#rest = null;
    for (let at = 0; at < bytes.length; ) {
      const stream = this.#current;
      if (stream !== null && this.#left > 0) {
        const count = Math.min(this.#left, bytes.length - at);
        bytes.copy(stream.body!, stream.have, at, at + count);
        stream.have += count;
        at += count;
        this.#left -= count;
        if (stream.have === stream.length) stream.body = null;
        continue;
      }
      const first = bytes[at]!;
      const header = HEADER_BYTES[first >> 6]!;
      if (bytes.length - at < header) {
        this.#rest = Buffer.from(bytes.subarray(at));
        return;
      }
      let next = this.#streams.get(first & 63);
      if (next === undefined) this.#streams.set(first & 63, (next = { length: 0, body: null, have: 0 }));
      if (header >= 8) next.length = (bytes[at + 4]! << 16) | (bytes[at + 5]! << 8) | bytes[at + 6]!;
      if (next.body === null) {
        next.body = Buffer.allocUnsafe(next.length);
        next.have = 0;
      }
      this.#current = next;
      this.#left = Math.min(CHUNK_SIZE, next.length - next.have);
      at += header;
    }
  }
}

// Node gives the reused read buffer to sockets made by hand only: take the handle of the accepted one.
const server = net.createServer({ pauseOnConnect: true }, (accepted) => {
  const holder = accepted as { _handle?: unknown };
  const handle = holder._handle;
  holder._handle = null;
  accepted.destroy();
  const walker = new Walker();
  const onread = {
    buffer: shared,
    callback: (length: number, buffer: Buffer) => {
      walker.walk(buffer.subarray(0, length));
      return true;
    },
  };
  const socket = new net.Socket({ handle, onread } as unknown as net.SocketConstructorOpts);
  socket.on('error', () => {});
  socket.resume();
});
server.listen(0, '127.0.0.1', () => process.send!((server.address() as net.AddressInfo).port));
process.on('disconnect', () => process.exit());
